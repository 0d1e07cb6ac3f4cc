"""The stages of the concept loop as a table; see :mod:`samnb.widgets.dashboards.stages`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from samnb.engine.concepts import mining, retrain
from samnb.engine.concepts.state import PairState
from samnb.engine.retrain import Progress
from samnb.engine.session import Session
from samnb.events.concepts import ConceptStep, ConceptTask, EvAnswered, MvAnswered
from samnb.types import FlowError, InputError, ModelError
from samnb.widgets.dashboards.stages import Bench, Left, Stage, Tick

if TYPE_CHECKING:
    from samnb.language.captions import GivenCaptions
    from samnb.models.concepts import Captioner

MODEL_TASKS: Final = (ConceptTask.MV, ConceptTask.EV)


def _pairs(words: str, is_meant: Callable[[PairState], bool]) -> Callable[[Session], Left]:
    def left(session: Session) -> Left:
        return Left(sum(map(is_meant, session.concepts.state.pairs.values())), words)

    return left


def _counted(tick: Tick, words: str) -> Callable[[int, int], None]:
    return lambda done, total: tick(done, total, f"{done} of {total} {words}")


# -- phrases -----------------------------------------------------------------------------


def captions_of(text: str) -> GivenCaptions | Captioner:
    """What speaks for pictures: a folder of text files, a table, or a captioner's name.

    Raises:
        InputError: nothing is named.
        SamnbError: what is named cannot be used.
    """
    from samnb.language.captions import read_caption_table, read_sidecars

    if not text.strip():
        raise InputError(
            "captions: expected a folder of text files, a table (CSV, TSV) or the name of a "
            "captioner, got nothing; give it under Settings"
        )
    path = Path(text.strip()).expanduser()
    if path.suffix.lower() in (".csv", ".tsv"):
        return read_caption_table(path)
    if path.is_dir() and not (path / "config.json").exists():
        return read_sidecars(path)
    from samnb.models.captioner import load_captioner

    return load_captioner(text.strip())


def _unmined(session: Session) -> Left:
    have = {p.item.media_id for p in session.concepts.state.pairs.values()}
    tracked = {s.item.media_id for s in session.state.items.values()}
    return Left(len(session.state.media.keys() - have - tracked), "media without a phrase")


def _mine(bench: Bench, tick: Tick, cancel: threading.Event) -> str:
    captions = captions_of(bench.settings.captions)
    loop = bench.session.concepts
    tell = _counted(tick, "media")
    return str(mining.mine(loop, captions, on_progress=tell, cancel=cancel))


def _negatives(bench: Bench, tick: Tick, cancel: threading.Event) -> str:
    loop, tell = bench.session.concepts, _counted(tick, "pictures")
    return str(mining.mine_negatives(loop, bench.segmenter(), on_progress=tell, cancel=cancel))


# -- masks and verdicts ------------------------------------------------------------------


def _propose(bench: Bench, tick: Tick, cancel: threading.Event) -> str:
    loop, tell = bench.session.concepts, _counted(tick, "pairs")
    return str(loop.propose(bench.segmenter(), on_progress=tell, cancel=cancel))


def lacks_model(pair: PairState) -> bool:
    """Whether a pair waits at MV or EV and no model has answered there."""
    task = next((t for t in MODEL_TASKS if t.value == pair.step.value), None)
    return task is not None and not pair.of(task, by_person=False)


def _verify(bench: Bench, tick: Tick, cancel: threading.Event) -> str:
    loop, verifier = bench.session.concepts, bench.verifier()
    if verifier is None:
        raise ModelError(
            "verifier: expected one that this project has promoted, and there is none for this "
            "segmenter; answer some pairs on the review page, then run Retrain the verifier"
        )
    found = loop.verify(verifier, on_progress=_counted(tick, "pairs"), cancel=cancel)
    if found.status == "done":  # what people decided about held-out media is evidence
        held_out = [p.id for p in loop.refresh().pairs.values() if p.is_held_out]
        loop.verify(verifier, pair_ids=held_out, is_past=True, cancel=cancel)
    return str(found)


def verifiers_of(session: Session) -> dict[ConceptTask, str]:
    """The verifier that answered each task last, by name and version."""
    newest: dict[ConceptTask, tuple[int, str]] = {}
    for pair in session.concepts.state.pairs.values():
        for answer in (*pair.past, *pair.answers):
            body = answer.body
            if isinstance(body, MvAnswered | EvAnswered) and body.model:
                row = (answer.seq, body.model)
                newest[answer.task] = max(newest.get(answer.task, row), row)
    return {task: name for task, (_, name) in newest.items()}


def _routable(session: Session) -> Left:
    n = len(verifiers_of(session))
    on = [t.value.upper() for t, s in session.concepts.state.routing.items() if s.mode == "on"]
    words = f"; on for {' and '.join(sorted(on))}" if on else ""
    return Left(n, f"of MV and EV answered by a verifier{words}")


def _route(bench: Bench, tick: Tick, _cancel: threading.Event) -> str:
    found = verifiers_of(bench.session)
    if not found:
        raise FlowError("routing needs answers of a verifier; run Verify by AI first")
    settings, told = bench.settings, []
    for at, (task, name) in enumerate(sorted(found.items(), key=lambda row: row[0].value)):
        tick(at, len(found), f"{task.value.upper()}: {name}")
        policy = bench.session.concepts.choose_routing(
            task,
            name,
            target=settings.target,
            delta=settings.delta,
            audit_rate=settings.audit_rate,
            seed=settings.seed,
        )
        told.append(f"{task.value.upper()} by {name}: {policy.reason}")
    return ". ".join(told)


# -- retraining ---------------------------------------------------------------------------


def _told(tick: Tick) -> Callable[[Progress], None]:
    def tell(now: Progress) -> None:
        loss = "" if now.loss is None else f", loss {now.loss:.3f}"
        tick(now.done, now.total, f"{now.stage} {now.done} of {now.total}{loss}")

    return tell


def _retrain_segmenter(bench: Bench, tick: Tick, cancel: threading.Event) -> str:
    made = retrain.retrain_segmenter(
        bench.session.concepts,
        bench.segmenter(),
        seed=bench.settings.seed,
        on_progress=_told(tick),
        cancel=cancel,
    )
    return str(made)


def _retrain_verifier(bench: Bench, tick: Tick, cancel: threading.Event) -> str:
    made = retrain.retrain_verifier(
        bench.session.concepts,
        bench.verifier(),
        segmenter=bench.segmenter(),
        seed=bench.settings.seed,
        on_progress=_told(tick),
        cancel=cancel,
    )
    return str(made)


CONCEPT_STAGES: Final = (
    Stage(
        "mine", "concepts", "Mine phrases",
        "Captions become noun phrases, cleaned and balanced; needs captions, see Settings.",
        _unmined, _mine, is_in_loop=False,
    ),
    Stage(
        "propose", "concepts", "Propose masks",
        "The segmenter looks at each medium once and answers for all its phrases.",
        _pairs("pairs without a proposal", lambda p: p.step is ConceptStep.PROPOSE), _propose,
    ),
    Stage(
        "ai", "concepts", "Verify by AI",
        "A verifier answers MV and EV; it decides where routing allows, else it advises.",
        _pairs("pairs without its answer", lacks_model), _verify,
    ),
    Stage(
        "people", "concepts", "Verify and correct",
        "People answer what is left to them and repair masks: the review page.",
        _pairs("pairs wait for people", lambda p: p.step.value in [t.value for t in ConceptTask]),
    ),
    Stage(
        "negatives", "concepts", "Hard negatives",
        "Phrases near a verified positive that fool the segmenter become new pairs.",
        _pairs("verified positives to start from", mining.is_positive), _negatives,
        is_in_loop=False,
    ),
    Stage(
        "route", "concepts", "Route",
        "Choose from what people checked how far the verifier may decide alone.",
        _routable, _route,
    ),
    Stage(
        "segmenter", "concepts", "Retrain the segmenter",
        "Learn from final pairs; promoted only if cgF1 on held-out pairs rises.",
        _pairs("final pairs to learn from", lambda p: p.step is ConceptStep.FINAL),
        _retrain_segmenter, is_in_loop=False,
    ),
    Stage(
        "verifier", "concepts", "Retrain the verifier",
        "Learn MV and EV from people's answers and from what they corrected.",
        _pairs("pairs that people answered", lambda p: bool(p.people)),
        _retrain_verifier, is_in_loop=False,
    ),
)  # fmt: skip
"""The concept loop, in its order."""
