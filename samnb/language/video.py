"""Phrases of a clip, and which phrases and clips are worth a person's time.

SAM 3 paper, appendix on the video engine: phrases are taken from every frame; phrases whose
masklet holds the whole scene are trivial; phrases with fewer than N = 3 objects are easy, and so
are clips with fewer than M = 2 phrases that are left. Stages for clips are in
:func:`samnb.language.stages.video_stages`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from samnb.language.duplicates import Signature, signature
from samnb.language.ontology import Ontology
from samnb.types import InputError

if TYPE_CHECKING:
    import pandas as pd

MIN_OBJECTS: Final = 3
"""N: a phrase with fewer objects is easy (SAM 3 paper)."""
MIN_PHRASES: Final = 2
"""M: a clip with fewer phrases that are left is easy (SAM 3 paper)."""
WHOLE_SCENE: Final = 0.9
"""A masklet that covers this share of the frames it is on holds the whole scene.

The paper gives no number; a frame is never covered to the last pixel.
"""


@dataclass(frozen=True, slots=True)
class ClipPhrase:
    """A phrase of a clip with the frames that named it.

    Attributes:
        text: as it was first met.
        frame_idxs: frames whose caption holds it, in ascending order.
    """

    text: str
    frame_idxs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ClipDecision:
    """Whether a phrase of a clip, or the clip itself (``phrase`` empty), is kept.

    Attributes:
        clip: name or id of the clip.
        phrase: the phrase decided on; empty for the clip as a whole.
        is_kept: it goes on.
        reason: why not, in one clause.
    """

    clip: str
    phrase: str
    is_kept: bool
    reason: str = ""


def collect_phrases(
    per_frame: Mapping[int, Sequence[str]],
    *,
    ontology: Ontology | None = None,
    min_frames: int = 1,
) -> tuple[ClipPhrase, ...]:
    """Join the phrases of a clip's frames: one entry for those that ask for the same.

    Args:
        per_frame: cleaned phrases by frame number.
        ontology: recognises synonyms; None compares words only.
        min_frames: phrases named on fewer frames are left out.

    Returns:
        phrases named on most frames first, then in order of their first frame.

    Raises:
        InputError: ``min_frames`` is below 1.
    """
    if min_frames < 1:
        raise InputError(f"min_frames: expected 1 or more, got {min_frames}")
    texts: dict[Signature, str] = {}
    frames: dict[Signature, list[int]] = {}
    for frame_idx in sorted(per_frame):
        for key in dict.fromkeys(signature(p, ontology) for p in per_frame[frame_idx]):
            frames.setdefault(key, []).append(frame_idx)
        for phrase in per_frame[frame_idx]:
            texts.setdefault(signature(phrase, ontology), phrase)
    found = [ClipPhrase(texts[k], tuple(v)) for k, v in frames.items() if len(v) >= min_frames]
    return tuple(sorted(found, key=lambda p: (-len(p.frame_idxs), p.frame_idxs[0])))


def drop_whole_scene(
    clip: str, area_shares: Mapping[str, Iterable[Sequence[float]]], *, whole: float = WHOLE_SCENE
) -> tuple[ClipDecision, ...]:
    """Decide which phrases are trivial: one of their masklets holds the whole scene.

    Args:
        clip: name or id for the decisions.
        area_shares: for each phrase, for each of its masklets, the share of the frame in
            [0, 1] that it covers on every frame where it is seen.
        whole: a masklet whose mean share reaches this holds the whole scene.

    Raises:
        InputError: a share, or ``whole``, is out of range.
    """
    if not 0 < whole <= 1:
        raise InputError(f"whole: expected a share in (0, 1], got {whole}")
    decisions = []
    for phrase, masklets in area_shares.items():
        largest = 0.0
        for shares in masklets:
            if any(not 0 <= s <= 1 for s in shares):
                raise InputError(f"area_shares of {phrase!r}: expected shares in [0, 1]")
            largest = max(largest, sum(shares) / len(shares) if shares else 0.0)
        is_whole = largest >= whole
        reason = f"a masklet covers {100 * largest:.0f} % of the frame" if is_whole else ""
        decisions.append(ClipDecision(clip, phrase, not is_whole, reason))
    return tuple(decisions)


def drop_easy(
    n_objects: Mapping[str, Mapping[str, int]],
    *,
    min_objects: int = MIN_OBJECTS,
    min_phrases: int = MIN_PHRASES,
) -> tuple[ClipDecision, ...]:
    """Decide which phrases and clips are easy: the N objects and M phrases rule.

    Args:
        n_objects: for each clip, the number of objects of each phrase.
        min_objects: N; phrases with fewer are dropped.
        min_phrases: M; clips with fewer phrases left are dropped, and their phrases with them.

    Returns:
        for every clip the decisions on its phrases in their order, then that on the clip.

    Raises:
        InputError: a bound is below 1.
    """
    if min_objects < 1 or min_phrases < 1:
        raise InputError(
            f"min_objects, min_phrases: expected 1 or more, got {min_objects} and {min_phrases}"
        )
    decisions = []
    for clip, counts in n_objects.items():
        n_left = sum(n >= min_objects for n in counts.values())
        is_clip_kept = n_left >= min_phrases
        clip_reason = (
            ""
            if is_clip_kept
            else f"{n_left} phrases with {min_objects} objects or more, {min_phrases} are needed"
        )
        for phrase, n in counts.items():
            few = f"{n} objects, {min_objects} are needed" if n < min_objects else ""
            reason = few or clip_reason
            decisions.append(ClipDecision(clip, phrase, not reason, reason))
        decisions.append(ClipDecision(clip, "", is_clip_kept, clip_reason))
    return tuple(decisions)


def clip_table(decisions: Iterable[ClipDecision]) -> pd.DataFrame:
    """Return one row per decision: columns clip, phrase, is_kept, reason."""
    import pandas as pd

    rows = [(d.clip, d.phrase, d.is_kept, d.reason) for d in decisions]
    return pd.DataFrame(rows, columns=["clip", "phrase", "is_kept", "reason"])
