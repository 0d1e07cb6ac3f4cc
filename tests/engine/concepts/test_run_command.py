import json

import numpy as np
import pytest

from samnb.cli import main
from samnb.models import concept_registry
from samnb.models.concepts import ConceptPrediction


class Blind:
    """Finds nothing anywhere."""

    name = "blind@1"

    def segment(self, image, phrases, exemplars=None):
        return tuple(ConceptPrediction(0.1) for _ in phrases)

    def segment_video(self, frames, phrase):
        for position in range(len(frames)):
            yield position, {}


@pytest.fixture
def blind(monkeypatch):
    monkeypatch.setattr(concept_registry, "load_concept_segmenter", lambda name: Blind())


def words(tmp_path, *more):
    project = ["--project", str(tmp_path / "p.samnb")]
    return ["run", "concept", *project, "--size", "64x96", "--pictures", "2", *more]


def test_the_arms_print_one_json_object_and_tell_their_progress(blind, tmp_path, capsys):
    assert main(words(tmp_path, "--arms", "phrase,people", "--warmup", "1", "--json")) == 0
    out, err = capsys.readouterr()
    data = json.loads(out)
    assert [row["arm"] for row in data["rows"]] == ["human from phrase", "engine, all human"]
    assert data["rows"][0]["negative_s"] == 71 and "0/2 human from phrase" in err
    assert (tmp_path / "p-arms" / "arm-1.samnb").is_file()


def test_an_unknown_arm_or_size_is_refused_in_one_line(blind, tmp_path, capsys):
    assert main(words(tmp_path, "--arms", "phrase,robots", "--warmup", "1")) == 1
    assert "arms: expected some of phrase, masks, people, models" in capsys.readouterr().err
    assert main(["run", "concept", "--project", str(tmp_path / "p"), "--size", "big"]) == 1
    assert "expected HEIGHTxWIDTH" in capsys.readouterr().err


class Sure:
    """Accepts whatever it is shown."""

    name = "sure@1"

    def verify_masks(self, image, phrase, masks):
        return np.tile([0.9, 0.025, 0.025, 0.025, 0.025], (len(masks), 1))

    def verify_exhaustive(self, image, phrase, masks):
        return np.array([0.9, 0.02, 0.02, 0.02, 0.02, 0.02])


@pytest.fixture
def named(monkeypatch):
    """Folders whose verifier is asked for."""
    asked = []

    def load(source):
        asked.append(source)
        return Sure()

    monkeypatch.setattr("samnb.models.verifier_vlm.load_vlm_verifier", load)
    return asked


def test_a_vision_language_model_can_be_the_verifier_of_the_loop(blind, named, tmp_path, capsys):
    more = ["--cycles", "1", "--verifier", "folder/of/a-model", "--json"]
    assert main(words(tmp_path, *more)) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert named == ["folder/of/a-model"] and row["verifier"] == "sure@1"
    assert main(["stats", "--project", str(tmp_path / "p.samnb"), "--json"]) == 0
    tables = json.loads(capsys.readouterr().out)
    assert {r["verifier"] for r in tables["verifiers"]} <= {"sure@1"}


def test_the_arms_take_a_named_verifier_without_training(blind, named, tmp_path, capsys):
    more = ["--arms", "models", "--warmup", "2", "--verifier", "hub/name", "--json"]
    assert main(words(tmp_path, *more)) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["arm"] == "engine, AI verifiers"


def test_videos_from_the_shell(blind, tmp_path, capsys):
    more = ["--video", "--clips", "1", "--frames", "30", "--json"]
    assert main(words(tmp_path, *more)) == 0
    data = json.loads(capsys.readouterr().out)
    first = data["filters"][0]
    assert (first["filter"], first["seen"], first["dropped"]) == ("shot and motion", 1, 0)


def test_the_spread_of_concepts_is_drawn(blind, tmp_path, capsys):
    assert main(words(tmp_path, "--arms", "phrase", "--warmup", "1")) == 0
    project, figure = tmp_path / "p-arms" / "arm-1.samnb", tmp_path / "c.png"
    assert main(["stats", "--project", str(project), "--concepts", str(figure)]) == 0
    assert figure.stat().st_size > 1000 and "reviewers" in capsys.readouterr().out
