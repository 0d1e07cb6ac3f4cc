from dataclasses import replace

import numpy as np
import pytest

from samnb.engine.concepts.acts import Drawn
from samnb.engine.concepts.examples import verifier_examples
from samnb.engine.concepts.lineage import promoted_path, versions
from samnb.engine.concepts.retrain import (
    SEGMENTER,
    VERIFIER,
    evaluated,
    measure,
    retrain_segmenter,
    retrain_verifier,
)
from samnb.engine.concepts.trainers import NewVersion
from samnb.engine.lineage import promoted_file
from samnb.models.verifier_examples import EvExample, MvExample
from samnb.types import EvAnswer, FlowError, MvAnswer
from tests.engine.concepts.world import Segmenter, Verifier, square

NAMES = [f"cup {n}" for n in range(8)]
KNOWN = {name: [(0, 0.9)] for name in NAMES[::2]}


def trainer_to(model, curve=((1, 0.5),), metrics=None, seen=None):
    def teach(*args, folder, seed, on_progress, cancel, **rest):
        if seen is not None:
            seen.append(args)
        on_progress(1, 1, 0.5)
        if cancel is not None and cancel.is_set():
            return NewVersion("cancelled", 0, None, None)
        file = folder / f"{model.name}.bin"
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text("weights")
        return NewVersion("done", 1, model, file, curve, metrics)

    return teach


@pytest.fixture
def decided(desk):
    """Eight final pairs, half of them held out; of each half, two are negatives."""
    door = desk()
    door.set_rules(apart="off")
    door.add_pairs(desk.media_id, NAMES[:4])
    door.add_pairs(desk.media_id, NAMES[4:], is_held_out=True)
    for pair in list(door.state.pairs.values()):
        is_there = pair.phrase in KNOWN
        door.propose_masks(pair.id, [Drawn(square(0))] if is_there else [])
        if is_there:
            door.answer_mv(pair.id, "accept")
        door.answer_ev(pair.id, "accept")
    return door


def test_a_better_version_is_promoted_and_its_lineage_told(desk, decided, tmp_path):
    seen = []
    old, new = Segmenter({}, name="old@1"), Segmenter(KNOWN, name="new@1")
    cycle = retrain_segmenter(
        decided, old, trainer=trainer_to(new, seen=seen), folder=tmp_path, timer=lambda: 1.0
    )
    assert (cycle.status, cycle.model, cycle.over) == ("promoted", new, "old@1")
    assert "cgF1" in cycle.reason
    assert sorted(p.phrase for p in seen[0][1]) == ["cup 0", "cup 1", "cup 2", "cup 3"]
    (row,) = versions(desk.session).to_dict("records")
    assert (row["learner"], row["version"], row["status"]) == (SEGMENTER, "new@1", "promoted")
    assert (row["n_train"], row["n_held_out"]) == (4, 4)
    assert promoted_path(decided, SEGMENTER, tmp_path) == tmp_path / "new@1.bin"
    # What trackers load is not touched by it.
    assert promoted_file(desk.session.log.read()) is None


def test_a_worse_version_is_kept_aside_with_the_reason(decided, tmp_path):
    old, new = Segmenter(KNOWN, name="old@1"), Segmenter({}, name="new@1")
    cycle = retrain_segmenter(decided, old, trainer=trainer_to(new), folder=tmp_path)
    assert (cycle.status, cycle.model) == ("kept aside", old)
    assert promoted_path(decided, SEGMENTER, tmp_path) is None


def test_measuring_counts_negatives_and_instances(decided):
    from samnb.engine.concepts.examples import PairExample

    image = np.zeros((24, 32, 3), np.uint8)
    pairs = [
        PairExample("a", "m", image, "cup 0", (square(0),)),
        PairExample("b", "m", image, "dog", ()),
    ]
    found = measure(Segmenter(KNOWN), pairs)
    assert found["cgf1"] == pytest.approx(100, abs=0.1) and found["negatives"] == 1


def test_held_out_pairs_without_a_negative_measure_nothing(desk, tmp_path):
    door = desk()
    door.set_rules(apart="off")
    for name in NAMES:
        (pair,) = door.add_pairs(desk.media_id, [name], is_held_out=name > "cup 3")
        door.propose_masks(pair.id, [])
        door.answer_ev(pair.id, "accept")
    with pytest.raises(FlowError, match="positives and negatives"):
        retrain_segmenter(door, Segmenter({}), folder=tmp_path)


def test_too_few_pairs_are_refused(desk, tmp_path):
    with pytest.raises(FlowError, match="there are 0 and 0"):
        retrain_segmenter(desk(), Segmenter({}), folder=tmp_path)
    with pytest.raises(FlowError, match="needs answers of people"):
        retrain_verifier(desk(), folder=tmp_path)


def test_a_cancelled_run_and_a_failed_one_are_told(desk, decided, tmp_path):
    import threading

    stop = threading.Event()
    stop.set()
    cycle = retrain_segmenter(
        decided, Segmenter({}), trainer=trainer_to(None), folder=tmp_path, cancel=stop
    )
    assert cycle.status == "cancelled"

    def broken(*args, **kwargs):
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError):
        retrain_segmenter(decided, Segmenter({}), trainer=broken, folder=tmp_path)
    assert versions(desk.session).status.tolist() == ["cancelled", "failed"]


def test_verifiers_are_compared_by_what_the_log_has_of_the_old_one(desk, decided, tmp_path):
    first = Verifier(name="v@1")
    metrics = {"mv_accuracy": 0.9, "ev_accuracy": 0.8, "mv_ece": 0.5}
    made = retrain_verifier(decided, trainer=trainer_to(first, metrics=metrics), folder=tmp_path)
    assert (made.status, made.model) == ("promoted", first)
    worse = trainer_to(Verifier(name="v@2"), metrics={"mv_accuracy": 0.8, "ev_accuracy": 0.8})
    again = retrain_verifier(decided, first, trainer=worse, folder=tmp_path)
    assert (again.status, again.model, again.old["mv_accuracy"]) == ("kept aside", first, 0.9)
    table = versions(desk.session)
    assert table.learner.tolist() == [VERIFIER] * 2
    assert table.new.round(2).tolist() == [0.85, 0.8]


def test_a_verifier_that_learned_elsewhere_is_asked_the_same_verdicts(desk, decided, tmp_path):
    old = Verifier(name="shipped@1")
    base = {"mv_accuracy": 0.8, "ev_accuracy": 0.9}
    worse = trainer_to(Verifier(name="v@1"), metrics={"mv_accuracy": 0.8, "ev_accuracy": 0.8})

    def teach(*args, **kwargs):
        return replace(worse(*args, **kwargs), base=base)

    made = retrain_verifier(decided, old, trainer=teach, folder=tmp_path)
    assert (made.status, made.model) == ("kept aside", old)
    assert made.old == base == evaluated(desk.session.log.read(), "shipped@1")


def test_verdicts_and_the_by_products_of_correction_are_examples(desk):
    door = desk()
    door.set_rules(apart="off")
    (pair,) = door.add_pairs(desk.media_id, ["cup"])
    door.propose(Segmenter({"cup": [(0, 0.9), (1, 0.8)]}))
    door.verify(Verifier())  # a model's answers teach nothing
    first, second = (m.key for m in door.pair(pair.id).proposal.masks)
    door.answer_mv(pair.id, {first: "accept", second: "reject"})
    door.answer_ev(pair.id, "reject")
    door.correct(pair.id, drawn=[Drawn(square(2))])
    found = verifier_examples(door)
    masks = [(e.answer, tuple(np.argwhere(e.mask)[0])) for e in found if isinstance(e, MvExample)]
    assert masks == [
        (MvAnswer.ACCEPT, (2, 2)), (MvAnswer.REJECT, (2, 12)), (MvAnswer.ACCEPT, (2, 22))
    ]  # fmt: skip
    pairs = [(e.answer, len(e.masks)) for e in found if isinstance(e, EvExample)]
    assert pairs == [(EvAnswer.REJECT, 1), (EvAnswer.ACCEPT, 2), (EvAnswer.REJECT, 1)]
    assert found[0].image().shape == (24, 32, 3)
