"""What a session keeps: features of a few frames, tracked outputs within a byte budget."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import numpy.typing as npt
from torch import Tensor

from samnb.models.backend import Bank, BankKey, Features, Output
from samnb.models.base import BoolMask, FramePrompts
from samnb.types import InputError

_MAX_PROMPTED = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """What a session may keep and do.

    Attributes:
        max_prompted: prompted frames that a frame attends to, the nearest ones; at least 2. None
            takes the model's own limit, else 8.
        history_bytes: budget for tracked outputs; a correction is better where the frames before
            it are still held. The model's own window always stays.
        run_in: most frames computed without being yielded before a range.
        cached_frames: encoded frames that a session keeps for further clicks, at least 1.
        shared_bytes: budget for encoded frames that all sessions on one model share: tracking
            a video again, or for another object or worker, then costs no encoding.

    Raises:
        InputError: a number is out of its range.
    """

    max_prompted: int | None = None
    history_bytes: int = 256 * 2**20
    run_in: int = 60
    cached_frames: int = 8
    shared_bytes: int = 128 * 2**20

    def __post_init__(self) -> None:
        checks = (
            ("max_prompted", self.max_prompted, 2),
            ("history_bytes", self.history_bytes, 0),
            ("run_in", self.run_in, 0),
            ("cached_frames", self.cached_frames, 1),
            ("shared_bytes", self.shared_bytes, 0),
        )
        for name, value, least in checks:
            if value is not None and value < least:
                raise InputError(f"{name}: expected at least {least}, got {value}")

    def choose_max_prompted(self, of_model: int) -> int:
        """The limit that counts, given the model's own (-1 for none)."""
        if self.max_prompted is not None:
            return self.max_prompted
        return of_model if of_model > 1 else _MAX_PROMPTED


@dataclass(slots=True, eq=False)
class Tracked:
    """An output that propagation left on a frame.

    Attributes:
        revision: the object's revision when it was made; an older one is out of date.
    """

    output: Output
    revision: int
    is_reverse: bool


@dataclass(frozen=True, slots=True, eq=False)
class KeptPrompts:
    """A copy of somebody's prompts, the mask packed to one bit per pixel."""

    points_xy: npt.NDArray[np.float32]
    point_labels: npt.NDArray[np.int32]
    box_xyxy: npt.NDArray[np.float32]
    bits: npt.NDArray[np.uint8] | None
    size_hw: tuple[int, int]

    @staticmethod
    def of(prompts: FramePrompts) -> KeptPrompts:
        """Copy prompts; no box becomes an array of length zero."""
        box, mask = prompts.box_xyxy, prompts.mask
        return KeptPrompts(
            prompts.points_xy.copy(),
            prompts.point_labels.copy(),
            np.zeros(0, np.float32) if box is None else box.copy(),
            None if mask is None else np.packbits(mask),
            (0, 0) if mask is None else (mask.shape[0], mask.shape[1]),
        )

    @property
    def n_clicks(self) -> int:
        """Number of points, a box not counted."""
        return len(self.points_xy)

    def mask(self) -> BoolMask | None:
        """The mask prompt, bit for bit, or None."""
        if self.bits is None:
            return None
        height, width = self.size_hw
        flat = np.unpackbits(self.bits, count=height * width)
        return flat.reshape(height, width).astype(np.bool_)


def is_same_start(old: KeptPrompts, prompts: FramePrompts) -> bool:
    """Whether one is the other plus further clicks: no masks, equal boxes, equal first points."""
    if old.bits is not None or prompts.mask is not None:
        return False
    new = KeptPrompts.of(prompts)
    n = min(old.n_clicks, new.n_clicks)
    return (
        np.array_equal(old.box_xyxy, new.box_xyxy)
        and np.array_equal(old.points_xy[:n], new.points_xy[:n])
        and np.array_equal(old.point_labels[:n], new.point_labels[:n])
    )


@dataclass(slots=True, eq=False)
class Prompted:
    """A prompted frame of one object.

    Attributes:
        root: logits that propagation had left on this frame before its first prompt, or None.
        bases: for every number of clicks so far, the logits that they refined; with these,
            taking a click back gives the very mask from before it.
    """

    prompts: KeptPrompts
    output: Output
    is_reverse: bool
    root: Tensor | None = None
    bases: dict[int, Tensor | None] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class ObjectState:
    """One object: its prompted frames by position, and how often they changed."""

    prompted: dict[int, Prompted] = field(default_factory=dict)
    revision: int = 0


def select_closest(position: int, prompted: Sequence[int], limit: int) -> list[int]:
    """Choose the prompted frames a frame attends to, in the order of ``prompted``.

    The nearest before, the nearest at or after, then the nearest of the rest: the rule of SAM 2's
    released code for a limited number of conditioning frames.

    Args:
        position: the frame that attends.
        prompted: positions of prompted frames.
        limit: at least 2; how many are chosen at most.
    """
    if len(prompted) <= limit:
        return list(prompted)
    before = max((p for p in prompted if p < position), default=None)
    after = min((p for p in prompted if p >= position), default=None)
    chosen = [p for p in (before, after) if p is not None]
    rest = sorted((p for p in prompted if p not in chosen), key=lambda p: abs(p - position))
    return chosen + rest[: limit - len(chosen)]


def select_prompted(
    position: int, prompted: Sequence[int], absent: Collection[int], limit: int
) -> list[int]:
    """Choose the prompted frames a frame attends to, where some say that the object is absent.

    Beyond the limit, the nearest one that says so is enough: a row of them, one beside the other,
    would leave no picture of the object.

    Args:
        position: the frame that attends.
        prompted: positions of prompted frames.
        absent: those of them without a mask.
        limit: at least 2; how many are chosen at most.
    """
    shown = [p for p in prompted if p not in absent]
    if len(prompted) <= limit or not shown or len(shown) == len(prompted):
        return select_closest(position, prompted, limit)
    nearest = min(absent, key=lambda p: (abs(p - position), p))
    if limit == 2:
        return [min(shown, key=lambda p: (abs(p - position), p)), nearest]
    return [*select_closest(position, shown, limit - 1), nearest]


def batches(
    banks: Iterable[tuple[int, Bank]], most: int, *, is_mixed: bool
) -> Iterator[list[tuple[int, Bank]]]:
    """Objects to decode together.

    Args:
        banks: objects by id and their banks.
        most: how many at once.
        is_mixed: whether banks with different keys may be together; those with equal keys are
            neighbours in any case.
    """
    groups: dict[BankKey, list[tuple[int, Bank]]] = {}
    for obj_id, bank in banks:
        groups.setdefault(bank.key, []).append((obj_id, bank))
    rows = [*groups.values()]
    for row in [list(chain.from_iterable(rows))] if is_mixed else rows:
        yield from (row[i : i + most] for i in range(0, len(row), most))


class History:
    """Tracked outputs of all objects, oldest forgotten first.

    Memory is bounded by ``budget`` bytes, except that the newest ``keep`` outputs always stay:
    the frames that the next one attends to.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.nbytes = 0
        self._held: OrderedDict[tuple[int, int], Tracked] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def put(self, obj_id: int, position: int, tracked: Tracked, *, keep: int) -> None:
        """Store an output, replacing the one there, and forget the oldest beyond the budget."""
        self.drop(obj_id, position)
        self._held[obj_id, position] = tracked
        self.nbytes += tracked.output.nbytes
        while self.nbytes > self.budget and len(self._held) > max(keep, 1):
            _, oldest = self._held.popitem(last=False)
            self.nbytes -= oldest.output.nbytes

    def get(self, obj_id: int, position: int) -> Tracked | None:
        """The output of an object on a frame, if it is still held."""
        return self._held.get((obj_id, position))

    def drop(self, obj_id: int, position: int) -> Tracked | None:
        """Forget one output and return it."""
        tracked = self._held.pop((obj_id, position), None)
        if tracked is not None:
            self.nbytes -= tracked.output.nbytes
        return tracked

    def drop_object(self, obj_id: int) -> None:
        """Forget everything about an object."""
        for key in [k for k in self._held if k[0] == obj_id]:
            self.drop(*key)

    def near(self, obj_id: int, positions: Iterable[int]) -> dict[int, Output]:
        """Outputs of an object on those of ``positions`` that are held."""
        found = {p: self._held.get((obj_id, p)) for p in positions}
        return {p: t.output for p, t in found.items() if t is not None}

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()
        self.nbytes = 0


class FeatureCache:
    """Features of the frames used last, so that a further click costs only the decoder."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held: OrderedDict[int, Features] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, position: int) -> Features | None:
        """Features of a frame, which thereby counts as used last."""
        if position in self._held:
            self._held.move_to_end(position)
        return self._held.get(position)

    def put(self, position: int, features: Features) -> None:
        """Store features, forgetting those not used for longest beyond the limit."""
        self._held[position] = features
        self._held.move_to_end(position)
        while len(self._held) > self.limit:
            self._held.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()
