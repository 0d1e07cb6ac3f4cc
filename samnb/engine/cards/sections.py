"""The tables of a dataset card, one function per section: lines of Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from samnb.engine.cards.records import (
    CardFacts,
    ConceptFacts,
    MaskletFacts,
    MediaFacts,
    SwitchFacts,
)
from samnb.engine.cards.words import (
    UNKNOWN,
    code,
    count,
    duration,
    listed,
    number,
    part,
    percent,
    table,
)
from samnb.engine.effort import IDLE_CUTOFF_S

_NONE: Final = "-"


def media_section(media: Sequence[MediaFacts]) -> Iterator[str]:
    """Every medium, and what its hash is."""
    if not media:
        yield "None."
        return
    rows = [
        [
            code(m.name),
            m.kind,
            code(m.content_hash) if m.content_hash else UNKNOWN,
            f"{m.size_hw[1]} x {m.size_hw[0]}",
            f"{m.n_frames:,}",
            duration(m.duration_s) if m.duration_s else _NONE,
            f"{m.annotated_frames:,}",
            f"{m.masklets:,}",
            f"{m.pairs:,}",
            ", ".join(f"{k}: {v}" for k, v in m.tags) or _NONE,
        ]
        for m in media
    ]
    head = ["name", "kind", "content hash", "width x height", "frames", "length",
            "annotated frames", "objects", "phrases", "tags"]  # fmt: skip
    yield from table(head, rows)
    yield ""
    yield (
        "The content hash is a BLAKE2b fingerprint over blocks of the file (all of it up to "
        "4 MiB), or over the frames of a folder. A frame counts as annotated when an object has "
        "an answer on it (absent is one) or a final pair a mask."
    )
    lost = [code(m.name) for m in media if m.is_missing]
    if lost:
        yield ""
        yield f"**Not at their recorded place when this card was made:** {listed(lost)}."


def models_section(facts: CardFacts) -> Iterator[str]:
    """Every version of a model, and how it came about."""
    if not facts.models:
        yield "No model answered anything."
        return
    rows = [
        [
            code(m.name),
            code(m.version_hash) if m.version_hash else UNKNOWN,
            ", ".join(m.uses),
            *(
                f"{n:,}" if n else _NONE
                for n in (
                    m.prompts, m.tracked_masks, m.masklets, m.proposals, m.proposed_masks,
                    m.answers,
                )
            ),
        ]
        for m in facts.models
    ]  # fmt: skip
    head = ["model", "hash of its weights", "used as", "gestures answered", "masks propagated",
            "masklets handed in", "proposals", "masks proposed", "MV and EV answers"]  # fmt: skip
    yield from table(head, rows)
    if not facts.trainings:
        return
    yield ""
    yield "### Retraining"
    yield ""
    runs = [
        [
            t.learner,
            code(t.version) or _NONE,
            code(t.base),
            t.status,
            f"{t.n_train:,} / {t.n_held_out:,}",
            code(t.snapshot),
            duration(t.seconds_s),
            f"{t.made:,}",
            t.reason or _NONE,
        ]
        for t in facts.trainings
    ]
    head = ["learner", "version", "trained from", "status", "trained / measured on",
            "data snapshot", "time", "proposals and answers since", "reason"]  # fmt: skip
    yield from table(head, runs)


def workers_section(facts: CardFacts) -> Iterator[str]:
    """Everybody who worked."""
    if not facts.workers:
        yield "Nobody has joined yet."
        return
    rows = [
        [
            w.name,
            w.kind,
            ", ".join(w.roles) or "no work in the log",
            f"{w.masklets:,}",
            f"{w.verdicts:,}",
            f"{w.answers:,}",
            duration(w.active_s) if w.active_s else _NONE,
            duration(w.task_s) if w.task_s else _NONE,
        ]
        for w in facts.workers
    ]
    head = ["worker", "kind", "seen as", "masklets worked on", "verdicts", "answers about pairs",
            "time on masklets", "time on pairs"]  # fmt: skip
    yield from table(head, rows)
    yield ""
    yield (
        f"Time on masklets counts pauses of up to {IDLE_CUTOFF_S:g} s between a worker's events; "
        "time on pairs runs from being shown one to the answer."
        + (" Names are replaced by numbers." if facts.is_pseudonymous else "")
    )


def masklets_section(loop: MaskletFacts) -> Iterator[str]:
    """What became of masklets, and what they cost."""
    sources = [
        [s.source, f"{s.masklets:,}", f"{s.accepted:,}", f"{s.rejected:,}", f"{s.open:,}",
         number(s.rounds_until_accepted, 2), percent(s.disappearance_rate, 1)]
        for s in loop.sources
    ]  # fmt: skip
    if sources:
        head = ["source", "masklets", "accepted", "rejected", "open", "rounds until accepted",
                "disappear and return"]  # fmt: skip
        yield from table(head, sources)
        yield ""
    if loop.verdicts:
        yield from table(
            ["verdict", "given by", "number"],
            [[c.what, c.by, f"{c.n:,}"] for c in loop.verdicts],
        )
        yield ""
    if loop.phases:
        head = ["SAM 2 phase", "masklets", "frames", "s per frame", "edited frames",
                "clicks per clicked frame", "aligned with Phase 1"]  # fmt: skip
        yield from table(
            head,
            [
                [str(p.phase), f"{p.masklets:,}", f"{p.frames:,}", number(p.s_per_frame),
                 percent(p.edited_share, 1), number(p.clicks_per_clicked_frame, 2),
                 percent(p.aligned_share, 1)]
                for p in loop.phases
            ],
        )  # fmt: skip
        yield ""
    yield (
        f"By hand: {count(loop.clicks, 'click')}, {count(loop.strokes, 'stroke')}, "
        f"{loop.undos:,} undone; {count(loop.deleted, 'object')} taken away."
    )


def concepts_section(loop: ConceptFacts) -> Iterator[str]:
    """What became of pairs, and what they cost."""
    steps = ", ".join(f"{n:,} {step}" for step, n in loop.by_step)
    yield f"Where the {count(loop.pairs, 'pair')} stand: {steps}; {loop.held_out:,} are held out."
    yield ""
    if loop.answers:
        rows = [[c.what, c.by, f"{c.n:,}"] for c in loop.answers]
        yield from table(["answer", "given by", "number"], rows)
        yield ""
    head = ["decided pairs", "number", "seen by people", "answers of people per pair",
            "s of people per pair", "masks per pair", "made by hand"]  # fmt: skip
    yield from table(
        head,
        [
            [c.kind, f"{c.pairs:,}", percent(c.seen_share), number(c.touches, 2),
             number(c.seconds_s), number(c.masks, 2), percent(c.corrected_share)]
            for c in loop.costs
        ],
    )  # fmt: skip
    if any(agreement is not None for *_, agreement in loop.agreement):
        yield ""
        yield from table(
            ["reviewer", "task", "answers", "agreement with the others"],
            [[who, task, f"{n:,}", percent(a)] for who, task, n, a in loop.agreement],
        )


def routing_section(loop: ConceptFacts) -> Iterator[str]:
    """What verifiers decided, and how often they erred."""
    if not loop.verifiers:
        yield "No model verified anything: people decided everything that is decided."
        return
    rows = [
        [code(v.verifier), v.task.upper(), f"{v.advised:,}", f"{v.decided:,}", f"{v.asked:,}",
         part(v.audited_wrong, v.audited) if v.audited else _NONE, percent(v.bound, 1),
         part(v.agreed, v.checked) if v.checked else _NONE]
        for v in loop.verifiers
    ]  # fmt: skip
    head = ["verifier", "task", "answers", "decided alone", "sent to a person",
            "wrong among the audited", "upper bound of its error",
            "agrees with people"]  # fmt: skip
    yield from table(head, rows)
    yield ""
    yield (
        "The audited are answers that would have decided and were shown to a person at random "
        "instead; the bound is that of Clopper and Pearson, one-sided, at 95 %. *Wrong* means "
        "other than the person answered: where people err, so does the figure."
    )
    if loop.switches:
        yield ""
        yield from table(
            ["task", "verifier", "mode", "target error", "confidence of the bound", "look",
             "audit share", "thresholds"],
            [_switch_row(s) for s in loop.switches],
        )  # fmt: skip


def _switch_row(switch: SwitchFacts) -> list[str]:
    words = [
        f"{outcome} {'never' if confidence is None else f'from {confidence:.3f}'} "
        f"({wrong} of {n} wrong"
        + (f", bound {bound:.3f}" if confidence is not None else "")
        + (f", computed anew {anew:.3f})" if anew is not None else ")")
        for (outcome, confidence, n, wrong, bound), anew in zip(
            switch.thresholds, switch.bounds_again, strict=True
        )
    ]
    return [
        switch.task.upper(),
        code(switch.verifier),
        switch.mode,
        percent(switch.target_error),
        percent(1 - switch.delta) if switch.delta is not None else UNKNOWN,
        str(switch.look) if switch.look is not None else UNKNOWN,
        percent(switch.audit_rate),
        "; ".join(words) or switch.reason or _NONE,
    ]


def settings_section(facts: CardFacts) -> Iterator[str]:
    """What was set, and what made the card."""
    rows = []
    if facts.used:
        rows.append(["worked with", ", ".join(f"{n} {' and '.join(v)}" for n, v in facts.used)])
    if facts.log.annotation_fps is not None:
        rows.append(["annotated frames per second", f"{facts.log.annotation_fps:g}"])
    if facts.log.round_limit is not None:
        rows.append(["rounds until a masklet is dropped", str(facts.log.round_limit or "no limit")])
    if facts.concepts:
        rows += [[f"review: {name}", value] for name, value in facts.concepts.rules]
    for t in facts.trainings:
        values = ", ".join(f"{k} = {v}" for k, v in (("seed", str(t.seed)), *t.settings))
        rows.append([f"training of {code(t.version or t.run)}", values])
    yield from table(["setting", "value"], rows)
    if facts.software:
        yield ""
        made = ", ".join(f"{name} {version}" for name, version in facts.software)
        yield f"This card was made with {made}."
