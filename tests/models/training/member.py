"""What one process of the team test does; imports little, because every process imports it."""

from datetime import timedelta

import torch

from samnb.models.training.team import join_team


def average_once(rank, meeting, folder):
    torch.set_num_threads(1)
    team = join_team(rank, 2, meeting, patience=timedelta(seconds=90))
    net = torch.nn.Linear(1, 1)
    with torch.no_grad():
        net.weight.fill_(float(rank))
        net.bias.fill_(0.0)
    team.agree_on(net)
    start = float(net.weight.detach())
    net.weight.grad = torch.full((1, 1), 1.0 + rank)
    if rank == 1:  # the lead's clips never touched the bias
        net.bias.grad = torch.full((1,), 2.0)
    share = team.average(list(net.parameters()), 0.25 if rank == 0 else 0.9)
    grads = [float(p.grad) for p in net.parameters()]
    team.leave()
    torch.save({"start": start, "grads": grads, "share": share}, folder / f"{rank}.pt")
