"""The methods text of a card: plain sentences for a paper, from the facts alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from samnb.engine.cards.citations import SAM2, SAM3
from samnb.engine.cards.records import (
    BY,
    CardFacts,
    ConceptFacts,
    Count,
    MaskletFacts,
    MediaFacts,
    PhaseFacts,
    SwitchFacts,
    TrainingFacts,
    VerifierFacts,
)
from samnb.engine.cards.words import code, count, duration, listed, part, percent
from samnb.engine.phases import PHASES
from samnb.engine.phasestats import ALIGNED_IOU

_KINDS = {"video": "video", "image": "image", "frames": "folder of frames"}
_PLURALS = {"folder of frames": "folders of frames"}


def methods_text(facts: CardFacts) -> str:
    """Return paragraphs, separated by blank lines."""
    groups = [_data(facts), _people(facts)]
    if facts.masklets:
        groups.append(_masklets(facts, facts.masklets))
    if facts.concepts:
        groups += [_concepts(facts, facts.concepts), _routing(facts.concepts)]
    groups.append(_trainings(facts.trainings))
    return "\n\n".join(" ".join(sentences) for sentences in map(list, groups) if sentences)


def total(counts: Iterable[Count], start: str, by: str = "") -> int:
    """Answers whose name begins with ``start``, of all or of one of
    :data:`~samnb.engine.cards.records.BY`."""
    return sum(c.n for c in counts if c.what.startswith(start) and by in ("", c.by))


def shares(counts: Sequence[Count], start: str) -> list[str]:
    """Tell how many such answers everybody gave: "3 by people"."""
    return [f"{n:,} by {by}" for by in BY if (n := total(counts, start, by))]


def media_words(media: Sequence[MediaFacts]) -> str:
    """Tell what the media are: "2 videos and 1 image"."""
    kinds = Counter(_KINDS[m.kind] for m in media)
    return listed(count(n, kind, _PLURALS.get(kind, "")) for kind, n in kinds.items())


def _tool(facts: CardFacts) -> str:
    versions = dict(facts.used).get("samnb", ())
    return f"samnb {listed(versions)}" if versions else "samnb"


def _data(facts: CardFacts) -> Iterable[str]:
    engines = listed(
        name
        for name, is_used in (
            (f"SAM 2 ({SAM2})", facts.masklets is not None or facts.is_empty),
            (f"SAM 3 ({SAM3})", facts.concepts is not None or facts.is_empty),
        )
        if is_used
    )
    which = "data engines" if " and " in engines else "data engine"
    yield (
        f"The data were annotated with {_tool(facts)}, which runs the {which} of {engines} and "
        "writes every act to an append-only log; all figures given here are computed from that log."
    )
    if not facts.media:
        yield "The project has no media yet."
        return
    frames = sum(m.n_frames for m in facts.media)
    annotated = sum(m.annotated_frames for m in facts.media)
    verb = "has" if annotated == 1 else "have"
    yield (
        f"The project holds {media_words(facts.media)} with {count(frames, 'frame')} in all, "
        f"of which {annotated:,} {verb} annotations."
    )
    if facts.masklets and facts.log.annotation_fps and any(m.n_frames > 1 for m in facts.media):
        yield f"Masklets are annotated at {facts.log.annotation_fps:g} frames per second."
    unseen = sum(m.content_hash is None for m in facts.media)
    if unseen:
        yield (
            f"For {count(unseen, 'medium', 'media')} only an annotation file was at hand, so "
            "the content is not known."
        )
    if facts.is_empty:
        yield "Nothing has been annotated yet."


def _people(facts: CardFacts) -> Iterable[str]:
    kinds = Counter(w.kind for w in facts.workers if set(w.roles) - {"trainer"})
    if not kinds:
        return
    people, simulated, models = (kinds[k] for k in ("person", "simulated", "model"))
    words = [
        count(n, one, many)
        for n, one, many in (
            (people, "person", "people"),
            (simulated, "simulated worker", ""),
            (models, "model as a worker of its own", "models as workers of their own"),
        )
        if n
    ]
    yield f"The work was done by {listed(words)}."
    if simulated and not people:
        yield (
            "No person took part: annotators and reviewers were simulated from ground truth, "
            "and the times are those of a time model."
        )
    elif simulated:
        yield "Times of simulated workers are those of a time model."


# -- masklets --------------------------------------------------------------------


def _masklets(facts: CardFacts, loop: MaskletFacts) -> Iterable[str]:
    by_source = {s.source: s for s in loop.sources}
    auto = by_source["auto"].masklets if "auto" in by_source else 0
    proposed = (
        f", {auto:,} of them proposed automatically by a grid of clicks on the first frame"
        if auto
        else ""
    )
    yield (
        f"{count(loop.items, 'object').capitalize()} {_be(loop.items)} targeted, and masklets of "
        f"{loop.handed_in:,} were handed in{proposed}."
    )
    for source, n, is_accepted in loop.imported:
        state = "taken as verified" if is_accepted else "handed to verification"
        yield (
            f"{count(n, 'masklet').capitalize()} {_be(n)} imported from {code(source)} and {state}."
        )
    trackers = [code(m.name) for m in facts.models if "tracker" in m.uses]
    if trackers:
        word = "model" if len(trackers) == 1 else "models"
        yield f"The {word} in the loop {_be(len(trackers))} {listed(trackers)}."
    for phase in loop.phases:
        yield _phase(phase)
    yield from _verification(loop)
    if sum(loop.sampled):
        rates = listed(f"{rate:g}" for rate in loop.sample_rates)
        yield (
            "Unsatisfactory automatic masklets were drawn for refinement with a probability of "
            f"{rates}: {loop.sampled[0]:,} were kept and {loop.sampled[1]:,} dropped."
        )


def _phase(phase: PhaseFacts) -> str:
    name = PHASES[phase.phase].name if phase.phase in PHASES else f"Phase {phase.phase}"
    figures = []
    if phase.s_per_frame is not None:
        figures.append(f"{phase.s_per_frame:.1f} s per frame")
    if phase.edited_share is not None:
        figures.append(f"{percent(phase.edited_share, 1)} of frames edited by hand")
    if phase.clicks_per_clicked_frame is not None:
        figures.append(f"{phase.clicks_per_clicked_frame:.2f} clicks per clicked frame")
    if phase.aligned_share is not None:
        figures.append(
            f"{percent(phase.aligned_share, 1)} of {count(phase.aligned_of, 'mask')} above an "
            f"IoU of {ALIGNED_IOU:g} with Phase 1"
        )
    told = f", with {listed(figures)}" if figures else ""
    return (
        f"In {name}, {count(phase.masklets, 'masklet')} {_be(phase.masklets)} annotated over "
        f"{count(phase.frames, 'frame')}{told}."
    )


def _verification(loop: MaskletFacts) -> Iterable[str]:
    n = sum(c.n for c in loop.verdicts)
    accepted = sum(s.accepted for s in loop.sources)
    if not n:
        yield "No masklet has been verified by another worker."
    else:
        kinds = {k: total(loop.verdicts, k) for k in ("satisfactory", "unsatisfactory", "reject")}
        by = listed(shares(loop.verdicts, ""))
        yield (
            "Masklets are verified by somebody who had no hand in them: of "
            f"{count(n, 'verdict')} ({by}), {kinds['satisfactory']:,} said satisfactory, "
            f"{kinds['unsatisfactory']:,} unsatisfactory and {kinds['reject']:,} reject (the "
            "target is not well defined)."
        )
        yield (
            f"{part(loop.first_pass, loop.first_pass_of, 'masklet')} passed at the first verdict."
        )
    if loop.sources:
        rejected = sum(s.rejected for s in loop.sources)
        waiting = sum(s.open for s in loop.sources)
        with_masks = f" with {count(loop.masks, 'mask')}" if accepted else ""
        yield (
            f"{count(accepted, 'masklet').capitalize()}{with_masks} {_be(accepted, 'is')} "
            f"accepted, {rejected:,} rejected and {waiting:,} open."
        )


# -- concepts --------------------------------------------------------------------

_ORIGINS = {
    "mined": "mined from captions",
    "hard_negative": "made to be confused with another",
    "user": "given by users",
}


def _concepts(facts: CardFacts, loop: ConceptFacts) -> Iterable[str]:
    origins = listed(f"{n:,} {_ORIGINS[name]}" for name, n in loop.by_origin)
    yield (
        f"{count(loop.pairs, 'pair').capitalize()} of a medium and a noun phrase "
        f"({count(loop.phrases, 'distinct phrase')}) {_be(loop.pairs)} asked about: {origins}."
    )
    for who, n, kept, dropped in loop.captions:
        yield (
            f"{count(n, 'caption').capitalize()} by {code(who)} gave {count(kept, 'phrase')}; "
            f"{dropped:,} {_be(dropped)} dropped in cleaning."
        )
    for who, model, kept, dropped in loop.negatives:
        yield (
            f"Of {count(kept + dropped, 'hard negative')} proposed by {code(who)}, {kept:,} fooled "
            f"{code(model)}; only such are kept."
        )
    for source, n in loop.imported:
        yield f"{count(n, 'pair').capitalize()} {_be(n)} imported from {code(source)}."
    yield from _filters(loop)
    segmenters = [m for m in facts.models if m.proposals]
    if segmenters:
        made = listed(f"{code(m.name)} ({count(m.proposals, 'proposal')})" for m in segmenters)
        yield f"Masks were proposed by {made}."
    rules = dict(loop.rules)
    yield _asked(rules["n_reviewers"], rules["n_negative"])
    for word, what in (("mv", "Mask verification (MV)"), ("ev", "Exhaustivity verification (EV)")):
        said = shares(loop.answers, word)
        if said:
            yield f"{what} was answered as follows: {listed(said)}."
    yield from _corrections(loop)
    yield (
        f"Decided are {part(loop.decided, loop.pairs, 'pair')}: {loop.positives:,} with masks "
        f"({count(loop.masks, 'mask')}), {loop.negatives_final:,} verified negatives and "
        f"{dict(loop.by_step).get('rejected', 0):,} rejected."
    )
    if loop.decided:
        if loop.without_people:
            yield f"Of these, no person was asked about {part(loop.without_people, loop.decided)}."
        elif not loop.imported:
            yield "None of them was decided without a person."
    seconds = sum(w.task_s for w in facts.workers)
    if seconds:
        yield f"People, simulated ones included, spent {duration(seconds)} on pairs."


def _filters(loop: ConceptFacts) -> Iterable[str]:
    for name, kept, dropped in loop.clips:
        yield f"The filter for {name} let {part(kept, kept + dropped, 'clip')} go on."
    for name, n in loop.dropped:
        yield f"The filter for {name} took out {count(n, 'pair')} before anybody was asked."
    for sampler, n in loop.sampled:
        yield f"Pictures of their own became {count(n, 'video frame')}, drawn as {code(sampler)}."


def _asked(n: str, n_negative: str) -> str:
    def words(n: str) -> str:
        return "one reviewer" if n == "1" else f"{n} reviewers"

    if n == n_negative:
        return f"Each question is put to {words(n)}."
    return (
        f"Each question is put to {words(n)}, and exhaustivity without any mask to "
        f"{words(n_negative)}."
    )


def _corrections(loop: ConceptFacts) -> Iterable[str]:
    n = sum(c.n for c in loop.answers if c.what in ("correct", "confirm"))
    if not n:
        return
    what = dict(loop.corrections)
    yield (
        f"{count(n, 'correction').capitalize()} by hand added {count(what['added'], 'mask')}, "
        f"edited {what['edited']:,} and removed {what['removed']:,}, with "
        f"{count(what['clicks'], 'click')}."
    )


def _routing(loop: ConceptFacts) -> Iterable[str]:
    if not loop.verifiers:
        return
    on = [s for s in loop.switches if s.mode == "on"]
    if not on:
        yield "No model was allowed to decide alone; its answers were advice."
    for switch in loop.switches:
        yield _switch_sentence(switch)
    for verifier in loop.verifiers:
        yield from _audit(verifier)


def _switch_sentence(switch: SwitchFacts) -> str:
    task, who = switch.task.upper(), code(switch.verifier)
    if switch.mode != "on":
        reason = switch.reason.removeprefix("advice only: ")
        mode = "kept as advice" if switch.mode == "advice" else "switched off"
        return f"{task} answers of {who} were {mode}{': ' if reason else ''}{reason}."
    standing = [
        f"{outcome} from a confidence of {confidence:.3f} on ({wrong} of {n} checked at random "
        f"were wrong, upper bound {bound:.3f})"
        for outcome, confidence, n, wrong, bound in switch.thresholds
        if confidence is not None
    ]
    sure = f" with a confidence of {percent(1 - switch.delta)}" if switch.delta else ""
    return (
        f"{task} answers of {who} were allowed to decide where at most "
        f"{percent(switch.target_error)} of them are wrong{sure} (exact binomial bound of "
        f"Clopper and Pearson, thresholds by fixed-sequence testing): {listed(standing)}; "
        f"{percent(switch.audit_rate)} of the decisions went on to be checked by people at random."
    )


def _audit(verifier: VerifierFacts) -> Iterable[str]:
    who, task = code(verifier.verifier), verifier.task.upper()
    if verifier.checked:
        yield (
            f"Where people answered the same {task} question as {who}, "
            f"{part(verifier.agreed, verifier.checked, 'answer')} "
            f"{'agrees' if verifier.agreed == 1 else 'agree'}."
        )
    if verifier.bound is not None:
        yield (
            f"Of {count(verifier.audited, 'audited decision')} that {who} would have taken alone, "
            f"{verifier.audited_wrong:,} {_be(verifier.audited_wrong)} wrong: its {task} error is "
            f"at most {percent(verifier.bound, 1)} with a confidence of 95 % (Clopper and Pearson)."
        )
    elif verifier.decided:
        yield (
            f"{who} took {count(verifier.decided, task + ' decision')} alone, none of which has "
            "been audited yet, so their error is not known."
        )


# -- retraining ------------------------------------------------------------------


_UNITS = {"tracker": "masklets"}


def _trainings(trainings: Sequence[TrainingFacts]) -> Iterable[str]:
    for learner in dict.fromkeys(t.learner for t in trainings):
        mine = [t for t in trainings if t.learner == learner]
        promoted = [t for t in mine if t.status == "promoted"]
        times = "once" if len(mine) == 1 else f"{len(mine)} times"
        apart = ", with whole media held out" if all(t.n_held_out for t in mine) else ""
        yield (
            f"The {learner} was retrained {times} on what was verified{apart}; "
            f"{count(len(promoted), 'version')} {_be(len(promoted))} promoted."
        )
        for run in promoted:
            what = "proposal or answer" if run.made == 1 else "proposals or answers"
            yield (
                f"{code(run.version)}, trained from {code(run.base)} on {run.n_train:,} verified "
                f"{_UNITS.get(learner, 'pairs')}, made {run.made:,} {what} since "
                f"({run.reason})."
            )


def _be(n: int, verb: str = "was") -> str:
    return verb if n in (0, 1) else {"was": "were", "is": "are"}[verb]
