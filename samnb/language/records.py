"""What happened to a phrase on its way from a caption to the queue, and to a candidate.

Nothing is ever lost in silence: a phrase that was dropped keeps its record, with the stage and
the reason, so that a table can show it and a person can disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from samnb.types import InputError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Decision:
    """What a stage says of one phrase.

    Attributes:
        text: the phrase as it goes on; as it came in where it was only read or dropped.
        reason: why it was changed or dropped, in one clause; empty where it passes unchanged.
        is_dropped: it goes no further.
    """

    text: str
    reason: str = ""
    is_dropped: bool = False


Decide: TypeAlias = Callable[[Sequence[str]], Sequence[Decision]]
"""Looks at all phrases still alive and answers for each, in their order."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the pipeline: a name for the table, and a function that decides."""

    name: str
    decide: Decide


@dataclass(frozen=True, slots=True)
class PhraseStep:
    """One change to one phrase."""

    stage: str
    before: str
    after: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PhraseRecord:
    """One phrase and its way through the pipeline.

    Attributes:
        raw: as it stood in the caption, or as a user gave it.
        text: as it is now.
        origin: where it came from, such as a captioner's name.
        steps: what changed it, in order.
        dropped_by: the stage that ended its way; empty while it is alive.
        reason: why it was dropped, in one clause.
    """

    raw: str
    text: str
    origin: str = ""
    steps: tuple[PhraseStep, ...] = ()
    dropped_by: str = ""
    reason: str = ""

    @property
    def is_kept(self) -> bool:
        """Whether it is still alive."""
        return not self.dropped_by


def keep(text: str, reason: str = "") -> Decision:
    """Let a phrase go on as ``text``."""
    return Decision(text, reason)


def drop(text: str, reason: str) -> Decision:
    """End a phrase's way, and say why."""
    return Decision(text, reason, is_dropped=True)


def each(name: str, decide: Callable[[str], Decision]) -> Stage:
    """Make a stage of a function that looks at one phrase at a time."""
    return Stage(name, lambda phrases: [decide(p) for p in phrases])


def policy_stage(name: str, policy: Callable[[str], str]) -> Stage:
    """Make a stage of a policy: a function from a phrase to the reason to drop it, or ``""``."""

    def decide(phrase: str) -> Decision:
        reason = policy(phrase)
        return drop(phrase, reason) if reason else keep(phrase)

    return each(name, decide)


def run_stages(
    phrases: Iterable[str | PhraseRecord], stages: Iterable[Stage], *, origin: str = ""
) -> tuple[PhraseRecord, ...]:
    """Send phrases through stages; every phrase comes back, alive or with its reason.

    Args:
        phrases: texts, or records of an earlier run, of which the dropped ones just stay.
        stages: applied in order, each to what is still alive.
        origin: written into the records of phrases that came as texts.

    Returns:
        one record per phrase, in the order given.

    Raises:
        InputError: a stage did not answer once for every phrase, or emptied one without
            dropping it.
    """
    records = [p if isinstance(p, PhraseRecord) else PhraseRecord(p, p, origin) for p in phrases]
    for stage in stages:
        alive = [i for i, r in enumerate(records) if r.is_kept]
        decisions = stage.decide([records[i].text for i in alive])
        if len(decisions) != len(alive):
            raise InputError(
                f"stage {stage.name!r}: expected {len(alive)} decisions, one per phrase, "
                f"got {len(decisions)}"
            )
        for i, decision in zip(alive, decisions, strict=True):
            records[i] = _applied(records[i], stage.name, decision)
    return tuple(records)


def _applied(record: PhraseRecord, stage: str, decision: Decision) -> PhraseRecord:
    if decision.is_dropped:
        return replace(record, dropped_by=stage, reason=decision.reason)
    if not decision.text:
        raise InputError(
            f"stage {stage!r}: expected a phrase or a drop with its reason, "
            f"got an empty text for {record.text!r}"
        )
    if decision.text == record.text:
        return record
    step = PhraseStep(stage, record.text, decision.text, decision.reason)
    return replace(record, text=decision.text, steps=(*record.steps, step))


def kept_phrases(records: Iterable[PhraseRecord]) -> tuple[str, ...]:
    """Return the texts that are still alive, in order, each once."""
    return tuple(dict.fromkeys(r.text for r in records if r.is_kept))


def phrase_table(records: Iterable[PhraseRecord]) -> pd.DataFrame:
    """Return one row per phrase for a notebook.

    Columns: raw, phrase, is_kept, dropped_by, reason, changes (``stage: before -> after``),
    origin.
    """
    import pandas as pd

    columns = ["raw", "phrase", "is_kept", "dropped_by", "reason", "changes", "origin"]
    rows = [
        (
            r.raw,
            r.text,
            r.is_kept,
            r.dropped_by,
            r.reason,
            "; ".join(f"{s.stage}: {s.before} -> {s.after}" for s in r.steps),
            r.origin,
        )
        for r in records
    ]
    return pd.DataFrame(rows, columns=columns)


def stage_counts(records: Iterable[PhraseRecord]) -> pd.DataFrame:
    """Return how many phrases each stage dropped: columns stage, dropped, examples."""
    import pandas as pd

    found: dict[str, list[str]] = {}
    for record in records:
        if not record.is_kept:
            found.setdefault(record.dropped_by, []).append(record.text)
    rows = [(stage, len(texts), ", ".join(texts[:3])) for stage, texts in found.items()]
    return pd.DataFrame(rows, columns=["stage", "dropped", "examples"])
