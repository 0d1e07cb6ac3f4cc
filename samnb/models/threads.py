"""How many processor threads the models may use, decided in one place.

Nothing in this package sets a thread count when it is imported: a notebook, a test run and a
server want different numbers, so whoever starts the process calls :func:`set_threads` once.
"""

from __future__ import annotations

import os

from samnb.types import InputError

THREADS_ENV = "OMP_NUM_THREADS"
"""Environment variable that :func:`set_threads` follows when no number is given."""


def usable_cpus() -> int:
    """Number of processors this process may run on, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def set_threads(n: int | None = None) -> int:
    """Let torch use ``n`` threads inside one operation, and return that number.

    Args:
        n: at least 1; None takes ``OMP_NUM_THREADS`` where it holds a number, else every processor
            this process may run on.

    Raises:
        InputError: ``n`` is not a positive whole number.
    """
    import torch

    if n is None:
        wish = os.environ.get(THREADS_ENV, "")
        n = int(wish) if wish.isdecimal() and int(wish) > 0 else usable_cpus()
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise InputError(f"n: expected a whole number of threads, at least 1, got {n!r}")
    torch.set_num_threads(n)
    return n
