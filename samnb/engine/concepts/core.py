"""The part of the concept loop's door that is no act: the state, the log, the pixels."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from samnb.engine.concepts.flow import fold
from samnb.engine.concepts.state import ConceptState, PairState
from samnb.engine.tracking import to_frame_prompts
from samnb.events import Body, Event
from samnb.events.concepts import ConceptMask
from samnb.masks import rle as rle_ops
from samnb.models.base import BoolMask, Image, Prediction, TrackSession
from samnb.types import InputError, MaskId, Prompt, Rle, Worker, WorkerKind

if TYPE_CHECKING:
    from samnb.engine.concepts.session import ConceptSession
    from samnb.engine.session import Session


class ConceptCore:
    """A worker's view of the pairs in a log.

    Attributes:
        session: the session whose log, media, clock and worker this shares.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._lock = threading.RLock()
        self._state = ConceptState()
        self._track: tuple[str, TrackSession] | None = None
        self._models: dict[str, ConceptSession] = {}
        session.subscribe(self._take)
        self._catch_up()

    # -- state -----------------------------------------------------------------

    @property
    def state(self) -> ConceptState:
        """The latest snapshot; never changes under you."""
        return self._catch_up()

    def refresh(self) -> ConceptState:
        """Fold what others appended since, tell subscribers, return the state."""
        self.session.refresh()
        return self._catch_up()

    def pair(self, pair_id: str) -> PairState:
        """Return a pair's state.

        Raises:
            InputError: no such pair.
        """
        found = self.state.pairs.get(pair_id)
        if found is None:
            raise InputError(f"pair_id: expected a pair of this project, got {pair_id!r}")
        return found

    def subscribe(self, subscriber: Callable[[Sequence[Event]], None]) -> Callable[[], None]:
        """Call ``subscriber(events)`` after every append, in the thread that appended;
        ``state`` then holds them. Events of the masklet loop come as well.

        Returns:
            a function that ends the subscription.
        """
        return self.session.subscribe(subscriber)

    def _take(self, events: Sequence[Event]) -> None:
        with self._lock:
            if events[0].seq == self._state.seq + 1:
                self._state = fold(self._state, events)

    def _catch_up(self) -> ConceptState:
        """Fold what the session knows; with several threads, news may come out of order."""
        with self._lock:
            if self._state.seq < self.session.state.seq:
                self._state = fold(self._state, self.session.log.read(self._state.seq))
            return self._state

    def commit(
        self, make: Callable[[ConceptState], Sequence[Body]], *, masks: Sequence[Rle] = ()
    ) -> list[Event]:
        """Append what ``make`` returns for the newest state, in one transaction.

        ``make`` may raise ``FlowError``; nothing is written then.
        """
        return self.session.commit(lambda _state: make(self._catch_up()), masks=masks)

    def as_model(self, name: str) -> ConceptSession:
        """Return the door for a model that works here, so that the log tells it from people."""
        with self._lock:
            if name not in self._models:
                worker = Worker(name, WorkerKind.MODEL)
                self._models[name] = self.session.as_worker(worker).concepts
            return self._models[name]

    # -- pixels ----------------------------------------------------------------

    def image(self, media_id: str, frame_idx: int = 0) -> Image:
        """Return a frame as (H, W, 3) uint8 RGB, read-only."""
        return self.session.reader(media_id).frame(frame_idx)

    def mask(self, mask_id: MaskId) -> BoolMask:
        """Return a stored mask as (H, W) bool."""
        return rle_ops.decode(self.session.mask(mask_id))

    def pixels(self, media_id: str, mask: ConceptMask) -> BoolMask:
        """Return all of a mask: (H, W) bool of a picture, (T, H, W) of a video, over its
        annotated frames."""
        if media_id not in self.state.videos:
            return self.mask(mask.mask_id)
        idxs = {idx: at for at, idx in enumerate(self.session.annotation_frames(media_id))}
        volume = np.zeros((len(idxs), *self.session.media(media_id).size_hw), np.bool_)
        stored = self.session.masks(f.mask_id for f in mask.frames)
        for frame in mask.frames:
            if frame.frame_idx in idxs:
                volume[idxs[frame.frame_idx]] = rle_ops.decode(stored[frame.mask_id])
        return volume

    def segment(self, media_id: str, prompts: Sequence[Prompt], frame_idx: int = 0) -> Prediction:
        """Return what the session's click model makes of prompts on one frame; nothing is
        written. For correction: hand the mask on as :class:`Drawn`.

        Raises:
            ModelError: the model cannot be loaded or cannot take the prompts.
        """
        with self._lock:
            if self._track is None or self._track[0] != media_id:
                if self._track is not None:
                    self._track[1].close()
                track = self.session.tracker.open(self.session.reader(media_id))
                self._track = (media_id, track)
            return self._track[1].segment(frame_idx, to_frame_prompts(prompts, self.session.mask))
