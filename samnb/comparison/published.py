"""What the two papers say about each row of the comparison, in figures where they give any.

Sources: SAM 2 paper (arXiv 2408.00714), section 5 and tables 1 and 3; SAM 3 paper (arXiv
2511.16719), section 4 and tables 15, 19 and 23.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from samnb.engine.concepts.reviewers import EV_ACCURACY, MV_ACCURACY
from samnb.engine.concepts.timing import AI_ENGINE, ALL_HUMAN, ARMS, NEGATIVE_SHARE
from samnb.engine.concepts.timing import PAPER as ARMS_PAPER
from samnb.engine.phasestats import PAPER as PHASES_PAPER

SAM2_CYCLES: Final = {"phase 2": 2, "phase 3": 5}
"""Times that the tracker was retrained in SAM 2's engine."""
SAM3_CYCLES: Final = {"segmenter": 6 + 7, "AI verifiers": 3}
"""Times that models were retrained in SAM 3's engine."""
SAM3_PHRASES: Final = 4_000_000
"""Different phrases of SA-Co/HQ."""
SAM3_MASKS_PER_PAIR: Final = 3.10
"""Masks per positive pair of SA-Co/HQ."""
MV_AI, EV_AI = 0.777, 0.811
"""Accuracy of SAM 3's AI verifiers against the majority of people, mean of seven domains."""

_slow, _fast = ARMS_PAPER[ALL_HUMAN], ARMS_PAPER[AI_ENGINE]
SAVED: Final[Mapping[str, float]] = {
    "positive": _slow.positive_s / _fast.positive_s,
    "negative": _slow.negative_s / _fast.negative_s,
    "all": _slow.mix_s() / _fast.mix_s(),
}
"""How many times faster AI verifiers made SAM 3's engine, against all-human work."""


def _slashes(values: list[float], form: str) -> str:
    return " / ".join(format(v, form) for v in values)


_phases = [PHASES_PAPER[n] for n in (1, 2, 3)]
_mixes = [ARMS_PAPER[arm].mix_s() for arm in ARMS]

PUBLISHED: Final[Mapping[str, tuple[str, str]]] = {
    "primary annotator": ("people, with a model's help", "models; people see edge cases"),
    "human role": (
        "selects objects, makes and corrects masklets, verifies",
        "verifies masks and exhaustivity, corrects; each person one task",
    ),
    "bottleneck": ("people making masks", "people on what AI verifiers do not settle"),
    "annotation type": (
        "masklets of objects, no words",
        f"(image, noun phrase) pairs, {SAM3_MASKS_PER_PAIR:.2f} masks a positive, "
        f"{NEGATIVE_SHARE:.1%} verified negatives",
    ),
    "concept coverage": ("none: class-agnostic", f"{SAM3_PHRASES / 1e6:.0f}M phrases"),
    "scaling": (
        "in step with people's time (told, not fitted)",
        "throughput doubled by AI verifiers (told, not fitted)",
    ),
    "quality control": (
        "another person verifies each masklet",
        f"AI verifiers near people: MV {MV_AI:.1%} against {MV_ACCURACY:.1%}, "
        f"EV {EV_AI:.1%} against {EV_ACCURACY:.1%}",
    ),
    "people's seconds per frame": (
        f"{_slashes([p.s_per_frame for p in _phases], '.1f')} in phases 1 / 2 / 3",
        f"{_slashes(_mixes, '.0f')} a pair: from phrase / from masks / all human / AI verifiers",
    ),
    "edited by hand": (
        f"{_slashes([100 * p.edited_share for p in _phases], '.4g')} % of frames",
        "not told",
    ),
    "what models save": (
        f"{PHASES_PAPER[3].speed_up:.1f}x a frame, phase 3 against phase 1",
        f"{SAVED['negative']:.0f}x on negatives, {SAVED['positive'] - 1:.0%} on positives, "
        f"{SAVED['all']:.1f}x on the mix",
    ),
    "retraining": (
        f"{sum(SAM2_CYCLES.values())} cycles "
        f"({SAM2_CYCLES['phase 2']} in phase 2, {SAM2_CYCLES['phase 3']} in phase 3)",
        f"{SAM3_CYCLES['segmenter']} of the segmenter, {SAM3_CYCLES['AI verifiers']} of the "
        "verifiers",
    ),
}
"""By row: what the SAM 2 paper says and what the SAM 3 paper says."""
