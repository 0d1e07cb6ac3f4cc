"""Which versions of the packages that decide over masks are installed here."""

from __future__ import annotations

import platform
from functools import cache
from importlib import metadata
from typing import Final, TypeAlias

Software: TypeAlias = tuple[tuple[str, str], ...]
"""``(package, version)``, in a fixed order."""
PACKAGES: Final = (("torch",), ("rf-sam-2", "sam-2"), ("transformers",))
"""Packages whose version is noted, by the names under which each may be installed."""


@cache
def software_here() -> Software:
    """Return the versions of samnb, Python and :data:`PACKAGES`; what is not installed is
    left out. Nothing is imported for it."""
    from samnb import __version__

    found = [("samnb", __version__), ("python", platform.python_version())]
    for names in PACKAGES:
        for name in names:
            try:
                found.append((name, metadata.version(name)))
                break
            except metadata.PackageNotFoundError:
                continue
    return tuple(found)
