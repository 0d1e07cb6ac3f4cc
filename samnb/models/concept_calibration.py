"""What ``concept`` says of a thing and a phrase, as honest probabilities."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SURE: Final = 6.0  # log-odds that nothing is there where nothing was seen


class Calibration(nn.Module):
    """Turns quality and words into honest probabilities, fitted on pictures of its own.

    ``instance``: constant, weight of the quality's and of the words' logit. ``presence``:
    constant, weight of the best instance's logit and of the logit of "any of them".
    """

    def __init__(self) -> None:
        super().__init__()
        self.instance = nn.Parameter(torch.tensor([0.0, 1.0, 1.0]))
        self.presence = nn.Parameter(torch.tensor([0.0, 1.0, 0.0]))

    def instance_logits(self, quality: Tensor, log_probability: Tensor) -> Tensor:
        """Logits that an instance matches: (N,) and (N, P) to (N, P)."""
        constant, weight, words = self.instance
        own = torch.logit(quality, eps=1e-4)[:, None]
        told = torch.logit(log_probability.exp(), eps=1e-5)
        logits: Tensor = constant + weight * own + words * told
        return logits

    def presence_logit(self, logits: Tensor) -> Tensor:
        """Logit that the phrase names anything: (N, P) to (P,)."""
        constant, best, anyone = self.presence
        if len(logits) == 0:
            return torch.full((logits.shape[1],), -_SURE)
        none = F.logsigmoid(-logits).sum(0).clamp(max=-1e-5)
        any_logit = torch.log(-torch.expm1(none)) - none
        logit: Tensor = constant + best * logits.amax(0) + anyone * any_logit.clamp(-12, 12)
        return logit
