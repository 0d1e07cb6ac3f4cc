"""Numbers in sentences and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Final

UNKNOWN: Final = "unknown"
_REAL_CLOCK_S: Final = 1e9
MOST_ROWS: Final = 50
"""Rows of a table on the page; the JSON form has all."""


def count(n: int, noun: str, plural: str = "") -> str:
    """A number of things: "1 masklet", "1,200 masklets", "no masklet"."""
    if n == 0:
        return f"no {noun}"
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listed(words: Iterable[str]) -> str:
    """Words in a row: "a, b and c"."""
    rows = list(words)
    return rows[0] if len(rows) == 1 else f"{', '.join(rows[:-1])} and {rows[-1]}" if rows else ""


def number(value: float | None, digits: int = 1) -> str:
    """A figure, or that it is not known."""
    return UNKNOWN if value is None else f"{value:,.{digits}f}"


def percent(share: float | None, digits: int = 0) -> str:
    """A share as "36 %"; a digit more where it would read as nothing or as everything."""
    if share is None:
        return UNKNOWN
    text = f"{100 * share:.{digits}f}"
    is_misleading = (float(text) == 0 < share) or (float(text) == 100 and share < 1)
    return percent(share, digits + 1) if is_misleading and digits < 3 else f"{text} %"


def part(n: int, of: int, noun: str = "") -> str:
    """A part of a whole: "3 of 4 masklets (75 %)"."""
    whole = count(of, noun) if noun else f"{of:,}"
    return f"{n:,} of {whole} ({percent(n / of)})" if of else f"{n:,} of {whole}"


def duration(seconds: float) -> str:
    """A length of time: "40 s", "12.5 min" or "3.2 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 or not seconds else f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def span(first_s: float | None, last_s: float | None) -> str:
    """From when to when a log was written, as the rest of a sentence.

    A clock before 2001 is none of a real computer of today: simulated runs begin at 0.
    """
    if first_s is None or last_s is None:
        return ""
    if first_s < _REAL_CLOCK_S:
        return f" over {duration(last_s - first_s)} of a clock of its own"
    return f" from {_moment(first_s)} to {_moment(last_s)}"


def _moment(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def code(text: str) -> str:
    """Text as a code span, safe in sentences and in the cells of a table."""
    clean = " ".join(text.replace("`", "'").split())
    return f"`{clean}`" if clean else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table, the first :data:`MOST_ROWS` rows and how many there are more."""
    shown = [head, ["---"] * len(head), *rows[:MOST_ROWS]]
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in shown]
    more = len(rows) - MOST_ROWS
    return [*lines, "", f"… and {more:,} more in the JSON form."] if more > 0 else lines
