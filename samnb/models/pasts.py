"""The pasts of several objects, in the keys of the `sam2` package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import torch
from torch import Tensor

from samnb.models.backend import Bank, Output

GROUPS: Final = "groups"
"""Key of the pasts, group by group, of objects whose banks hold different frames."""
_PROMPTED, _RECENT = "cond_frame_outputs", "non_cond_frame_outputs"


def stack_banks(banks: Sequence[Bank], code: Tensor | None) -> dict[str, Any]:
    """Join the banks of objects, frame by frame.

    Args:
        banks: those with equal keys are neighbours; empty for a first prompt.
        code: (1, C, h, w) position code of the spatial memory; None while nothing is remembered.

    Returns:
        What the package's tracking step reads, or where banks hold different frames a list of such
        under `GROUPS`, one for each key.
    """
    groups = [list(group) for _, group in groupby(banks, key=lambda bank: bank.key)]
    stacked = [
        {
            _PROMPTED: _stack([bank.prompted for bank in group], code),
            _RECENT: _stack([bank.recent for bank in group], code),
        }
        for group in groups
    ]
    if not stacked:
        return {_PROMPTED: {}, _RECENT: {}}
    return stacked[0] if len(stacked) == 1 else {GROUPS: stacked}


def count_objects(past: Mapping[str, Any]) -> int:
    """How many objects a past that `stack_banks` has joined is of."""
    return len(next(iter(past[_PROMPTED].values()))["obj_ptr"])


def _stack(pasts: Sequence[Mapping[int, Output]], code: Tensor | None) -> dict[int, dict[str, Any]]:
    stacked: dict[int, dict[str, Any]] = {}
    for position in pasts[0]:
        outputs = [past[position] for past in pasts]
        memories = [o.memory for o in outputs if o.memory is not None]
        stacked[position] = {
            # float32, because on frames without pointers nothing else would lift it.
            "maskmem_features": torch.cat([memory.float() for memory in memories]),
            "maskmem_pos_enc": [None if code is None else code.expand(len(outputs), -1, -1, -1)],
            "obj_ptr": torch.cat([o.pointer for o in outputs]),
        }
    return stacked
