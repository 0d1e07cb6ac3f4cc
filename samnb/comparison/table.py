"""The comparison as a value: accounts of both engines, as tables, a figure and Markdown."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from samnb.comparison.account import CONCEPTS, MASKLETS, Account
from samnb.comparison.growth import LEVEL, Growth, fit_growth
from samnb.comparison.metrics import METRICS, Prices, per_unit_s, priced, ratio
from samnb.comparison.published import PUBLISHED
from samnb.engine.bounds import error_bound

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

NAN: Final = math.nan
NONE: Final = "-"
PAPERS: Final = {MASKLETS: "SAM 2 paper", CONCEPTS: "SAM 3 paper"}
DELTA: Final = 0.05
"""Chance that the bound on an audited error does not hold (Clopper and Pearson, 1934)."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of both engines, or two given logs.

    Attributes:
        seed: of a simulated run; None for given logs.
        accounts: by column name.
        once: of the concept engine's warm-up, which is in no other figure; None without.
    """

    seed: int | None
    accounts: Mapping[str, Account]
    once: Account | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both engines side by side; prints as tables, shows as tables in a notebook.

    Attributes:
        runs: one per seed.
        notes: what was compared how, and the limits.
        prices: what hours cost; None leaves costs in seconds.
    """

    runs: tuple[Run, ...]
    notes: Mapping[str, str] = field(default_factory=dict)
    prices: Prices | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The engines by the names of their columns."""
        return tuple(self.runs[0].accounts)

    def accounts(self, column: str) -> list[Account]:
        """The accounts of a column, one per run.

        Raises:
            KeyError: no such column.
        """
        return [run.accounts[column] for run in self.runs]

    def growth(self, column: str) -> Growth:
        """How people's seconds per item change as media grow, over all runs."""
        return fit_growth([a.costs for a in self.accounts(column)])

    def metrics(self) -> pd.DataFrame:
        """The tidy table: one row per run, engine and figure.

        Columns: seed, engine, metric, value (NaN where there is none), unit.
        """
        import pandas as pd

        lines = [
            (run.seed, column, name, value, unit)
            for run in self.runs
            for column, account in run.accounts.items()
            for name, value, unit in self._values(account)
        ]
        return pd.DataFrame(lines, columns=["seed", "engine", "metric", "value", "unit"])

    def _values(self, account: Account) -> list[tuple[str, float, str]]:
        found = [(m.name, m.of(account), m.unit) for m in METRICS]
        growth = fit_growth([account.costs])
        found.append(("change per doubling of media", 100 * growth.share[0], "%"))
        if self.prices is not None:
            found += [(name, v, "") for name, v in priced(account, self.prices).items()]
        return found

    def summary(self) -> pd.DataFrame:
        """One row per figure, one column per engine: mean over runs and, with several, the
        standard deviation, as text."""
        import pandas as pd

        table: dict[str, dict[str, list[float]]] = {}
        units: dict[str, str] = {}
        for run in self.runs:
            for column, account in run.accounts.items():
                for name, value, unit in self._values(account):
                    table.setdefault(name, {}).setdefault(column, []).append(value)
                    units[name] = unit
        rows = [
            {"figure": f"{name}, {units[name]}" if units[name] else name}
            | {column: spread(values[column]) for column in self.columns}
            for name, values in table.items()
        ]
        return pd.DataFrame(rows, columns=["figure", *self.columns])

    def to_frame(self) -> pd.DataFrame:
        """The rows of the comparison: measured beside published, as text.

        Columns: row, then for each engine what the logs say and what its paper says.
        """
        import pandas as pd

        lines = []
        for name, say in ROWS.items():
            line = {"row": name}
            for column in self.columns:
                accounts = self.accounts(column)
                line[column] = say(accounts, self.growth(column))
                paper = PUBLISHED[name][accounts[0].engine == CONCEPTS]
                line[self._paper(column)] = paper
            lines.append(line)
        return pd.DataFrame(lines)

    def _paper(self, column: str) -> str:
        engine = self.runs[0].accounts[column].engine
        engines = [a.engine for a in self.runs[0].accounts.values()]
        name = PAPERS[engine]
        return name if engines.count(engine) == 1 else f"{name} ({column})"

    def to_markdown(self) -> str:
        """Both tables and the notes, for a README or an issue."""
        notes = "\n".join(f"- {word}: {what}" for word, what in self.notes.items())
        return f"{markdown(self.to_frame())}\n\n{markdown(self.summary())}\n\n{notes}\n"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: ``rows``, ``metrics`` (None where there is no figure), ``growth`` and
        ``notes``."""
        growth = {c: _plain(self.growth(c)) for c in self.columns}
        return {
            "rows": json.loads(self.to_frame().to_json(orient="records")),
            "metrics": json.loads(self.metrics().to_json(orient="records")),
            "growth": growth,
            "notes": dict(self.notes),
        }

    def figure(self) -> Figure:
        """Draw the figures side by side, see :func:`samnb.comparison.figure.plot_comparison`."""
        from samnb.comparison.figure import plot_comparison

        return plot_comparison(self)

    def __str__(self) -> str:
        notes = [f"{word}: {what}" for word, what in self.notes.items()]
        tables = [
            "\n".join(f"{row['row']}\n" + "\n".join(f"    {c}: {row[c]}" for c in columns)
                      for row in self.to_frame().to_dict("records"))
            for columns in [[c for c in self.to_frame().columns if c != "row"]]
        ]  # fmt: skip
        return "\n\n".join([*tables, self.summary().to_string(index=False), "\n".join(notes)])

    def _repr_html_(self) -> str:
        notes = "".join(f"<dt>{w}</dt><dd>{what}</dd>" for w, what in self.notes.items())
        tables = self.to_frame().to_html(index=False) + self.summary().to_html(index=False)
        return f"{tables}<details><summary>Definitions</summary><dl>{notes}</dl></details>"


def _plain(growth: Growth) -> dict[str, float | None]:
    names = ("n_media", "mean_s", "slope_s", "low_s", "high_s")
    return {n: None if math.isnan(v := getattr(growth, n)) else v for n in names}


# -- cells -----------------------------------------------------------------------------


def spread(values: Sequence[float], form: str = ".3g") -> str:
    """Write a mean and, of several values, the standard deviation; a dash for none."""
    known = [v for v in values if not math.isnan(v)]
    if not known:
        return NONE
    text = _number(statistics.fmean(known), form)
    return text if len(known) < 2 else f"{text} ± {_number(statistics.stdev(known), form)}"


def _number(value: float, form: str) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else format(value, form)


def _percent(values: Sequence[float]) -> str:
    text = spread([100 * v for v in values])
    return text if text == NONE else f"{text} %"


_Accounts = Sequence[Account]


def _primary(accounts: _Accounts, _growth: Growth) -> str:
    started = _percent([a.started_share for a in accounts])
    models = _percent([ratio(a.n_untouched, a.n_masks) for a in accounts])
    return f"people start {started} of items; models make {models} of masks"


def _role(accounts: _Accounts, _growth: Growth) -> str:
    names = sorted({r for a in accounts for r in a.roles}, key=lambda r: -_role_share(accounts, r))
    parts = [f"{name} {100 * _role_share(accounts, name):.0f} %" for name in names]
    return f"{', '.join(parts)} of people's time" if parts else NONE


def _role_share(accounts: _Accounts, role: str) -> float:
    whole = sum(a.people_s for a in accounts)
    return ratio(sum(a.roles.get(role, 0.0) for a in accounts), whole)


def _bottleneck(accounts: _Accounts, _growth: Growth) -> str:
    names = {r for a in accounts for r in a.roles}
    if not names:
        return NONE
    most = max(sorted(names), key=lambda r: _role_share(accounts, r))
    each = [ratio(a.roles.get(most, 0.0), a.n_items) for a in accounts]
    return f"{most}: {spread(each)} s an item"


def _type(accounts: _Accounts, _growth: Growth) -> str:
    if accounts[0].engine == MASKLETS:
        frames = spread([ratio(a.n_frames, a.n_kept) for a in accounts])
        return f"masklets of {frames} frames"
    masks = spread([ratio(a.n_masks, a.n_kept - a.n_negatives) for a in accounts])
    negatives = _percent([ratio(a.n_negatives, a.n_kept) for a in accounts])
    return f"(image, phrase) pairs, {masks} masks a positive, {negatives} verified negatives"


def _coverage(accounts: _Accounts, _growth: Growth) -> str:
    return f"{spread([float(a.n_phrases) for a in accounts])} phrases"


def _scaling(_accounts: _Accounts, growth: Growth) -> str:
    if math.isnan(growth.slope_s):
        return f"too few media ({growth.n_media}) for a slope"
    slope, low, high = (100 * v for v in growth.share)
    return (
        f"{slope:+.0f} % people's time per item with every doubling of media "
        f"({LEVEL:.0%} interval {low:+.0f} to {high:+.0f}, {growth.n_media} media)"
    )


def _control(accounts: _Accounts, _growth: Growth) -> str:
    checked = _percent([a.checked_share for a in accounts])
    text = f"{checked} checked by another than the maker"
    if accounts[0].engine == MASKLETS:
        return text
    alone = _percent([ratio(a.n_ai_items, a.n_items) for a in accounts])
    wrong, n = (sum(a.audits[i] for a in accounts) for i in (0, 1))
    text += f"; {alone} decided by AI alone"
    if n:
        bound = error_bound(wrong, n, DELTA)
        text += f"; {wrong} of {n} audited decisions contradicted (bound {100 * bound:.0f} %)"
    return text


def _unit_s(accounts: _Accounts, _growth: Growth) -> str:
    unit = "a frame" if accounts[0].engine == MASKLETS else "a pair"
    return f"{spread([per_unit_s(a) for a in accounts])} {unit}"


def _edited(accounts: _Accounts, _growth: Growth) -> str:
    unit = "frames" if accounts[0].engine == MASKLETS else "masks"
    return f"{_percent([a.edited_share for a in accounts])} of {unit}"


def _saved(accounts: _Accounts, _growth: Growth) -> str:
    if accounts[0].engine == MASKLETS:
        gains = spread([a.speed_up for a in accounts])
        return NONE if gains == NONE else f"{gains}x a frame, last phase against phase 1"
    parts = [
        (spread([ratio(*a.s_negative) for a in accounts]), "on negatives"),
        (spread([ratio(*a.s_positive) for a in accounts]), "on positives"),
        (spread([ratio(*a.s_all) for a in accounts]), "on all pairs"),
    ]
    known = [f"{text}x {where}" for text, where in parts if text != NONE]
    return ", ".join(known) or "no verifier had leave to decide"


def _cycles(accounts: _Accounts, _growth: Growth) -> str:
    names = sorted({n for a in accounts for n in a.n_cycles})
    parts = [f"{spread([float(a.n_cycles.get(n, 0)) for a in accounts])} of the {n}" for n in names]
    return ", ".join(parts) or "none"


ROWS: Final[Mapping[str, Callable[[_Accounts, Growth], str]]] = {
    "primary annotator": _primary,
    "human role": _role,
    "bottleneck": _bottleneck,
    "annotation type": _type,
    "concept coverage": _coverage,
    "scaling": _scaling,
    "quality control": _control,
    "people's seconds per frame": _unit_s,
    "edited by hand": _edited,
    "what models save": _saved,
    "retraining": _cycles,
}
"""What the logs say to each row of the comparison."""


def markdown(table: pd.DataFrame) -> str:
    """Write a table of texts in Markdown."""
    lines = [list(table.columns), ["---"] * len(table.columns), *table.astype(str).to_numpy()]
    texts = [[str(cell).replace("|", "/") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in texts)
