import pytest
import torch

from samnb.models.verifier_features import N_APPEARANCE, N_QUALITY
from samnb.models.verifier_net import N_COVER, VerifierNet, pad_words

GAP, INSIDE = 19, 21  # places among the numbers about a pair


@pytest.fixture
def net():
    torch.manual_seed(0)
    return VerifierNet(n_extra=2).eval()


def cover(net, *, accepted, left, inside=0.0):
    n = accepted + left
    return net.cover(
        torch.zeros(n, N_APPEARANCE), torch.zeros(n, N_QUALITY + 2), pad_words(["red cup"]),
        accepted=range(accepted), left=range(accepted, n), scores=[0.5] * left,
        inside=[inside] * left,
    )  # fmt: skip


@pytest.mark.parametrize(("accepted", "left"), [(0, 0), (2, 0), (0, 3), (2, 3)])
def test_every_pair_is_told_in_as_many_numbers(net, accepted, left):
    found = cover(net, accepted=accepted, left=left)
    assert found.shape == (N_COVER + 2,) == (net.n_cover,)
    assert torch.isfinite(found).all() and found[1] == float(accepted == 0)


def test_equal_masks_leave_no_gap_and_tell_how_far_they_lie_inside(net):
    found = cover(net, accepted=1, left=1, inside=0.25)
    assert found[GAP] == pytest.approx(0.0, abs=1e-6) and found[INSIDE] == 0.25


def test_more_that_is_left_over_is_likelier_to_hold_one(net):
    one, many = (cover(net, accepted=0, left=n) for n in (1, 6))
    assert many[9] > one[9]  # chance of any
    assert many[7] == one[7]  # the likeliest


def test_nothing_left_over_is_less_than_anything_that_is(net):
    assert cover(net, accepted=0, left=0)[7] < cover(net, accepted=0, left=1)[7]


def test_making_mv_honest_does_not_change_what_ev_reads(net):
    before = cover(net, accepted=1, left=2)
    row = torch.zeros(1, N_APPEARANCE), torch.zeros(1, N_QUALITY + 2), pad_words(["red cup"])
    plain = net.mv(*row)
    net.mv_shift.fill_(2.0)
    assert torch.equal(cover(net, accepted=1, left=2), before)
    assert (net.mv(*row) - plain)[0].tolist() == pytest.approx([2.0, 0.0, 0.0, 0.0, 0.0])


def test_each_question_of_ev_is_made_honest_by_itself(net):
    empty, filled = cover(net, accepted=0, left=2)[None], cover(net, accepted=1, left=2)[None]
    words = pad_words(["red cup"])
    before = [net.ev(c, words) for c in (empty, filled)]
    net.ev_heat[1], net.ev_shift[1] = 2.0, 1.0
    moved = before[0].clone()
    moved[0, 0] += 1.0
    assert torch.allclose(net.ev(empty, words), moved / 2)
    assert torch.equal(net.ev(filled, words), before[1])
