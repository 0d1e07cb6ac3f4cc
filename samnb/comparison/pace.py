"""Both engines' human seconds on one scale: what people in the two papers really took.

The SAM 2 paper has two sets of seconds. Its interactive evaluation counts 1 s to find a
frame, 1.5 s a click and 0.1 s a frame watched (arXiv 2408.00714, section 6.1 and appendix);
its table 1 measured people, who drew a mask with 4.80 clicks in 37.8 s. The SAM 3 paper
(arXiv 2511.16719, table 15) measured people too: a mask drawn comes to 53 s (see
:mod:`samnb.engine.concepts.timing`). Set side by side as they are, the formula would make
the first engine several times faster for no reason but the ruler. So the formula's seconds
are stretched until a mask from scratch takes what table 1 measured: 37.8 / (1 + 1.5 * 4.80)
= 4.6 times. With the paper's own clicks and edits the stretched formula gives 7.3 s a frame
in Phase 2 and 4.9 s in Phase 3; the paper measured 7.4 and 4.5.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from samnb.engine.concepts.timing import Times
from samnb.engine.phasestats import PAPER
from samnb.engine.simulation import TimeModel

_FORMULA: Final = TimeModel()
STRETCH: Final = PAPER[1].s_per_frame / (
    _FORMULA.locate_s + _FORMULA.click_s * PAPER[1].clicks_per_clicked_frame
)
"""Seconds that people took in SAM 2's table 1 per second of its formula."""


def stretched(times: TimeModel, by: float = STRETCH) -> TimeModel:
    """Return a time model with every duration ``by`` times as long."""
    changed = {name: by * getattr(times, name) for name in TimeModel.__dataclass_fields__}
    return replace(times, **changed)


@dataclass(frozen=True, slots=True)
class Pace:
    """What people's actions take in either engine, in seconds.

    Attributes:
        masklet: of selectors, annotators and verifiers of masklets.
        concept: of reviewers of pairs.
    """

    masklet: TimeModel = field(default_factory=lambda: stretched(TimeModel()))
    concept: Times = field(default_factory=Times)


def definitions() -> dict[str, str]:
    """Return the choices behind people's seconds, for printing under a table."""
    t = Pace().masklet
    return {
        "people's time, masklets": f"{t.locate_s:.1f} s to find a frame, {t.click_s:.1f} s a "
        f"click or stroke, {t.view_s:.2f} s a frame watched: the SAM 2 paper's formula, "
        f"stretched {STRETCH:.1f} times to its own table 1",
        "people's time, concepts": "the SAM 3 paper's table 15 taken apart into tasks",
    }
