"""The concept loop's stages on one picture with squares."""

from __future__ import annotations

import threading

import pytest

from samnb.engine.concepts import retrain
from samnb.events.concepts import ConceptTask
from samnb.types import FlowError, InputError, ModelError
from samnb.widgets.dashboards.concept_stages import CONCEPT_STAGES, captions_of, verifiers_of
from samnb.widgets.dashboards.stages import Bench, Settings
from tests.engine.concepts.world import Segmenter, Verifier
from tests.widgets.dashboards.work import decide_pairs

STAGES = {stage.key: stage for stage in CONCEPT_STAGES}


@pytest.fixture
def bench(open_project, monkeypatch):
    monkeypatch.setattr(Bench, "segmenter", lambda _self: Segmenter({"cup": [(0, 0.9)]}))
    monkeypatch.setattr(Bench, "verifier", lambda _self: Verifier())
    return Bench(open_project("engine"))


def run(bench, key):
    told = []
    return STAGES[key].run(bench, lambda *news: told.append(news), threading.Event()), told


def left(bench, key):
    bench.session.concepts.refresh()
    return STAGES[key].left(bench.session).n


def test_masks_are_proposed_and_verified(bench, picture):
    loop, media_id = picture
    assert left(bench, "mine") == 1, "a picture without a phrase"
    loop.add_pairs(media_id, ["cup", "dog"])
    assert left(bench, "propose") == 2 and left(bench, "mine") == 0
    text, told = run(bench, "propose")
    assert text.startswith("1 masks for 2 pairs") and told == [(2, 2, "2 of 2 pairs")]
    assert (left(bench, "propose"), left(bench, "ai"), left(bench, "people")) == (0, 2, 2)
    assert "1 MV and 1 EV answers" in run(bench, "ai")[0]
    assert left(bench, "ai") == 0
    assert verifiers_of(bench.session) == dict.fromkeys((ConceptTask.MV, ConceptTask.EV), "judge@1")


def test_without_a_verifier_the_way_to_one_is_told(bench, monkeypatch):
    monkeypatch.setattr(Bench, "verifier", lambda _self: None)
    with pytest.raises(ModelError, match="Retrain the verifier"):
        run(bench, "ai")


def test_routing_is_chosen_for_what_was_answered(bench, picture):
    with pytest.raises(FlowError, match="run Verify by AI first"):
        run(bench, "route")
    decide_pairs(*picture)
    assert left(bench, "route") == 2
    bench.settings = Settings(target=0.2, delta=0.2)
    text, told = run(bench, "route")
    assert text.startswith("EV by judge@1: ") and "MV by judge@1: " in text
    assert [row[:2] for row in told] == [(0, 2), (1, 2)]
    switch = bench.session.concepts.state.routing[ConceptTask.MV]
    assert switch.target_error == 0.2


def test_captions_are_a_folder_a_table_or_a_model(tmp_path):
    (tmp_path / "a.txt").write_text("a red cup", "utf-8")
    (tmp_path / "c.csv").write_text("file_name,caption\na.png,a dog\nb.png,a cat\n", "utf-8")
    assert len(captions_of(str(tmp_path))) == 1
    assert len(captions_of(f" {tmp_path / 'c.csv'} ")) == 2
    with pytest.raises(InputError, match="got nothing"):
        captions_of(" ")


def test_mining_takes_phrases_from_captions(bench, picture, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "samnb.engine.concepts.mining.mine",
        lambda _loop, captions, **_: seen.append(len(captions)) or "mined",
    )
    (tmp_path / "picture.txt").write_text("a red cup", "utf-8")
    bench.settings = Settings(captions=str(tmp_path))
    assert run(bench, "mine")[0] == "mined" and seen == [1]


def test_retraining_says_what_it_lacks(bench, picture):
    decide_pairs(*picture)
    assert (left(bench, "segmenter"), left(bench, "verifier")) == (2, 2)
    with pytest.raises(FlowError, match=f"needs {retrain.MIN_PAIRS} final pairs"):
        run(bench, "segmenter")


def test_a_verifier_learns_from_people(bench, picture, monkeypatch):
    asked = {}

    def fake(loop, parent, *, segmenter, seed, on_progress, cancel):
        asked.update(parent=parent.name, segmenter=segmenter.name, seed=seed)
        on_progress(retrain.Progress("train", 1, 4, 0.5))
        return "verifier@2: promoted"

    monkeypatch.setattr(retrain, "retrain_verifier", fake)
    text, told = run(bench, "verifier")
    assert text == "verifier@2: promoted" and told == [(1, 4, "train 1 of 4, loss 0.500")]
    assert asked == {"parent": "judge@1", "segmenter": "squares@1", "seed": 0}


def test_hard_negatives_start_from_verified_positives(bench, picture):
    decide_pairs(*picture)
    assert left(bench, "negatives") == 1
    assert run(bench, "negatives")[0].endswith("(done)")
