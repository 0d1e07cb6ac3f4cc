"""Reading keys of a JSON object with errors that say file, key and both sides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, overload

from samnb.types import FormatError

_LIMIT: Final = 2.0**53  # beyond it not every whole number is a float


class Fields:
    """A JSON object from a file.

    Args:
        data: what ``json.loads`` gave.
        source: name of the file, for errors.

    Raises:
        FormatError: ``data`` is not an object.
    """

    def __init__(self, data: object, source: str) -> None:
        self.source = source
        if not isinstance(data, Mapping):
            raise FormatError(f"{source}: expected a JSON object, got {_kind(data)}")
        self._data: Mapping[str, Any] = data

    def error(self, key: str, expected: str, *, is_said: bool = False) -> FormatError:
        """Return an error about ``key``; adds what is there unless ``is_said``."""
        tail = ""
        if not is_said and key in self._data:
            shown = repr(self._data[key])
            tail = f", got {shown if len(shown) <= 60 else shown[:57] + '...'}"
        return FormatError(f"{self.source}: {key}: expected {expected}{tail}")

    def has(self, key: str) -> bool:
        """Whether the key is there and not null."""
        return self._data.get(key) is not None

    def _get(self, key: str) -> Any:
        if key not in self._data:
            raise FormatError(f"{self.source}: {key}: expected this key, found none")
        return self._data[key]

    @overload
    def text(self, key: str, *, optional: Literal[False] = ...) -> str: ...

    @overload
    def text(self, key: str, *, optional: Literal[True]) -> str | None: ...

    def text(self, key: str, *, optional: bool = False) -> str | None:
        """A string; with ``optional`` None when the key is missing or null."""
        if optional and not self.has(key):
            return None
        value = self._get(key)
        if not isinstance(value, str):
            raise self.error(key, "text")
        return value

    def number(self, key: str, *, at_least: float = -_LIMIT) -> float:
        """A finite number."""
        return self.as_number(key, self._get(key), at_least)

    def integer(self, key: str, *, at_least: int | None = None) -> int:
        """A whole number, which may be written as a float."""
        value = self.as_int(key, self._get(key))
        if at_least is not None and value < at_least:
            raise self.error(key, f"a whole number of at least {at_least}")
        return value

    @overload
    def sequence(
        self, key: str, length: int | None = ..., *, optional: Literal[False] = ...
    ) -> list[Any]: ...

    @overload
    def sequence(
        self, key: str, length: int | None = ..., *, optional: Literal[True]
    ) -> list[Any] | None: ...

    def sequence(
        self, key: str, length: int | None = None, *, optional: bool = False
    ) -> list[Any] | None:
        """A list, of a given length if one is named."""
        if optional and not self.has(key):
            return None
        value = self._get(key)
        if not isinstance(value, list):
            raise self.error(key, "a list")
        if length is not None and len(value) != length:
            raise self.error(key, f"{length} entries, found {len(value)}", is_said=True)
        return value

    def as_int(self, key: str, value: object) -> int:
        """Check one entry of ``key`` as a whole number."""
        number = self.as_number(key, value)
        if number != int(number):
            raise self.error(key, f"a whole number, found {value!r}", is_said=True)
        return int(number)

    def as_number(
        self, key: str, value: object, low: float = -_LIMIT, high: float = _LIMIT
    ) -> float:
        """Check one entry of ``key`` as a number from ``low`` to ``high``, both included."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(key, f"a number, found {value!r}", is_said=True)
        if not low <= value <= high:  # false for NaN as well
            shown = str(value)[:30]
            raise self.error(key, f"a number from {low:g} to {high:g}, found {shown}", is_said=True)
        return float(value)


def _kind(data: object) -> str:
    return {list: "a list", str: "text", type(None): "null"}.get(type(data), type(data).__name__)
