import pytest

from samnb.engine.cards.facts import gather_facts, version_hash
from samnb.events.concepts import ClipChecked, ConceptTask, FrameSampled, PairDropped, Route
from samnb.types import Media, MediaKind, Point, Worker, WorkerKind
from tests.engine.concepts.test_policy import Unsure
from tests.engine.concepts.world import Segmenter, Verifier, square


def facts_of(session, **options):
    return gather_facts(session.log.read(), session.log.masks, **options)


def test_an_empty_project_is_said_to_be_one(session):
    facts = facts_of(session)
    assert facts.is_empty and facts.masklets is None and facts.concepts is None
    assert facts.log.n_events == 2 and facts.log.project == "p"


def test_no_event_at_all_is_no_error():
    facts = gather_facts([])
    assert facts.is_empty and facts.log.first_s is None and facts.workers == ()


def test_masklets_are_counted_as_the_log_has_them(verified):
    facts = facts_of(verified)
    (medium,) = facts.media
    assert (medium.n_frames, medium.annotated_frames, medium.masklets) == (6, 6, 1)
    assert medium.content_hash == next(iter(verified.state.media))
    loop = facts.masklets
    assert (loop.items, loop.handed_in, loop.masks, loop.clicks) == (1, 1, 6, 2)
    assert {(c.what, c.by, c.n) for c in loop.verdicts} == {
        ("satisfactory", "people", 1),
        ("unsatisfactory", "people", 1),
    }
    assert (loop.first_pass, loop.first_pass_of) == (0, 1)
    (source,) = loop.sources
    assert (source.source, source.accepted, source.rounds_until_accepted) == ("manual", 1, 2.0)
    assert source.disappearance_rate == 0.0
    (phase,) = loop.phases
    assert (phase.phase, phase.frames, phase.edited_share) == (3, 6, 2 / 6)


def test_a_model_is_listed_with_what_it_did(verified):
    (model,) = facts_of(verified).models
    assert (model.name, model.uses, model.version_hash) == ("square@1", ("tracker",), None)
    assert (model.prompts, model.masklets) == (2, 2) and model.tracked_masks >= 5


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mobile-512@1a2b3c4d", "1a2b3c4d"),
        ("colour", None),
        ("square@1", None),
        ("facebook/sam3@main", None),
    ],
)
def test_a_hash_is_what_looks_like_one(name, expected):
    assert version_hash(name) == expected


def test_people_are_numbered_unless_named(verified):
    told = {w.name for w in facts_of(verified).workers}
    assert told == {"person 1", "person 2"}
    named = facts_of(verified, is_pseudonymous=False).workers
    assert [(w.name, w.roles) for w in named] == [
        ("ana", ("selector", "annotator")),
        ("Bo Secretname", ("verifier",)),
    ]
    assert named[0].active_s == 16.0 and named[1].verdicts == 2


def test_kinds_of_workers_are_kept_apart(verified, dog, media):
    other = verified.add_item(media.id, "cat")
    verified.set_prompts(other.id, 0, [Point(20, 10)])
    verified.propagate(media.id, [other.id])
    verified.submit(other.id)
    verified.as_worker(Worker("sim", WorkerKind.SIMULATED)).judge(other.id, "reject")
    loop = facts_of(verified).masklets
    assert ("reject", "simulated workers", 1) in {(c.what, c.by, c.n) for c in loop.verdicts}


def test_an_undone_deletion_is_none(verified, dog):
    verified.delete_item(dog.id)
    loop = facts_of(verified).masklets
    assert (loop.items, loop.deleted, loop.masks) == (0, 1, 0)
    verified.undo(dog.id, 0)
    assert facts_of(verified).masklets.masks == 6


def test_media_that_only_a_file_told_of_have_no_hash(session):
    unseen = Media("unseen-a", MediaKind.VIDEO, "a.mp4", "", (20, 30), 6, 6.0, 1.0)
    session.add_known_media(unseen, {"split": "train"})
    (medium,) = facts_of(session).media
    assert medium.content_hash is None and medium.tags == (("split", "train"),)
    assert facts_of(session, missing={"unseen-a"}).media[0].is_missing


def test_concept_answers_are_counted_by_who_gave_them(desk):
    door = desk()
    cup, none = door.add_pairs(desk.media_id, ["cup", "dog"])
    door.propose(Segmenter({"cup": [(0, 0.9), (1, 0.8)]}))
    door.verify(Verifier())
    keys = [m.key for m in desk().pair(cup.id).masks]
    desk("mia").answer_mv(cup.id, {keys[0]: "accept", keys[1]: "reject"})
    desk("eva").answer_ev(cup.id, "reject")
    desk("eva").answer_ev(none.id, "accept")
    desk("cora").correct(cup.id, drawn=[_drawn(2)], clicks=3)
    facts = facts_of(desk.session)
    loop = facts.concepts
    counts = {(c.what, c.by): c.n for c in loop.answers}
    assert counts["mv accept", "people"] == counts["mv reject", "people"] == 1
    assert counts["mv accept", "models"] == 2 and counts["correct", "people"] == 1
    assert dict(loop.corrections) == {
        "kept": 1, "removed": 0, "added": 1, "edited": 0, "clicks": 3,
    }  # fmt: skip
    assert (loop.positives, loop.negatives_final, loop.masks) == (1, 1, 2)
    assert (loop.pairs, loop.decided, loop.without_people) == (2, 2, 0)
    uses = {m.name: m.uses for m in facts.models}
    assert uses == {"squares@1": ("segmenter",), "judge@1": ("verifier",)}
    assert facts.media[0].pairs == 2 and facts.media[0].annotated_frames == 1


def _drawn(at):
    from samnb.engine.concepts.acts import Drawn

    return Drawn(square(at))


def test_what_filters_took_out_is_told(desk):
    (pair,) = desk().add_pairs(desk.media_id, ["sky"])
    bodies = [
        ClipChecked(desk.media_id, "shot and motion", False, "no motion"),
        ClipChecked(desk.media_id, "shot and motion", True),
        PairDropped(pair.id, "whole scene", "covers everything"),
        FrameSampled(desk.media_id, 3, "other", "random"),
    ]
    desk.session.commit(lambda _state: bodies)
    loop = facts_of(desk.session).concepts
    assert loop.clips == (("shot and motion", 1, 0),)
    assert (loop.dropped, loop.sampled) == ((("whole scene", 1),), (("random", 1),))
    text = desk.session.card().methods
    assert "whole scene took out 1 pair before" in text and "1 of 1 clip (100 %) go on" in text


def test_an_answer_taken_back_does_not_count(desk):
    door = desk()
    (pair,) = door.add_pairs(desk.media_id, ["dog"])
    door.propose(Segmenter({}))
    desk("eva").answer_ev(pair.id, "reject")
    desk("eva").undo()
    assert facts_of(desk.session).concepts.answers == ()


@pytest.fixture
def routed(desk):
    """A verifier earns its place on 160 checked answers, then decides with an audit; eva
    answers half of what she is asked, and disagrees with one audited answer."""
    door = desk()
    door.add_pairs(desk.media_id, [f"thing {n}" for n in range(160)])
    door.propose(Segmenter({}))
    door.verify(Unsure(), ["ev"])
    for pair in door.state.pairs.values():
        desk("eva").answer_ev(pair.id, _truth(pair))
    door.choose_routing("ev", "judge@1", target=0.05, audit_rate=0.2, seed=4)
    fresh = door.add_pairs(desk.media_id, [f"thing {n}" for n in range(1001, 1040)])
    door.propose(Segmenter({}))
    door.verify(Unsure(), ["ev"])
    audited = [p for p in map(desk().pair, [p.id for p in fresh]) if _is_audited(p)]
    for at, pair in enumerate(audited):
        desk("eva").answer_ev(pair.id, "reject" if at == 0 else "accept")
    return desk, audited


def _truth(pair):
    return "reject" if int(pair.phrase.split()[1]) % 10 == 0 else "accept"


def _is_audited(pair):
    return pair.route(ConceptTask.EV) is Route.AUDIT and _truth(pair) == "accept"


def test_the_routing_is_told_with_its_bound_computed_anew(routed):
    desk, _ = routed
    switch = facts_of(desk.session).concepts.switches[0]
    assert (switch.mode, switch.target_error, switch.audit_rate) == ("on", 0.05, 0.2)
    accept, reject = switch.thresholds
    assert accept[0] == "accept without masks" and accept[4] <= 0.05 and reject[1] is None
    assert switch.bounds_again == (pytest.approx(accept[4]), None)


def test_the_audited_error_is_counted_where_answers_would_have_stood(routed):
    from scipy import stats

    desk, audited = routed
    (verifier,) = facts_of(desk.session).concepts.verifiers
    assert (verifier.audited, verifier.audited_wrong) == (len(audited), 1)
    assert verifier.bound == pytest.approx(stats.beta.ppf(0.95, 2, len(audited) - 1))
    assert verifier.decided == facts_of(desk.session).concepts.without_people > 0
    assert verifier.checked == 160 + len(audited)


def test_the_same_log_gives_the_same_facts(verified):
    events = verified.log.read()
    assert gather_facts(events, verified.log.masks) == gather_facts(
        tuple(events), verified.log.masks
    )
    assert gather_facts(events).log.digest != gather_facts(events[:-1]).log.digest
