"""Bodies of the concept loop on videos: what filters took out, and frames that became pictures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClipChecked:
    """A clip was looked at by a filter, and goes on or does not (SAM 3 paper, appendix on
    the video engine). The newest check of a filter holds.

    Attributes:
        filter: "shot and motion" before phrases are mined, "easy" after masklets were
            proposed.
        reason: why it does not go on; else empty.
        figures: what was measured or counted, as name and value.
    """

    media_id: str
    filter: str
    is_kept: bool
    reason: str = ""
    figures: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class FrameSampled:
    """A frame of a video became a picture of its own, for the loop over pictures.

    Attributes:
        picture_id: the medium that the frame became.
        sampler: "random", or "crowded": a frame with many objects.
    """

    media_id: str
    frame_idx: int
    picture_id: str
    sampler: str


@dataclass(frozen=True, slots=True)
class PairDropped:
    """A filter took a pair out before anybody was asked about it; a person can reopen it.

    Attributes:
        filter: "whole scene" or "easy".
        reason: why, in one clause.
    """

    item_id: str
    filter: str
    reason: str
