"""What a person's tasks take: the SAM 3 paper's table of times, taken apart.

The paper (arXiv 2511.16719, table 15, on food and drink) gives mean seconds per pair for
four ways of working and nothing below that. :class:`Times` splits these totals into tasks,
so that a run with other models, other pairs and other errors has a modelled time of its own.
The split is ours; it reproduces the totals where the paper's shares are put in:

* A negative from the phrase alone is nothing but searching: ``blank_s`` = 71. Drawing is
  the rest of a positive: (236 - 71) s for 3.10 masks (the mean of SA-Co/HQ) = 53 s a mask.
* A negative from masks is searching too: ``examine_s`` = 70. A correction is the same work,
  begun with fewer wrong masks.
* With AI verifiers people only correct: 152 s a positive, 6 s a negative. What all-human
  work takes beyond that is MV and EV: 207 - 152 = 55 s a positive, 30 - 6 = 24 s a negative.
  With ``mv_mask_s`` per mask and ``ev_s`` per pair: 55 = 3.1 mv + ev and, taking half a
  mask per negative (the paper does not say), 24 = 0.5 mv + ev: 12 s a mask and 18 s a pair.
* ``remove_s`` is one click and a look; the paper has no figure.

A video is work of the same kinds, and more of it: whoever judges a masklet or searches a clip
watches its frames, and a masklet is drawn on all of them.

* ``watch_s`` = 0.1 a frame is the SAM 2 paper's (arXiv 2408.00714): 30 s for 300 frames.
* Drawn from a phrase alone a positive pair of a video takes 2307 s for 2.52 masklets (SAM 3
  paper, table 16) of 84.1 frames (its mean over SA-Co/VIDEO). Without 71 s to search and 8 s to
  watch, 10.5 s are left for each frame of a masklet: ``draw_frame_s``.
* For its video engine the paper gives 3221 s and no shares, so these cannot be checked there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from samnb.types import InputError

NEGATIVE_SHARE: Final = 0.885
"""Share of negatives in the paper's data mix (SA-Co/HQ)."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of a person's work; the time that models run never counts.

    Attributes:
        blank_s: search a picture for a phrase with no mask to begin with.
        examine_s: search it with masks shown, as in correction.
        draw_s: make one mask, or make one anew.
        remove_s: take one mask away.
        mv_mask_s: verify one mask.
        ev_s: answer EV for a pair.
        watch_s: watch one annotated frame of a video.
        draw_frame_s: make a masklet's mask on one frame.
    """

    blank_s: float = 71.0
    examine_s: float = 70.0
    draw_s: float = 53.0
    remove_s: float = 2.0
    mv_mask_s: float = 12.0
    ev_s: float = 18.0
    watch_s: float = 0.1
    draw_frame_s: float = 10.5

    def watched(self, n_frames: int) -> float:
        """Seconds to watch a medium once; a picture (one frame) is seen at a glance."""
        return self.watch_s * n_frames if n_frames > 1 else 0.0

    def mv(self, n_masks: float, n_frames: int = 1) -> float:
        """Seconds to verify the masks of a pair, each watched by itself."""
        return (self.mv_mask_s + self.watched(n_frames)) * n_masks

    def ev(self, n_frames: int = 1) -> float:
        """Seconds to answer EV for a pair."""
        return self.ev_s + self.watched(n_frames)

    def correction(
        self,
        n_shown: int,
        n_drawn: float,
        n_removed: int,
        n_frames: int = 1,
        n_drawn_frames: int = 0,
    ) -> float:
        """Seconds to complete a pair by hand, from masks or (none shown) from nothing.

        Args:
            n_shown: masks shown.
            n_drawn: masks made; of a picture.
            n_removed: masks taken away.
            n_frames: annotated frames of the medium, 1 for a picture.
            n_drawn_frames: frames drawn in all; of a video.
        """
        search_s = (self.examine_s if n_shown else self.blank_s) + self.watched(n_frames)
        is_video = n_frames > 1
        made_s = self.draw_frame_s * n_drawn_frames if is_video else self.draw_s * n_drawn
        return search_s + made_s + self.remove_s * n_removed


@dataclass(frozen=True, slots=True)
class ArmTimes:
    """Mean seconds per pair of one way of working."""

    positive_s: float
    negative_s: float

    def mix_s(self, negative_share: float = NEGATIVE_SHARE) -> float:
        """Mean seconds per pair where ``negative_share`` of the pairs are negative.

        Raises:
            InputError: not a share.
        """
        if not 0 <= negative_share <= 1:
            raise InputError(f"negative_share: expected 0 to 1, got {negative_share}")
        return negative_share * self.negative_s + (1 - negative_share) * self.positive_s


FROM_PHRASE: Final = "human from phrase"
FROM_MASKS: Final = "human from masks"
ALL_HUMAN: Final = "engine, all human"
AI_ENGINE: Final = "engine, AI verifiers"
ARMS: Final = (FROM_PHRASE, FROM_MASKS, ALL_HUMAN, AI_ENGINE)

PAPER: Final[Mapping[str, ArmTimes]] = {
    FROM_PHRASE: ArmTimes(236.0, 71.0),
    FROM_MASKS: ArmTimes(205.0, 70.0),
    ALL_HUMAN: ArmTimes(207.0, 30.0),
    AI_ENGINE: ArmTimes(152.0, 6.0),
}
"""SAM 3 paper, table 15. Its mixes of 90, 86, 50 and 23 s follow from these; the ratio of the
rounded last two is 2.17, of the unrounded ones 2.21."""


def definitions() -> dict[str, str]:
    """Return the choices behind modelled times, for printing under a table."""
    t = Times()
    return {
        "time": f"per task: {t.blank_s:g} s to search from nothing, {t.examine_s:g} s from masks, "
        f"{t.draw_s:g} s a mask drawn, {t.remove_s:g} s a mask removed, {t.mv_mask_s:g} s a mask "
        f"in MV, {t.ev_s:g} s a pair in EV: the paper's totals taken apart, see Times; of videos "
        f"{t.watch_s:g} s a frame watched and {t.draw_frame_s:g} s a frame drawn",
        "mix": f"{NEGATIVE_SHARE:.1%} negatives",
        "touch": "one answer of a person about a pair",
    }
