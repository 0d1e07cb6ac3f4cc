"""The pictures of MV and EV, made before they are wanted."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from samnb.engine.concepts.queue import Work
from samnb.engine.session import Session
from samnb.events.concepts import ConceptMask, ConceptTask
from samnb.masks import rle as rle_ops
from samnb.masks.views import ev_view, mv_view
from samnb.models.base import Image
from samnb.types import MaskId, SamnbError
from samnb.widgets.jobs import Runner
from samnb.widgets.pictures import Picture, encode_frame

PANEL_PX: Final = 448
"""Side of each of the two MV panels: together about as wide as the desk's picture."""
_KEPT: Final = 24
_QUALITY: Final = 92


@dataclass(frozen=True, slots=True)
class Shot:
    """Everything that decides how a question looks.

    Attributes:
        mask_ids: for MV the mask asked about, for EV all accepted ones; none where they
            are not on this frame.
        is_bare: without fill (MV) or boxes (EV).
    """

    task: ConceptTask
    media_id: str
    frame_idx: int
    mask_ids: tuple[MaskId, ...]
    is_bare: bool = False

    @property
    def key(self) -> str:
        """A name that no other picture has."""
        marks = ",".join(self.mask_ids)
        return f"{self.task.value}:{self.media_id}:{self.frame_idx}:{marks}:{self.is_bare}"


@dataclass(frozen=True, slots=True)
class Developed:
    """The picture of a shot, or in words why there is none."""

    picture: Picture | None
    size_hw: tuple[int, int] = (0, 0)
    problem: str = ""


def first_frame(work: Work, mask: ConceptMask | None) -> int:
    """The frame that is shown first: for one mask the middle of its frames, else the first
    of those where most masks are. It is the frame on which a model is asked."""
    if mask is not None:
        return mask.frames[len(mask.frames) // 2].frame_idx
    counts = Counter(f.frame_idx for m in work.masks for f in m.frames)
    return min(counts, key=lambda idx: (-counts[idx], idx), default=0)


def frames_of(
    session: Session, work: Work, mask: ConceptMask | None
) -> tuple[tuple[int, ...], int]:
    """The frames to look through, and the one to begin with. A mask is looked at where it
    is; whether all is found has to be looked for everywhere.

    Raises:
        MediaError: the file there now has other content.
    """
    idx = first_frame(work, mask)
    if mask is not None:
        return tuple(f.frame_idx for f in mask.frames), idx
    frames = session.annotation_frames(work.media_id)
    return frames, min(frames, key=lambda i: abs(i - idx), default=0)


def shot_of(work: Work, mask: ConceptMask | None, frame_idx: int, is_bare: bool = False) -> Shot:
    """What to show for one mask of a pair, or (None) for all of them."""
    masks = work.masks if mask is None else (mask,)
    ids = tuple(f.mask_id for m in masks for f in m.frames if f.frame_idx == frame_idx)
    return Shot(work.task, work.media_id, frame_idx, ids, is_bare)


def render(session: Session, shot: Shot) -> Image:
    """Draw a shot, (H, W, 3) uint8.

    Raises:
        MediaError: the frame cannot be read.
    """
    image = session.reader(shot.media_id).frame(shot.frame_idx)
    stored = session.masks(shot.mask_ids)
    masks = [rle_ops.decode(stored[mask_id]) for mask_id in shot.mask_ids]
    if shot.task is ConceptTask.MV and masks and masks[0].any():
        alpha = 0.0 if shot.is_bare else 0.35
        return mv_view(image, masks[0], panel_px=PANEL_PX, alpha=alpha)
    return ev_view(image, [] if shot.is_bare else masks)


class Darkroom:
    """Makes the pictures that are asked for, in order of need, off the page thread.

    Args:
        session: read for frames and masks.
        page: told there when a picture is ready.
        work: where pictures are made.
        changed: called on the page thread when there is something new to show.
    """

    def __init__(
        self, session: Session, page: Runner, work: Runner, changed: Callable[[], None]
    ) -> None:
        self.session = session
        self._page, self._work, self._changed = page, work, changed
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Developed] = OrderedDict()
        self._wanted: tuple[Shot, ...] = ()

    def want(self, shots: Sequence[Shot]) -> None:
        """Ask for pictures, the most urgent first; what was asked for before and is not
        made yet is forgotten."""
        wanted = tuple(shots)
        with self._lock:
            if wanted == self._wanted:
                return
            self._wanted = wanted
            is_missing = any(shot.key not in self._kept for shot in wanted)
        if is_missing:
            self._work.post_latest("shots", self._develop)

    def get(self, shot: Shot) -> Developed | None:
        """The picture, if it is made."""
        with self._lock:
            found = self._kept.get(shot.key)
            if found is not None:
                self._kept.move_to_end(shot.key)
            return found

    def forget_problems(self) -> None:
        """Try again what failed: a file may have come back."""
        with self._lock:
            for key in [key for key, done in self._kept.items() if done.problem]:
                del self._kept[key]
            self._wanted = ()

    def close(self) -> None:
        """Stop the runner."""
        self._work.close()

    def _develop(self) -> None:
        while True:
            with self._lock:
                shot = next((s for s in self._wanted if s.key not in self._kept), None)
            if shot is None:
                return
            done = self._made(shot)
            with self._lock:
                self._kept[shot.key] = done
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            self._page.post_latest("shot", self._changed)

    def _made(self, shot: Shot) -> Developed:
        try:
            view = render(self.session, shot)
        except SamnbError as error:
            return Developed(None, problem=str(error))
        picture = Picture(shot.key, encode_frame(view, quality=_QUALITY))
        return Developed(picture, (view.shape[0], view.shape[1]))
