import json

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
        raise NotImplementedError


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
