"""Single figures of an account, each with its unit: the tidy side of a comparison."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from samnb.comparison.account import MASKLETS, Account
from samnb.comparison.people import TRACK
from samnb.engine.simulation import SECONDS_PER_HOUR

NAN: Final = math.nan


@dataclass(frozen=True, slots=True)
class Prices:
    """What an hour costs, in any currency; there is no default, for there is no such fact.

    Attributes:
        people: per hour of a person.
        machine: per hour of the machine.
    """

    people: float
    machine: float


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure.

    Attributes:
        name: as tables have it.
        unit: of the value.
        of: computes it; NaN where an account has nothing to say.
    """

    name: str
    unit: str
    of: Callable[[Account], float]


def ratio(part: float, whole: float) -> float:
    """A quotient; NaN where there is nothing to divide by."""
    return part / whole if whole else NAN


def _per_hour(count: float, account: Account) -> float:
    return ratio(SECONDS_PER_HOUR * count, account.people_s)


METRICS: Final = (
    Metric("people's time", "min", lambda a: a.people_s / 60),
    Metric("media", "", lambda a: float(len(a.media))),
    Metric("items decided", "", lambda a: float(a.n_items)),
    Metric("verified masks per human hour", "1/h", lambda a: _per_hour(a.n_masks, a)),
    Metric("different things masked per human hour", "1/h", lambda a: _per_hour(a.n_distinct, a)),
    Metric("items per human hour", "1/h", lambda a: _per_hour(a.n_kept, a)),
    Metric("concepts per human hour", "1/h", lambda a: _per_hour(a.n_phrases, a)),
    Metric("verified negatives per human hour", "1/h", lambda a: _per_hour(a.n_negatives, a)),
    Metric("J&F", "%", lambda a: 100 * a.quality.jf),
    Metric("cgF1", "", lambda a: a.quality.cgf1),
    Metric("pmF1", "%", lambda a: 100 * a.quality.pmf1),
    Metric("IL_MCC", "", lambda a: a.quality.il_mcc),
    Metric("human touches per item", "", lambda a: ratio(a.touches, a.n_items)),
    Metric("clicks and strokes per item", "", lambda a: ratio(a.clicks, a.n_items)),
    Metric("items decided by AI alone", "%", lambda a: 100 * ratio(a.n_ai_items, a.n_items)),
    Metric("audited error of AI decisions", "%", lambda a: 100 * ratio(*a.audits)),
    Metric(
        "true error of items decided by AI alone", "%",
        lambda a: 100 * ratio(a.quality.ai_wrong, a.quality.n_ai),
    ),
    Metric("masks no hand touched", "%", lambda a: 100 * ratio(a.n_untouched, a.n_masks)),
    Metric("edited by hand", "%", lambda a: 100 * a.edited_share),
    Metric("checked by another than the maker", "%", lambda a: 100 * a.checked_share),
    Metric("people per verified mask", "s", lambda a: ratio(a.people_s, a.n_masks)),
    Metric("machine per verified mask", "s", lambda a: ratio(a.compute_s, a.n_masks)),
    Metric("people's seconds per frame or pair", "s", lambda a: per_unit_s(a)),
    Metric("saved by models, positives", "x", lambda a: ratio(*a.s_positive)),
    Metric("saved by models, negatives", "x", lambda a: ratio(*a.s_negative)),
    Metric("saved by models, all pairs", "x", lambda a: ratio(*a.s_all)),
)  # fmt: skip
"""Every figure of the tidy table, in its order."""


def per_unit_s(account: Account) -> float:
    """Makers' seconds per frame of masklets; of pairs, people's seconds per pair."""
    if account.engine == MASKLETS:
        return ratio(account.roles.get(TRACK, 0.0), account.n_frames)
    return ratio(account.people_s, account.n_items)


def priced(account: Account, prices: Prices) -> Mapping[str, float]:
    """Cost per verified mask, people's and the machine's share."""
    hour = SECONDS_PER_HOUR
    return {
        "people's cost per verified mask": ratio(
            prices.people * account.people_s / hour, account.n_masks
        ),
        "machine's cost per verified mask": ratio(
            prices.machine * account.compute_s / hour, account.n_masks
        ),
    }
