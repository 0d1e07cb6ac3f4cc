"""Lists of objects in COCO-like files: read entry by entry, masks checked all at once."""

from __future__ import annotations

import gc
import json
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from samnb.exports.fields import Fields
from samnb.exports.files import write_file
from samnb.masks.rle import from_runs
from samnb.metrics.runs import find_unsound
from samnb.types import FormatError, Rle


def load_json(path: Path) -> Any:
    """Parse a JSON file.

    Raises:
        FormatError: not there, not readable or not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise FormatError(f"{path}: expected a JSON file, found no such file") from error
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: expected JSON: {error}") from error


def save_json(path: Path, value: object, *, overwrite: bool = False) -> Path:
    """Write a JSON file in one piece and return its path.

    Raises:
        InputError: the file is there and ``overwrite`` was not asked for.
    """
    write_file(Path(path), json.dumps(value).encode("ascii"), overwrite=overwrite)
    return Path(path)


class Entry(Fields):
    """An object in a file of lists; errors name the file and the entry."""

    def value(self, key: str, *default: object) -> Any:
        """What stands under a key, unchecked; a default makes the key optional."""
        return self._data.get(key, *default) if default else self._get(key)

    def entries(self, key: str) -> Iterator[Entry]:
        """The objects of a list."""
        return entries_of(self.sequence(key), f"{self.source}: {key}")

    # Files have hundreds of thousands of entries, so what is plainly right is let through
    # before the checks of the base class look at it.

    def integer(self, key: str, *, at_least: int | None = None) -> int:
        """A whole number."""
        value = self._data.get(key)
        if type(value) is int and (at_least is None or value >= at_least):
            return value
        return super().integer(key, at_least=at_least)

    def label(self, key: str) -> str:
        """A string; the empty one when the key is missing or null."""
        value = self._data.get(key)
        return value if type(value) is str else self.text(key, optional=True) or ""

    def table(self, key: str) -> Table:
        """The objects of a long list."""
        return Table(self.sequence(key), f"{self.source}: {key}")

    def flag(self, key: str, default: bool | None = None) -> bool:
        """A truth value, written as 0, 1, false or true."""
        value = self._data.get(key)
        if value is None:
            if default is not None:
                return default
            value = self._get(key)
        if not isinstance(value, int) or value not in (0, 1):
            raise self.error(key, "0 or 1")
        return bool(value)

    def size_hw(self) -> tuple[int, int]:
        """The entry's height and width in pixels."""
        return self.integer("height", at_least=1), self.integer("width", at_least=1)

    def as_rle(self, key: str, value: object, size_hw: tuple[int, int] | None = None) -> Rle:
        """Read a run-length object; a string of counts is left to :class:`MaskCheck`.

        Args:
            key: where it stands, for errors.
            value: the object.
            size_hw: the size it must have, if one is known.
        """
        if (
            size_hw is not None
            and type(value) is dict
            and value.get("size") == [*size_hw]
            and type(value.get("counts")) is str
        ):
            return Rle(size_hw, value["counts"])
        size = value.get("size") if isinstance(value, dict) else None
        if (
            not isinstance(value, dict)
            or not isinstance(size, list)
            or len(size) != 2
            or not type(size[0]) is type(size[1]) is int
        ):
            shown = sorted(map(str, value)) if isinstance(value, dict) else repr(value)[:60]
            raise self.error(
                key, f"an object with size [height, width] and counts, found {shown}", is_said=True
            )
        found_hw = (size[0], size[1])
        if size_hw not in (None, found_hw):
            raise self.error(key, f"size {size_hw} as its picture, found {found_hw}", is_said=True)
        counts = value.get("counts")
        if isinstance(counts, str):
            return Rle(found_hw, counts)
        if not isinstance(counts, list) or not all(type(n) is int for n in counts):
            raise self.error(
                key, f"counts as a string or a list of integers, found {counts!r:.60}", is_said=True
            )
        try:
            return from_runs(found_hw, counts)
        except FormatError as error:
            raise FormatError(f"{self.source}: {key}: {error}") from error


def entries_of(values: Iterable[object], source: str) -> Iterator[Entry]:
    """The objects of a list; ``source`` names file and list."""
    return (Entry(value, f"{source}[{at}]") for at, value in enumerate(values))


class Table:
    """A long list of objects, read key by key instead of object by object.

    What is plainly right is taken as it is; only when a column holds something else are
    the entries asked one by one, which finds the words for the error.
    """

    def __init__(self, values: list[Any], source: str) -> None:
        self._values, self._source = values, source
        if not set(map(type, values)) <= {dict}:
            for at in range(len(values)):
                self.entry(at)

    def entry(self, at: int) -> Entry:
        """One of the objects."""
        return Entry(self._values[at], f"{self._source}[{at}]")

    def entries(self) -> Iterator[Entry]:
        """All objects."""
        return map(self.entry, range(len(self._values)))

    def column(self, key: str) -> list[Any]:
        """What stands under a key, unchecked; None where it is missing."""
        return [value.get(key) for value in self._values]

    def integers(self, key: str) -> list[int]:
        """Whole numbers."""
        found = self.column(key)
        return found if _is_all(found, int) else [e.integer(key) for e in self.entries()]

    def numbers(self, key: str) -> list[float]:
        """Finite numbers."""
        found = self.column(key)
        if _is_all(found, float) and all(map(math.isfinite, found)):
            return found
        return [e.number(key) for e in self.entries()]

    def labels(self, key: str) -> list[str]:
        """Strings; empty ones where the key is missing or null."""
        found = self.column(key)
        return found if _is_all(found, str) else [e.label(key) for e in self.entries()]

    def flags(self, key: str, default: bool | None = None) -> list[bool]:
        """Truth values."""
        found = self.column(key)
        if _is_all(found, int) and set(found) <= {0, 1}:
            return [value == 1 for value in found]
        return [e.flag(key, default) for e in self.entries()]

    def unique(self, key: str = "id") -> list[int]:
        """Whole numbers, none of them twice."""
        found = self.integers(key)
        if len(set(found)) < len(found):
            numbers = Numbers()
            return [numbers.take(entry, key) for entry in self.entries()]
        return found

    def sizes_hw(self) -> list[tuple[int, int]]:
        """Height and width of each object in pixels."""
        found = list(zip(self.integers("height"), self.integers("width"), strict=True))
        is_sound = all(height > 0 and width > 0 for height, width in found)
        return found if is_sound else [e.size_hw() for e in self.entries()]

    def rles(self, key: str, sizes_hw: Iterable[tuple[int, int] | None]) -> list[Rle]:
        """Masks, each of the size given for it unless that is None; all checked."""
        found: list[Rle] = []
        for at, (value, size_hw) in enumerate(zip(self.column(key), sizes_hw, strict=True)):
            if (
                size_hw is not None
                and type(value) is dict
                and value.get("size") == [*size_hw]
                and type(value.get("counts")) is str
            ):
                found.append(Rle(size_hw, value["counts"]))
            else:
                entry = self.entry(at)
                found.append(entry.as_rle(key, entry.value(key), size_hw))
        fault = find_unsound(found)
        if fault is not None:
            entry = self.entry(fault[0])
            raise FormatError(f"{entry.source}: {key}: {fault[1]}") from fault[1]
        return found


def _is_all(values: list[Any], kind: type) -> bool:
    return set(map(type, values)) <= {kind}


class MaskCheck:
    """Collects the masks of a file with their places, to check all of them at once."""

    def __init__(self) -> None:
        self._rles: list[Rle] = []
        self._stops: list[int] = []
        self._places: list[tuple[Entry, str]] = []

    def add(self, rles: Iterable[Rle], entry: Entry, key: str) -> None:
        """Remember the masks under a key of an entry."""
        self._rles.extend(rles)
        self._stops.append(len(self._rles))
        self._places.append((entry, key))

    def run(self) -> None:
        """Raise ``FormatError`` that names the place of the first unsound mask."""
        found = find_unsound(self._rles)
        if found is not None:
            entry, key = self._places[bisect_right(self._stops, found[0])]
            raise FormatError(f"{entry.source}: {key}: {found[1]}") from found[1]


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep the cycle collector from looking through a file's records again and again
    while they are made; none of them is in a cycle."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Numbers:
    """Integers that must not come twice in a list."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def take(self, entry: Entry, key: str = "id") -> int:
        """Read the next one."""
        value = entry.integer(key)
        if value in self._seen:
            raise entry.error(key, f"a number that is new in this list, found {value} again")
        self._seen.add(value)
        return value

    def spare(self) -> int:
        """A number that was not there yet: one more than the greatest."""
        value = max(self._seen, default=0) + 1
        self._seen.add(value)
        return value
