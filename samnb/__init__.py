"""samnb: the two SAM data engines, run, seen and measured in a notebook.

The names below are the public surface. Each is imported when first used, so that
``import samnb`` loads neither torch nor any widget library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from samnb.comparison.run import compare as compare
    from samnb.engine import stats as stats
    from samnb.engine.session import Session as Session
    from samnb.models.registry import load_model as load_model
    from samnb.widgets.studio import Studio as Studio

__version__: Final = "0.1.0"

_HOMES: Final = {
    "Session": "samnb.engine.session",
    "Studio": "samnb.widgets.studio",
    "compare": "samnb.comparison.run",
    "load_model": "samnb.models.registry",
    "stats": "samnb.engine",
}

__all__ = ["Session", "Studio", "__version__", "compare", "load_model", "stats"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'samnb' has no attribute {name!r}")
    home = import_module(_HOMES[name])
    return import_module(f"{home.__name__}.{name}") if name == "stats" else getattr(home, name)


def __dir__() -> list[str]:
    return sorted(__all__)
