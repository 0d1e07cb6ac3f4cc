"""The tracking loop of SAM 2 over any backend: lazy frames, bounded memory, lasting corrections.

Decisions that the released predictors leave open or take otherwise:

* A prompted frame is always a conditioning frame and is yielded with its prompts' mask. (The
  released ``SAM2VideoPredictor`` lets the next propagation overwrite a corrected frame unless
  ``add_all_frames_to_correct_as_cond`` is set.)
* Prompts on a frame are decoded with the object's memory of all other frames whenever it has one,
  so a lone negative click means something; a first prompt has no memory to use.
* Clicks added to earlier clicks refine the mask those gave, clicks on a tracked frame refine the
  tracked mask. Taking clicks back gives the very mask from before them. Anything else starts anew.
* A mask prompt is given back bit for bit; the model's memory sees it at the model's resolution.
* Frames that the backend does not trust are no memory for others; one prompted frame always is.
* Of more prompted frames than the model attends to, one at most says that the object is absent.
* A range that starts in the middle of nowhere is run in to: the frames since the nearest prompted
  or up-to-date frame are computed and not yielded, at most ``run_in`` of them.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from samnb.models.backend import Backend, Bank, Features, Output
from samnb.models.base import BoolMask, FramePrompts, FrameSource, Prediction
from samnb.models.convert import to_model_prompt, to_prediction
from samnb.models.eyes import click
from samnb.models.griddecode import segment_clicks
from samnb.models.memory import (
    History,
    KeptPrompts,
    Limits,
    ObjectState,
    Prompted,
    Tracked,
    batches,
    is_same_start,
    select_prompted,
)
from samnb.models.prompts import check_prompts
from samnb.models.refining import PREVIOUS_LIMIT, Refiner
from samnb.models.sight import Sight
from samnb.store.cache import ByteLru
from samnb.types import InputError, ModelError

_BATCH = 16  # most objects decoded at once


class MemorySession:
    """One open video; see :class:`~samnb.models.base.TrackSession` for the contract.

    Calls may come from several threads; they take turns frame by frame. :meth:`close` from another
    thread ends a running propagation after the frame it is at.
    """

    def __init__(
        self,
        backend: Backend,
        frames: FrameSource,
        limits: Limits,
        shared: ByteLru[str, Features] | None = None,
    ) -> None:
        self._backend = backend
        self._limits = limits
        self._frames = frames
        self._size_hw = frames.size_hw
        self._n_frames = len(frames)
        self._objects: dict[int, ObjectState] = {}
        self._history = History(limits.history_bytes)
        known = ByteLru[str, Features](0) if shared is None else shared
        kept, eyes = limits.cached_frames, backend.eyes
        # As memory sees frames, and as whoever answers prompts on a picture sees them.
        self._sight = self._look = Sight(backend, frames, kept, known)
        if eyes is not None:
            self._look = Sight(eyes, frames, kept, known, name="eyes:")
        self._refiner = Refiner()
        self._lock = threading.RLock()
        self._is_closed = threading.Event()

    @property
    def n_remembered(self) -> int:
        """Number of tracked outputs held; prompted frames are not counted."""
        return len(self._history)

    @property
    def nbytes(self) -> int:
        """Bytes of all outputs held, those of prompted frames included."""
        held = [f.output for s in self._objects.values() for f in s.prompted.values()]
        return self._history.nbytes + sum(output.nbytes for output in held)

    @property
    def n_encoded(self) -> int:
        """Number of encoded frames held."""
        return len(self._sight)

    def segment(self, position: int, prompts: FramePrompts) -> Prediction:
        """Predict from this frame alone, without memory.

        One click gives the best of three masks by predicted IoU; each further one refines the
        mask before it, see :mod:`samnb.models.refining`.

        Raises:
            InputError: a wrong position or wrong prompts.
            ModelError: the session is closed.
        """
        self._check(position, prompts)
        with self._lock, torch.inference_mode():
            self._check_open()
            decoded = self._refiner.decode(
                self._look.backend,
                self._look.encode(position),
                position,
                prompts,
                self._size_hw,
            )
            return to_prediction(decoded, self._size_hw)

    def segment_grid(
        self,
        position: int,
        points_xy: npt.NDArray[np.float32],
        *,
        min_confidence: float = 0.0,
        min_stability: float = 0.0,
    ) -> list[tuple[int, Prediction]]:
        """Answer many single clicks on one frame; see :class:`~samnb.models.grid.GridSegmenter`.

        Raises:
            InputError: a wrong position or wrong points.
            ModelError: the session is closed.
        """
        self._check_position(position, "position")
        with self._lock, torch.inference_mode():
            self._check_open()
            return segment_clicks(
                self._look.backend,
                self._look.encode(position),
                points_xy,
                self._size_hw,
                min_confidence=min_confidence,
                min_stability=min_stability,
            )

    def set_prompts(self, obj_id: int, position: int, prompts: FramePrompts) -> Prediction:
        """Replace all prompts of an object on a frame and predict there.

        Raises:
            InputError: a wrong position or wrong prompts.
            ModelError: the session is closed.
        """
        self._check(position, prompts)
        with self._lock, torch.inference_mode():
            self._check_open()
            state = self._objects.get(obj_id, ObjectState())
            frame = self._predict(obj_id, state, position, prompts)
            state.prompted[position] = frame
            state.revision += 1
            self._objects[obj_id] = state
            # From now on the frame counts as prompted only.
            self._history.drop(obj_id, position)
            return to_prediction(frame.output, self._size_hw, prompts.mask)

    def clear_prompts(self, obj_id: int, position: int) -> None:
        """Forget the prompts of an object on a frame; unknown pairs are ignored."""
        with self._lock:
            state = self._objects.get(obj_id)
            if state is not None and state.prompted.pop(position, None) is not None:
                state.revision += 1

    def remove_object(self, obj_id: int) -> None:
        """Forget an object altogether; unknown ids are ignored."""
        with self._lock:
            self._objects.pop(obj_id, None)
            self._history.drop_object(obj_id)

    def propagate(
        self, *, start: int, stop: int, obj_ids: Sequence[int] | None = None
    ) -> Generator[tuple[int, dict[int, Prediction]], None, None]:
        """Yield the masks of objects from ``start`` to ``stop``, both included.

        Objects without a prompt are left out, as are objects removed meanwhile. A range that
        follows on from what was tracked continues from there; any other is run in to.

        Args:
            start: first position.
            stop: last position; before ``start`` it runs backward in time.
            obj_ids: which objects; None for all.

        Raises:
            InputError: ``start`` or ``stop`` is outside of the video.
            ModelError: no object named has a prompt, or the session is closed.
        """
        for name, position in (("start", start), ("stop", stop)):
            self._check_position(position, name)
        with self._lock:
            self._check_open()
            named = list(self._objects) if obj_ids is None else list(dict.fromkeys(obj_ids))
            ids = [i for i in named if i in self._objects and self._objects[i].prompted]
        if not ids:
            raise ModelError(
                f"propagate: expected an object with a prompt, got objects {named} without any"
            )
        return self._run(start, stop, ids)

    def close(self) -> None:
        """Give the memory back; a propagation that is running ends after its current frame."""
        self._is_closed.set()
        with self._lock:
            self._objects.clear()
            self._history.clear()
            self._sight.clear()
            self._look.clear()
            self._refiner.clear()

    def _run(
        self, start: int, stop: int, ids: list[int]
    ) -> Generator[tuple[int, dict[int, Prediction]], None, None]:
        step = -1 if stop < start else 1
        with self._lock:
            entries = {i: self._entry(i, start, step) for i in ids if i in self._objects}
        if not entries:
            return
        first = min(entries.values()) if step > 0 else max(entries.values())
        for position in range(first, stop + step, step):
            with self._lock, torch.inference_mode():
                if self._is_closed.is_set():
                    return
                due = [i for i, entry in entries.items() if (position - entry) * step >= 0]
                outputs = self._advance(position, due, is_reverse=step < 0)
                is_visible = (position - start) * step >= 0
                found = (
                    {
                        i: to_prediction(out, self._size_hw, given)
                        for i, (out, given) in outputs.items()
                    }
                    if is_visible
                    else {}
                )
            if is_visible:
                yield position, found

    def _entry(self, obj_id: int, start: int, step: int) -> int:
        """Where computing must begin so that the object is well tracked from ``start`` on."""
        state = self._objects[obj_id]
        if start in state.prompted:
            return start
        behind = [p for p in state.prompted if (start - p) * step > 0]
        begin = start
        for distance in range(1, self._limits.run_in + 2):
            position = start - step * distance
            tracked = self._history.get(obj_id, position)
            if position in state.prompted or (tracked and tracked.revision == state.revision):
                return position + step
            if not behind or not 0 <= position < self._n_frames:
                break
            if distance <= self._limits.run_in:
                begin = position
        # A cold start: what older prompts left just behind it would mislead.
        for position in self._reachable(begin, is_reverse=step < 0):
            tracked = self._history.get(obj_id, position)
            if tracked is not None and tracked.revision != state.revision:
                self._history.drop(obj_id, position)
        return begin

    def _advance(
        self, position: int, ids: Sequence[int], *, is_reverse: bool
    ) -> dict[int, tuple[Output, BoolMask | None]]:
        """Track objects onto a frame; prompted ones keep their prompts' mask."""
        found: dict[int, tuple[Output, BoolMask | None]] = {}
        banks: list[tuple[int, Bank]] = []
        for obj_id in ids:
            state = self._objects.get(obj_id)
            if state is None or not state.prompted:
                continue
            if position in state.prompted:
                frame = state.prompted[position]
                found[obj_id] = frame.output, frame.prompts.mask()
                continue
            bank = self._bank(obj_id, state, position, is_reverse=is_reverse)
            banks.append((obj_id, bank))
        keep, backend = self._backend.reach * max(1, len(ids)), self._backend
        for part in batches(banks, _BATCH, is_mixed=backend.mixes_banks):
            features = self._sight.encode(position)
            outputs = backend.decode(
                features,
                position,
                [bank for _, bank in part],
                n_frames=self._n_frames,
                is_reverse=is_reverse,
            )
            backend.remember(features, outputs, is_prompted=False)
            for (obj_id, _), output in zip(part, outputs, strict=True):
                tracked = Tracked(output, self._objects[obj_id].revision, is_reverse)
                self._history.put(obj_id, position, tracked, keep=keep)
                found[obj_id] = output, None
        return {obj_id: found[obj_id] for obj_id in ids if obj_id in found}

    def _predict(
        self, obj_id: int, state: ObjectState, position: int, prompts: FramePrompts
    ) -> Prompted:
        """Decode the prompts of an object on a frame."""
        old = state.prompted.get(position)
        tracked = self._history.get(obj_id, position)
        others = [p for p in state.prompted if p != position]
        if tracked is not None:
            is_reverse = tracked.is_reverse
        elif old is not None:
            is_reverse = old.is_reverse
        else:
            is_reverse = bool(others) and min(others) > position
        root = old.root if old is not None else tracked.output.shown if tracked else None
        n_clicks = len(prompts.points_xy)
        previous, bases = root, {}
        if old is not None and is_same_start(old.prompts, prompts):
            if n_clicks > old.prompts.n_clicks:
                previous, bases = old.output.shown, dict(old.bases)
            elif n_clicks in old.bases:
                previous = old.bases[n_clicks]
                bases = {n: base for n, base in old.bases.items() if n <= n_clicks}
        bank = (
            self._bank(obj_id, state, position, is_reverse=is_reverse, but=position)
            if others
            else None
        )
        if prompts.mask is not None:
            previous = None
        else:
            bases[n_clicks] = previous
        limit = PREVIOUS_LIMIT
        clamped = None if previous is None else previous.clamp(-limit, limit)
        backend, eyes = self._backend, self._backend.eyes
        # On a tracked frame clicks correct what memory says, which these eyes know nothing of.
        if eyes is not None and bank is None and prompts.mask is None:
            prompt = to_model_prompt(prompts, self._size_hw, eyes.size, eyes.device)
            output = click(eyes, self._look.encode(position), prompt, clamped, backend.size)
        else:
            (output,) = backend.decode(
                self._sight.encode(position),
                position,
                [bank],
                n_frames=self._n_frames,
                is_reverse=is_reverse,
                prompt=to_model_prompt(prompts, self._size_hw, backend.size, backend.device),
                previous=clamped,
            )
        return Prompted(KeptPrompts.of(prompts), output, is_reverse, root, bases)

    def _bank(
        self,
        obj_id: int,
        state: ObjectState,
        position: int,
        *,
        is_reverse: bool,
        but: int | None = None,
    ) -> Bank:
        """Gather what a frame attends to, encoding the memory of new prompts on the way."""
        given = {p: frame for p, frame in state.prompted.items() if p != but}
        frames = {p: frame for p, frame in given.items() if frame.output.is_trusted} or given
        limit = self._limits.choose_max_prompted(self._backend.max_prompted)
        absent = {p for p, f in frames.items() if not bool((f.output.logits > 0).any())}
        chosen = select_prompted(position, list(frames), absent, limit)
        reachable = self._reachable(position, is_reverse=is_reverse)
        # Prompted frames beyond the limit still count while they are among the last few frames.
        passed = [p for p in reachable if p in frames and p not in chosen]
        for p in (*chosen, *passed):
            if frames[p].output.memory is None:
                self._backend.remember(self._sight.encode(p), [frames[p].output], is_prompted=True)
        near = self._history.near(obj_id, reachable)
        recent = {p: output for p, output in near.items() if output.is_trusted}
        recent.update({p: frames[p].output for p in passed})
        return Bank({p: frames[p].output for p in chosen}, recent)

    def _reachable(self, position: int, *, is_reverse: bool) -> range:
        reach = self._backend.reach
        if is_reverse:
            return range(position + 1, min(position + reach + 1, self._n_frames))
        return range(position - 1, max(position - reach - 1, -1), -1)

    def _check(self, position: int, prompts: FramePrompts) -> None:
        self._check_position(position, "position")
        check_prompts(prompts, self._size_hw)

    def _check_position(self, position: int, name: str) -> None:
        if not 0 <= position < self._n_frames:
            raise InputError(f"{name}: expected 0 to {self._n_frames - 1}, got {position}")

    def _check_open(self) -> None:
        if self._is_closed.is_set():
            raise ModelError("session: expected an open one, got one that was closed")
