import json

import numpy as np
import pytest
from PIL import Image

from samnb import cli
from samnb.models import registry
from tests.engine.scene import N_FRAMES, ColourTracker, true_masks, write_clip


@pytest.fixture
def davis(tmp_path, monkeypatch):
    """The clip of flat colours in DAVIS's layout, and a model that sees colours."""
    masks = true_masks()
    write_clip(tmp_path / "set/JPEGImages/flat", masks)
    labels = tmp_path / "set/Annotations/flat"
    labels.mkdir(parents=True)
    for t in range(N_FRAMES):
        index = masks["ball"][t] * np.uint8(1) + masks["box"][t] * np.uint8(2)
        Image.fromarray(index).save(labels / f"{t:05d}.png")
    monkeypatch.setattr(registry, "load_model", lambda name: ColourTracker(drift=1.0))
    return tmp_path / "set"


def test_a_simulated_run_prints_the_paper_s_table_and_can_be_read_again(davis, tmp_path, capsys):
    project, figure = tmp_path / "p.samnb", tmp_path / "table.png"
    words = ["run", "masklet", "--truth", str(davis), "--project", str(project), "--fps", "24",
             "--phases", "1,3", "--figure", str(figure), "--verify"]  # fmt: skip
    assert cli.main(words) == 0
    printed = capsys.readouterr()
    assert "19.04" in printed.out and "4 of 4 masklets, done" in printed.out
    assert printed.err.splitlines()[0].startswith("0/4 flat/1")
    assert figure.stat().st_size > 1000
    assert cli.main([*words, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [r["phase"] for r in data["rows"]] == [1, 3] and data["status"] == "done"
    assert cli.main(["stats", "--project", str(project), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["phases"]["rows"] == data["rows"]
    assert cli.main(["stats", "--project", str(project)]) == 0
    assert "19.04" in capsys.readouterr().out


def test_curves_from_the_shell(davis, tmp_path, capsys):
    words = ["run", "curves", "--truth", str(davis), "--project", str(tmp_path / "c.samnb"),
             "--fps", "24", "--modes", "online", "--arms", "refine,redraw", "--prompted", "2",
             "--figure", str(tmp_path / "c.png")]  # fmt: skip
    assert cli.main([*words, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert len(data["curves"]) == 4 and len(data["equal_jf_redraw"]) == 2
    assert cli.main(words) == 0
    assert "ratio above 3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--phases", "one"], "phases: expected a list"),
        (["--size", "big"], "size: expected HEIGHTxWIDTH"),
        (["--truth", "/nowhere"], "expected JPEGImages"),
    ],
)
def test_bad_arguments_are_one_line(words, complaint, tmp_path, capsys):
    assert cli.main(["run", "masklet", "--project", str(tmp_path / "p.samnb"), *words]) == 1
    err = capsys.readouterr().err
    assert complaint in err and err.count("\n") == 1
