"""Keeps a model's open videos in step with the log.

The log holds every prompt; a :class:`~samnb.models.base.TrackSession` holds a copy.
Before a model is asked anything, the copy is brought up to date: so undo, redo,
brush strokes and restarts need no word to the model when they happen.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from samnb.engine.phases import AFRESH, Phase, phase_of
from samnb.engine.promotion import DEFAULT_MODEL, ModelChoice, fall_back
from samnb.engine.state import FrameState, ItemState
from samnb.masks import rle as rle_ops
from samnb.models.base import FramePrompts, FrameSource, Prediction, Tracker, TrackSession
from samnb.models.maskonly import MaskOnlySession
from samnb.types import Box, InputError, Item, MaskId, MaskPrompt, ModelError, Point, Prompt, Rle


def to_frame_prompts(prompts: Iterable[Prompt], mask_of: Callable[[MaskId], Rle]) -> FramePrompts:
    """Turn records into the arrays that a model takes.

    Raises:
        InputError: two boxes, or a mask together with other prompts.
    """
    prompts = tuple(prompts)
    points = [p for p in prompts if isinstance(p, Point)]
    boxes = [p for p in prompts if isinstance(p, Box)]
    masks = [p for p in prompts if isinstance(p, MaskPrompt)]
    if len(boxes) > 1:
        raise InputError(
            f"prompts: expected at most one box per object and frame, got {len(boxes)}"
        )
    if masks:
        if len(prompts) > 1:
            raise InputError("prompts: expected a mask alone, got a mask with other prompts")
        return FramePrompts(mask=rle_ops.decode(mask_of(masks[0].mask_id)))
    box = boxes[0] if boxes else None
    return FramePrompts(
        points_xy=np.array([(p.x, p.y) for p in points], np.float32).reshape(-1, 2),
        point_labels=np.array([p.label for p in points], np.int32),
        box_xyxy=np.array([box.x0, box.y0, box.x1, box.y1], np.float32) if box else None,
    )


def prompts_for_model(item: Item, frame: FrameState) -> tuple[Prompt, ...]:
    """Return what the tracker is given for a prompted frame: the prompts themselves, or
    in a phase without memory, and on a frame started afresh, the mask that they made."""
    is_refined = phase_of(item).has_memory and frame.origin != AFRESH
    if is_refined or frame.mask_id is None:
        return frame.prompts
    return (MaskPrompt(frame.mask_id),)


class ModelSlot:
    """A model that is loaded once, when it is first needed.

    Args:
        tracker: the model, its name, or what chooses one when it is needed.
    """

    def __init__(self, tracker: Tracker | str | Callable[[], ModelChoice]) -> None:
        self._choose: Callable[[], ModelChoice] | None = None
        self._tracker: Tracker | str | None = None
        if isinstance(tracker, str) or not callable(tracker):
            self._tracker = tracker
        else:
            self._choose = tracker
        self._choice: ModelChoice | None = None
        self._lock = threading.RLock()

    @property
    def note(self) -> str:
        """What there is to say about the choice; empty where nothing was chosen here."""
        with self._lock:
            if self._choice is None and self._choose is not None:
                self._take(self._choose())
            return self._choice.note if self._choice else ""

    def get(self) -> Tracker:
        """Return the model.

        Raises:
            ModelError: it cannot be loaded.
        """
        with self._lock:
            if self._tracker is None or isinstance(self._tracker, str):
                self._tracker = self._load(self._tracker)
            return self._tracker

    def _load(self, name: str | None) -> Tracker:
        from samnb.models.registry import load_model

        if name is not None:
            return load_model(name)
        _ = self.note  # chooses, where nobody has asked yet
        choice = self._choice or ModelChoice(DEFAULT_MODEL)
        if choice.is_fallback or choice.name == DEFAULT_MODEL:
            return load_model(choice.name)
        try:
            return load_model(choice.name)
        except ModelError as error:
            remedy = "open the project with tracker= that model and call use_promoted(session)"
            self._take(fall_back(Path(choice.name).stem, f"but cannot load it ({error})", remedy))
            return load_model(DEFAULT_MODEL)

    def _take(self, choice: ModelChoice) -> None:
        self._choice = choice
        if choice.is_fallback:
            warnings.warn(choice.note, stacklevel=2)


@dataclass(slots=True)
class _Open:
    """One open video and the prompts its model session has been given."""

    track: TrackSession
    given: dict[tuple[int, int], tuple[Prompt, ...]] = field(default_factory=dict)


class Tracking:
    """Open model sessions, at most ``limit`` at a time; the oldest gives its memory back."""

    def __init__(self, tracker: Tracker, mask_of: Callable[[MaskId], Rle], limit: int = 2) -> None:
        self.tracker = tracker
        self._mask_of = mask_of
        self._limit = limit
        self._open: dict[str, _Open] = {}

    def open(self, media_id: str, source: Callable[[], FrameSource]) -> TrackSession:
        """Return the model session of a video, opening it when needed."""
        if media_id not in self._open:
            while len(self._open) >= self._limit:
                self._open.pop(next(iter(self._open))).track.close()
            self._open[media_id] = _Open(self.tracker.open(source()))
        return self._open[media_id].track

    def open_track(self, media_id: str) -> TrackSession:
        """Return the model session of a video that is open."""
        return self._open[media_id].track

    def sync(
        self,
        media_id: str,
        items: Iterable[ItemState],
        position_of: Mapping[int, int],
        *,
        but: tuple[int, int] | None = None,
    ) -> None:
        """Give the model exactly the prompts that the items have now.

        Args:
            media_id: an open video.
            items: items of that video; objects not named here are left alone.
            position_of: position in the frame source by frame number.
            but: ``(obj_id, position)`` about to be replaced, not worth predicting first.
        """
        entry = self._open[media_id]
        for state in items:
            obj_id = state.item.obj_id
            wanted = {
                (obj_id, position_of[idx]): prompts_for_model(state.item, frame)
                for idx, frame in state.frames.items()
                if frame.prompts and idx in position_of and not state.is_deleted
            }
            for key in [k for k in entry.given if k[0] == obj_id and k not in wanted]:
                entry.track.clear_prompts(*key)
                del entry.given[key]
            for key, prompts in sorted(wanted.items()):
                if key != but and entry.given.get(key) != prompts:
                    self.give(media_id, key, prompts, phase_of(state.item))
            if state.is_deleted:
                entry.track.remove_object(obj_id)

    def give(
        self, media_id: str, key: tuple[int, int], prompts: tuple[Prompt, ...], phase: Phase
    ) -> Prediction:
        """Set the prompts of ``(obj_id, position)`` and return the prediction there.

        Raises:
            ModelError: the phase's tracker takes masks only.
        """
        entry = self._open[media_id]
        track = entry.track if phase.has_memory else MaskOnlySession(entry.track)
        prediction = track.set_prompts(*key, to_frame_prompts(prompts, self._mask_of))
        entry.given[key] = prompts
        return prediction

    def close(self) -> None:
        """Close all videos."""
        while self._open:
            self._open.popitem()[1].track.close()
