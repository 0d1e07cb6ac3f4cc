import threading
from dataclasses import replace

import numpy as np
import pytest

from samnb.models.concepts import ConceptVerifier
from samnb.models.verifier_aids import Aids
from samnb.models.verifier_examples import EvExample, MvExample, examples_of_correction
from samnb.models.verifier_net import pad_words, word_ids
from samnb.models.verifier_small import Describer, discounted, load_verifier
from samnb.models.verifier_tables import EV_OPTIONS, MV_OPTIONS
from samnb.models.verifier_training import VerifierSettings, fold_of, train_verifier
from samnb.models.verifier_use import ev_presence
from samnb.types import EvAnswer, InputError, ModelError, MvAnswer
from tests.models.blocks import make_examples

SETTINGS = VerifierSettings(epochs=10, ev_epochs=10, batch=32, folds=2, min_steps=200)


def aids_of(candidates):
    return Aids(candidates=lambda image, _phrase: candidates[id(image)], name="blocks")


@pytest.fixture(scope="module")
def data():
    train, candidates = make_examples(70)
    test, others = make_examples(30, seed=1)
    return train, test, aids_of({**candidates, **others})


@pytest.fixture(scope="module")
def trained(data):
    return train_verifier(data[0], aids=data[2], settings=SETTINGS)


def accuracy(verifier, examples):
    hits = {MvExample: [], EvExample: []}
    for e in examples:
        if isinstance(e, MvExample):
            found = verifier.verify_masks(e.image(), e.phrase, [e.mask])[0]
            hits[MvExample].append(MV_OPTIONS[found.argmax()] is e.answer)
        else:
            found = verifier.verify_exhaustive(e.image(), e.phrase, e.masks)
            hits[EvExample].append(EV_OPTIONS[found.argmax()] is e.answer)
    return np.mean(hits[MvExample]), np.mean(hits[EvExample])


def test_it_learns_both_answers_from_verdicts(data, trained):
    verifier = trained.verifier
    assert isinstance(verifier, ConceptVerifier)
    mv, ev = accuracy(verifier, data[1])
    assert mv > 0.85 and ev > 0.8  # 64 % and 60 % of the answers are the commoner one
    assert trained.mv.probabilities.shape == (verifier.info.n_mv, 5)
    assert trained.ev.accuracy > 0.75


def test_presence_tells_what_is_there_from_what_is_not(data, trained):
    empty = [e for e in data[1] if isinstance(e, EvExample) and not e.masks]
    there = {True: [], False: []}
    for e in empty:
        there[e.answer is EvAnswer.REJECT].append(
            ev_presence(trained.verifier, e.image(), e.phrase)
        )
    assert np.mean(there[True]) > np.mean(there[False]) + 0.3


def test_probabilities_have_the_promised_shape(data, trained):
    example = data[1][0]
    image = example.image()
    found = trained.verifier.verify_masks(image, "red block", [example.mask] * 3)
    assert found.shape == (3, 5) and found.sum(axis=1) == pytest.approx([1, 1, 1])
    assert trained.verifier.verify_masks(image, "red block", []).shape == (0, 5)
    one = trained.verifier.verify_exhaustive(image, "red block", [example.mask])
    assert one.shape == (6,) and one.sum() == pytest.approx(1)


def test_words_and_masks_it_never_saw_are_no_error(data, trained):
    image = data[1][0].image()
    nothing = np.zeros(image.shape[:2], np.bool_)
    for phrase in ("Übergrößenträger", "", "a b c d e f g h i j k l m n o"):
        assert np.isfinite(trained.verifier.verify_masks(image, phrase, [nothing])).all()
        assert np.isfinite(trained.verifier.verify_exhaustive(image, phrase, [nothing])).all()


def test_the_same_seed_gives_the_same_verifier(data):
    small = [e for e in data[0] if fold_of(e.key, 3, 9) == 0]
    quick = replace(SETTINGS, epochs=2, ev_epochs=2, min_steps=4)
    names = [train_verifier(small, aids=data[2], settings=quick, seed=s).verifier.name
             for s in (1, 1, 2)]  # fmt: skip
    assert names[0] == names[1] != names[2]


def test_a_saved_verifier_answers_the_same(data, trained, tmp_path):
    path = tmp_path / "v.safetensors"
    trained.verifier.save(path)
    again = load_verifier(path, data[2])
    assert again.info == trained.verifier.info
    e = data[1][0]
    assert np.array_equal(
        again.verify_masks(e.image(), e.phrase, [e.mask]),
        trained.verifier.verify_masks(e.image(), e.phrase, [e.mask]),
    )


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"no")
    with pytest.raises(ModelError, match="could not read"):
        load_verifier(path)


def test_training_goes_on_from_a_parent(data, trained):
    few = [e for e in data[1] if fold_of(e.key, 2, 0) == 0]
    quick = replace(SETTINGS, epochs=2, ev_epochs=2, lr=3e-4, min_steps=10)
    told = train_verifier(few, aids=data[2], settings=quick, parent=trained.verifier)
    fresh = train_verifier(few, aids=data[2], settings=quick)
    assert told.verifier.info.parent == trained.verifier.name
    rest = [e for e in data[1] if fold_of(e.key, 2, 0) == 1]
    assert accuracy(told.verifier, rest)[0] > accuracy(fresh.verifier, rest)[0]


def test_numbers_of_a_scorer_count_and_must_be_there_again(data, tmp_path):
    truth = {(id(e.image()), e.phrase, e.mask.tobytes()): e.answer is MvAnswer.ACCEPT
             for e in data[0] if isinstance(e, MvExample)}  # fmt: skip

    def scorer(image, phrase, masks):
        return np.array([[truth.get((id(image), phrase, m.tobytes()), 0.0)] for m in masks])

    masks = [e for e in data[0] if isinstance(e, MvExample)]
    quick = SETTINGS
    done = train_verifier(masks, aids=Aids(scorer=scorer, name="oracle"), settings=quick)
    assert done.mv.accuracy > 0.9
    assert done.ev is None
    done.verifier.save(tmp_path / "v.safetensors")
    liar = Aids(scorer=lambda *what: 1 - scorer(*what), name="oracle")
    told, misled = (
        load_verifier(tmp_path / "v.safetensors", aids)
        for aids in (Aids(scorer=scorer, name="oracle"), liar)
    )
    good = [e for e in masks if e.answer is MvAnswer.ACCEPT][:20]
    sure = [
        np.mean([v.verify_masks(e.image(), e.phrase, [e.mask])[0][0] for e in good])
        for v in (told, misled)
    ]
    assert sure[0] > sure[1] + 0.02
    with pytest.raises(ModelError, match="oracle"):
        load_verifier(tmp_path / "v.safetensors")
    with pytest.raises(InputError, match="parent"):
        train_verifier(masks, settings=quick, parent=done.verifier)


def test_progress_counts_to_the_end_and_cancelling_stops(data):
    cancel, seen = threading.Event(), []
    few = [e for e in data[0] if fold_of(e.key, 3, 9) == 0]
    quick = replace(SETTINGS, epochs=2, ev_epochs=2, min_steps=4)
    train_verifier(few, settings=quick, on_progress=lambda *a: seen.append(a))
    assert [s[0] for s in seen] == list(range(1, seen[-1][1] + 1))

    def stop(done, _total, _loss):
        if done > len(few) + 2:
            cancel.set()

    found = train_verifier(few, settings=quick, on_progress=stop, cancel=cancel)
    assert (found.status, found.verifier) == ("cancelled", None)


def test_a_mask_is_described_once(data, monkeypatch):
    calls = []
    monkeypatch.setattr(
        "samnb.models.verifier_small.appearance",
        lambda *a: calls.append(1) or np.zeros(392, np.float32),
    )
    example = data[0][0]
    describer = Describer()
    for phrase in ("red", "blue"):
        describer.describe(example.image(), phrase, [example.mask, example.mask.copy()])
    assert len(calls) == 1


def test_correction_gives_examples():
    load = lambda: np.zeros((4, 4, 3), np.uint8)  # noqa: E731
    a, b, c = (np.eye(4, dtype=np.bool_) for _ in range(3))
    found = examples_of_correction("k", load, "cup", kept=[a], added=[b], removed=[c])
    answers = [(type(e).__name__, e.answer.value) for e in found]
    assert answers == [("MvExample", "accept"), ("MvExample", "reject"),
                       ("EvExample", "accept"), ("EvExample", "reject")]  # fmt: skip
    assert len(found[2].masks) == 2 and len(found[3].masks) == 1
    assert examples_of_correction("k", load, "cup", kept=[a], added=[], is_exhaustive=False) == ()


def test_words_are_hashed_alike_everywhere():
    assert word_ids("Red cup!") == word_ids("red, CUP") == [911, 228]
    assert pad_words(["red cup", ""])[1].tolist() == [-1] * 12


def test_too_little_to_learn_from_is_said(data):
    with pytest.raises(InputError, match="two pictures"):
        train_verifier([e for e in data[0] if e.key == data[0][0].key])
    with pytest.raises(InputError, match="folds"):
        VerifierSettings(folds=1)


def test_an_opinion_without_experience_says_nothing():
    told = np.array([[0.9, 0.0, 0.1, 0.0, 0.0], [0.2, 0.0, 0.5, 0.3, 0.0]])
    assert np.array_equal(discounted(told, 1.0), told)
    assert discounted(told, 0.0).tolist() == [[0.5, 0.0, 0.5, 0.0, 0.0]] * 2
    half = discounted(told, 0.5)
    assert half[0, 0] == pytest.approx(0.7) and half.sum(axis=1) == pytest.approx(1.0)
    ev = np.array([[0.98, 0.02, 0.0, 0.0, 0.0, 0.0]])
    assert discounted(ev, 0.0).tolist() == [[0.5, 0.5, 0.0, 0.0, 0.0, 0.0]]


def test_phrases_that_the_aids_do_not_know_are_neither_judged_nor_learned_from(data, trained):
    words = {e.phrase for e in data[0]}
    strange = sorted(words)[0]
    aids = replace(data[2], experience=lambda phrase: float(phrase != strange))
    verifier = trained.verifier.asking(Describer(aids))
    one = next(e for e in data[0] if isinstance(e, EvExample) and e.phrase == strange)
    row = verifier.verify_exhaustive(one.image(), strange, one.masks)
    assert row.tolist() == [0.5, 0.5, 0.0, 0.0, 0.0, 0.0]
    known = [e for e in data[0] if e.phrase != strange]
    quick = replace(SETTINGS, epochs=1, ev_epochs=1, min_steps=1)
    told = train_verifier(data[0], aids=aids, settings=quick)
    assert told.verifier.info.n_mv == sum(isinstance(e, MvExample) for e in known)


def test_the_same_weights_with_other_aids_are_another_version(data, trained):
    newer = replace(data[2], name="blocks@2")
    again = trained.verifier.asking(Describer(newer))
    assert again.net is trained.verifier.net
    assert again.name != trained.verifier.name == again.info.parent
    assert again.info.aids == "blocks@2" and again.info.n_mv == trained.verifier.info.n_mv
    assert again.name == trained.verifier.asking(Describer(newer)).name
