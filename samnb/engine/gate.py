"""When a new version of a model is better than the one it was trained from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

Metrics: TypeAlias = Mapping[str, float]
"""Figures by name, as :func:`samnb.engine.evaluation.evaluate` returns them."""

MIN_GAIN: Final = 0.0
"""How much J&F on held-out masklets has to rise, as a fraction; a tie is no gain."""
MORE_CLICKS: Final = 0.0
"""How many clicks more per masklet a better J&F may cost on the way to the target."""
MAX_FORGETTING: Final = 0.01
"""How much J&F on the replay clips may fall, as a fraction."""


@dataclass(frozen=True, slots=True)
class Gate:
    """When a new version is better; see :func:`is_better`."""

    min_gain: float = MIN_GAIN
    more_clicks: float = MORE_CLICKS
    max_forgetting: float = MAX_FORGETTING


def is_better(
    new: Metrics,
    old: Metrics,
    gate: Gate,
    *,
    new_replay: Metrics | None = None,
    old_replay: Metrics | None = None,
) -> tuple[bool, str]:
    """Decide about a new version.

    It must raise J&F on held-out masklets by more than ``min_gain``, need no more clicks
    to the target than ``more_clicks`` allows, and lose no more J&F on the replay clips
    than ``max_forgetting``.

    Returns:
        the decision, and the figures behind it in words.
    """
    said = [
        f"held-out J&F {old['jf']:.3f} -> {new['jf']:.3f}",
        f"clicks to the target {old['clicks']:.2f} -> {new['clicks']:.2f}",
    ]
    faults = []
    if not new["jf"] - old["jf"] > gate.min_gain:
        faults.append("J&F did not rise")
    if new["clicks"] - old["clicks"] > gate.more_clicks:
        faults.append("more clicks are needed")
    if new_replay is not None and old_replay is not None:
        said.append(f"replay J&F {old_replay['jf']:.3f} -> {new_replay['jf']:.3f}")
        if old_replay["jf"] - new_replay["jf"] > gate.max_forgetting:
            faults.append("it forgets")
    figures = ", ".join(said)
    return not faults, f"{' and '.join(faults)}: {figures}" if faults else figures
