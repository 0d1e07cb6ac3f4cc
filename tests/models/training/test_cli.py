"""The command line of training, where nothing has to be trained for it."""

import json

import pytest
import torch

from samnb.models.candidates import FEATURES
from samnb.models.training import cli
from samnb.models.training.lessons import Lessons


def keep_lessons(folder, seed, count=8):
    """Write what was seen on one clip, so that the stage has nothing left to see."""
    folder.mkdir()
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.rand(count, len(FEATURES), generator=generator)
    ious = torch.rand(count, generator=generator)
    Lessons(numbers, ious, torch.tensor([count]), torch.tensor([False])).save(
        folder / "round0-clip0000.safetensors"
    )


def chooser_words(folder, *more):
    words = ["--threads", "1", "chooser", "--lessons", str(folder / "own")]
    return [*words, "--out", str(folder / "a.safetensors"), "--clips", "1", "--rounds", "1", *more]


@pytest.fixture
def untrained(monkeypatch):
    """No model is built: all clips were seen."""
    monkeypatch.setattr(cli, "build_mobile", lambda *args, **options: None)


def test_the_chooser_learns_from_earlier_lessons_too(untrained, tmp_path, capsys):
    keep_lessons(tmp_path / "own", 1)
    keep_lessons(tmp_path / "earlier", 2, count=5)
    assert cli.main(chooser_words(tmp_path, "--also", str(tmp_path / "earlier"))) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["candidates"], told["earlier_clips"]) == (13, 1)


def test_a_folder_without_earlier_lessons_is_refused(untrained, tmp_path):
    keep_lessons(tmp_path / "own", 1)
    with pytest.raises(ValueError, match="--also: expected a folder of lessons"):
        cli.main(chooser_words(tmp_path, "--also", str(tmp_path)))
