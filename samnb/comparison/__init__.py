"""SAM 2's engine and SAM 3's side by side: the same media, the same people's minutes.

:func:`compare` runs both, or reads two logs, and gives a :class:`Comparison`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from samnb.comparison.engines import Terms as Terms
    from samnb.comparison.metrics import Prices as Prices
    from samnb.comparison.run import Media as Media
    from samnb.comparison.run import compare as compare
    from samnb.comparison.table import Comparison as Comparison

# Imported when first used, so that the commands' parser stays quick.
_HOMES: Final = {
    "Comparison": "table",
    "Media": "run",
    "Prices": "metrics",
    "Terms": "engines",
    "compare": "run",
}

__all__ = ["Comparison", "Media", "Prices", "Terms", "compare"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'samnb.comparison' has no attribute {name!r}")
    return getattr(import_module(f"samnb.comparison.{_HOMES[name]}"), name)
