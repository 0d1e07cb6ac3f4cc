"""What the statistics page says about each loop: blocks of HTML with the table behind each."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from samnb.engine import figures, lineage, phasestats, rates, stats
from samnb.engine.concepts import lineage as concept_lineage
from samnb.engine.concepts import stats as concept_stats
from samnb.engine.concepts.state import PairState
from samnb.engine.effort import Masks
from samnb.events import Event, item_ids_of
from samnb.events.concepts import ConceptStep, Route
from samnb.types import Step
from samnb.widgets.dashboards.selection import Folded, Selection, is_object_wanted, select
from samnb.widgets.dashboards.tables import (
    Drawer,
    minutes_text,
    number_text,
    share_text,
    steps_html,
    table_html,
    tiles_html,
)
from samnb.widgets.lanes import STEP_WORDS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

N_BINS: Final = 24
"""Stretches of time that the pace of work is drawn in, at most."""
MIN_BIN_S: Final = 60.0
PAIR_WORDS: Final[Mapping[ConceptStep, str]] = {
    ConceptStep.PROPOSE: "to propose",
    ConceptStep.MV: "masks (MV)",
    ConceptStep.EV: "exhaustive? (EV)",
    ConceptStep.CORRECT: "to correct",
    ConceptStep.CONFIRM: "to confirm",
    ConceptStep.FINAL: "final",
    ConceptStep.REJECTED: "dropped",
}


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One part of a page.

    Attributes:
        title: heading; empty for none.
        html: what is shown.
        file: name of the CSV without its ending; empty where there is no table.
        table: what the CSV holds.
    """

    title: str
    html: str
    file: str = ""
    table: pd.DataFrame | None = None


def masklet_blocks(
    log: Folded, wanted: Selection, masks: Masks | None, drawer: Drawer
) -> Iterator[Block]:
    """The masklet loop: SAM 2's table, what became of masklets, the pace, every object.

    Args:
        log: the whole log.
        wanted: which part of it.
        masks: returns masks by id, for alignment; None leaves alignment out.
        drawer: draws the figures.
    """
    events = select(log, wanted)
    objects = stats.masklets(events)
    if objects.empty:
        return
    yield _masklet_tiles(objects)
    phases = phasestats.phases(events, masks)
    if phases.rows:
        table = phases.to_frame()
        yield Block(
            "SAM 2's table, measured and published",
            drawer.svg("phases against the paper", table, lambda: figures.plot_phases(phases))
            + table_html(table)
            + _definitions(phases.notes),
            "phases",
            table,
        )
    accepted = rates.acceptance(events, masks)
    if accepted.verdicts.sum():
        drawing = drawer.svg("verdicts", accepted, lambda: figures.plot_acceptance(accepted))
        yield _part("What became of the masklets", "acceptance", accepted, drawing)
    pace = _pace(log, wanted)
    if len(pace):
        drawing = drawer.svg("pace of work", pace, lambda: figures.plot_throughput(pace))
        yield _part("The pace of work", "throughput", pace, drawing)
    by_model = rates.effort(events)
    if len(by_model):
        drawing = drawer.svg("effort", by_model, lambda: figures.plot_effort(by_model))
        yield _part("Effort by model version", "effort", by_model, drawing)
    people = stats.workers(events)
    people = people[people.masklets + people.verdicts > 0]
    if wanted.worker:
        people = people[people.worker == wanted.worker]
    yield _part("People and models", "workers", people)
    yield _part("Objects", "masklets", objects)


def _part(title: str, file: str, table: pd.DataFrame, drawing: str = "") -> Block:
    return Block(title, drawing + table_html(table), file, table)


def _definitions(notes: Mapping[str, str]) -> str:
    lines = "".join(f"<dt>{html.escape(w)}</dt><dd>{html.escape(d)}</dd>" for w, d in notes.items())
    return f"<details><summary>Definitions</summary><dl>{lines}</dl></details>"


def _masklet_tiles(objects: pd.DataFrame) -> Block:
    steps = [(words, int((objects.step == step.value).sum())) for step, words in STEP_WORDS.items()]
    frames, edited = objects.frames.sum(), objects.edited_frames.sum()
    seconds = float(objects.active_s.sum())
    accepted = int((objects.step == Step.ACCEPTED.value).sum())
    tiles = [
        (str(len(objects)), "objects", "objects that were not deleted"),
        (str(accepted), "verified", "found satisfactory by somebody else"),
        (minutes_text(seconds), "at work", stats.definitions()["active time"]),
        (
            number_text(seconds / frames if frames else math.nan, " s"),
            "per frame",
            stats.definitions()["time per frame"],
        ),
        (
            share_text(edited / frames if frames else math.nan),
            "edited frames",
            stats.definitions()["edited frames"],
        ),
        (str(int(objects.clicks.sum())), "clicks", stats.definitions()["clicks"]),
    ]
    return Block("", tiles_html(tiles) + steps_html(steps, label="objects at each step"))


def _pace(log: Folded, wanted: Selection) -> pd.DataFrame:
    """Throughput of the part; people's time is left out, since it is not divisible so."""
    events = [e for e in log.events if _is_of_masklets(e, log)]
    if not wanted.is_all:
        items = log.project.items
        kept = {i for i, s in items.items() if is_object_wanted(s, wanted, log)}
        events = [e for e in events if kept.intersection(item_ids_of(e.body))]
    if wanted.worker:
        events = [e for e in events if e.worker_id == wanted.worker]
    if not events:
        return rates.throughput([]).drop(columns="active_s")
    span_s = events[-1].at_s - events[0].at_s
    table = rates.throughput(events, bin_s=max(MIN_BIN_S, span_s / N_BINS))
    return table.drop(columns="active_s")


def _is_of_masklets(event: Event, log: Folded) -> bool:
    return bool(log.project.items.keys() & set(item_ids_of(event.body)))


# -- the concept loop ---------------------------------------------------------------


def concept_blocks(log: Folded, wanted: Selection, drawer: Drawer) -> Iterator[Block]:
    """The concept loop: what pairs cost, who decided, every pair.

    Args:
        log: the whole log.
        wanted: which part of it.
        drawer: draws the figures.
    """
    events = select(log, wanted)
    every = list(events.pairs.pairs.values())
    if not every:
        return
    yield _pair_tiles(every)
    decided = decided_over_time(every)
    if len(decided):
        drawing = drawer.svg("decided pairs over time", decided, lambda: plot_decided(decided))
        yield Block("Pairs decided", drawing, "decided", decided)
    people = concept_stats.reviewers(events)
    if wanted.worker:
        people = people[people.worker == wanted.worker]
    for title, file, table in (
        ("What decided pairs cost", "pair-summary", concept_stats.summary(events)),
        ("Segmenters", "segmenters", concept_stats.segmenters(events)),
        ("AI verifiers", "verifiers", concept_stats.verifiers(events)),
        ("People", "reviewers", people),
        ("Pairs", "pairs", _with_names(concept_stats.pairs(events), log)),
    ):
        if len(table):
            yield _part(title, file, table)


def _with_names(pairs: pd.DataFrame, log: Folded) -> pd.DataFrame:
    names = {m.id: m.name for m in log.project.media.values()}
    named = pairs.rename(columns={"media_id": "media"})
    return named.assign(media=named.media.map(lambda i: names.get(i, i)))


def _pair_tiles(every: Sequence[PairState]) -> Block:
    done = [p for p in every if p.is_done]
    seen = [bool(concept_stats.person_answers(p)) for p in done]
    seconds = [concept_stats.seconds_of(p) for p in done]
    choices = [c.route for p in every for r in p.routes for c in r.choices]
    final = [p for p in done if p.step is ConceptStep.FINAL]
    tiles = [
        (str(len(every)), "pairs", "media and noun phrase"),
        (str(sum(not p.is_negative for p in final)), "positives", "final, with masks"),
        (str(sum(p.is_negative for p in final)), "verified negatives", "final, without a mask"),
        (
            share_text(sum(seen) / len(done) if done else math.nan),
            "seen by a person",
            "of decided pairs; at least one answer of a person",
        ),
        (
            number_text(sum(seconds) / len(done) if done else math.nan, " s"),
            "of people per pair",
            "from being shown a pair to the answer, decided pairs",
        ),
        (
            share_text(choices.count(Route.AUTO) / len(choices) if choices else math.nan),
            "decided by AI",
            "of the verifiers' routed answers, without any person",
        ),
    ]
    steps = [(words, sum(p.step is step for p in every)) for step, words in PAIR_WORDS.items()]
    return Block("", tiles_html(tiles) + steps_html(steps, label="pairs at each step"))


def decided_over_time(every: Sequence[PairState]) -> pd.DataFrame:
    """Decided pairs in the order of their decision.

    Columns: minutes (since the first event about any pair), positive, negative, dropped
    (numbers so far).
    """
    import pandas as pd

    columns = ["minutes", "positive", "negative", "dropped"]
    times = [e.event.at_s for p in every for e in p.entries]
    done = sorted((p.entries[-1].event.at_s, _kind_of(p)) for p in every if p.is_done and p.entries)
    counts = dict.fromkeys(columns[1:], 0)
    rows = []
    for at_s, kind in done:
        counts[kind] += 1
        rows.append({"minutes": (at_s - min(times)) / 60, **counts})
    return pd.DataFrame(rows, columns=columns)


def _kind_of(pair: PairState) -> str:
    if pair.step is ConceptStep.REJECTED:
        return "dropped"
    return "negative" if pair.is_negative else "positive"


def plot_decided(table: pd.DataFrame) -> Figure:
    """Draw decided pairs over time.

    Args:
        table: what :func:`decided_over_time` returns.
    """
    figure = figures.NotebookFigure(figsize=(9.0, 2.6), layout="constrained")
    axes = figure.add_subplot()
    for name, colour in (
        ("positive", figures.MEASURED),
        ("negative", "#009e73"),
        ("dropped", "#d55e00"),
    ):
        axes.step(table.minutes, table[name], where="post", color=colour, label=name)
    axes.set(xlabel="minutes", ylabel="pairs")
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


# -- models --------------------------------------------------------------------------


def model_blocks(log: Folded, wanted: Selection) -> Iterator[Block]:
    """Retraining: every run of both loops, and which version made which proposal."""
    tables = [
        ("Runs of the tracker", "tracker-versions", lineage.versions(log.events)),
        ("Runs of segmenter and verifier", "concept-versions",
         concept_lineage.versions(log.events)),
    ]  # fmt: skip
    for title, file, runs in tables:
        if wanted.model:
            runs = runs[(runs.version == wanted.model) | (runs.base == wanted.model)]
        if len(runs):
            yield _part(title, file, runs)
    made = lineage.lineage(select(log, wanted))
    if len(made):
        yield _part("Which version made which proposal", "lineage", made)
