import json

import numpy as np
import pytest
from PIL import Image

from samnb import cli
from samnb.engine.session import Session
from samnb.exports import commands
from samnb.store.db import Log
from samnb.types import FormatError, InputError, LogError
from tests.exports import samples
from tests.exports.samples import auto_json, manual_json


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for kind, make in (("manual", manual_json), ("auto", auto_json)):
        (folder / f"sav_7_{kind}.json").write_text(json.dumps(make()))
    return [folder / "sav_7_manual.json", folder / "sav_7_auto.json"]


@pytest.fixture
def project(tmp_path, files):
    commands.import_files("sav", files, tmp_path / "p.samnb")
    return tmp_path / "p.samnb"


def test_sav_files_come_back_from_a_project_equal_in_every_byte(files, project, tmp_path):
    written = commands.export_project("sav", project, tmp_path / "out")
    assert written.n_masklets == 3 and written.notes == ()
    for file in files:
        assert (tmp_path / "out" / file.name).read_bytes() == file.read_bytes()


def test_a_folder_of_sav_files_is_taken_manual_first(files, tmp_path):
    taken = commands.import_files("sav", [files[0].parent], tmp_path / "p.samnb")
    assert (taken.videos, taken.n_masklets) == (("sav_7",), 3)
    session = Session.open(tmp_path / "p.samnb")
    assert [s.item.source for s in session.state.items.values()] == ["manual", "manual", "auto"]
    session.close()


@pytest.mark.parametrize(("write", "read"), [("sav-val", "sav"), ("davis", "davis")])
def test_folders_go_out_and_come_in(project, tmp_path, write, read):
    written = commands.export_project(write, project, tmp_path / "out")
    assert written.n_masklets == 3
    taken = commands.import_files(read, [tmp_path / "out"], tmp_path / "q.samnb")
    assert taken.n_masklets == 3
    again = commands.export_project(write, tmp_path / "q.samnb", tmp_path / "back")
    assert again.n_masklets == 3
    pictures = sorted(p.relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*.png"))
    assert pictures
    for name in pictures:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "back" / name).read_bytes()


def test_exporting_writes_nothing_to_the_log(project, tmp_path):
    before = [event.seq for event in read_log(project)]
    commands.export_project("sav", project, tmp_path / "out")
    assert [event.seq for event in read_log(project)] == before


def read_log(project):
    log = Log(project)
    events = log.read()
    log.close()
    return events


def test_an_open_session_is_used_and_left_open(files, tmp_path):
    session = Session.open(tmp_path / "p.samnb", worker="ana")
    commands.import_files("sav", files, session)
    assert commands.export_project("sav", session, tmp_path / "out").n_masklets == 3
    assert session.refresh().items
    session.close()


def test_a_video_beside_the_file_is_taken_along(files, tmp_path):
    av = pytest.importorskip("av")
    video = files[0].with_name("sav_7.mp4")
    with av.open(str(video), "w") as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.height, stream.width, stream.pix_fmt = *samples.SIZE, "yuv420p"
        for idx in range(samples.N_FRAMES):
            picture = np.full((*samples.SIZE, 3), 9 * idx, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    taken = commands.import_files("sav", files, tmp_path / "p.samnb")
    assert all("not found" not in note for note in taken.notes)
    written = commands.export_project(
        "davis", tmp_path / "p.samnb", tmp_path / "out", with_pictures=True
    )
    assert len(written.files) == 2
    pictures = sorted((tmp_path / "out").rglob("*.jpg"))
    assert len(pictures) == samples.N_FRAMES
    with Image.open(pictures[0]) as picture:
        assert picture.size == samples.SIZE[::-1]


def test_pictures_that_cannot_be_written_are_noted(project, tmp_path):
    written = commands.export_project("sav-val", project, tmp_path / "out", with_pictures=True)
    assert any(note.startswith("sav_7: no pictures written") for note in written.notes)


def test_one_bad_file_keeps_all_out(files, tmp_path):
    files[1].write_text("{}")
    with pytest.raises(FormatError, match=r"sav_7_auto\.json"):
        commands.import_files("sav", files, tmp_path / "p.samnb")
    assert not (tmp_path / "p.samnb").exists()


def test_an_existing_file_stops_the_export_unless_told_otherwise(project, tmp_path):
    commands.export_project("sav", project, tmp_path / "out")
    with pytest.raises(InputError, match="exists already"):
        commands.export_project("sav", project, tmp_path / "out")
    assert commands.export_project("sav", project, tmp_path / "out", overwrite=True).n_masklets == 3


def test_a_project_without_accepted_masklets_has_nothing_to_export(files, tmp_path):
    commands.import_files("sav", files, tmp_path / "p.samnb", is_accepted=False)
    with pytest.raises(InputError, match="expected an accepted masklet"):
        commands.export_project("sav", tmp_path / "p.samnb", tmp_path / "out")
    assert commands.export_project(
        "sav", tmp_path / "p.samnb", tmp_path / "out", accepted_only=False
    ).n_masklets == 3  # fmt: skip


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda d: commands.import_files("yolo", [d], d / "p"), InputError, "sav, davis"),
        (lambda d: commands.import_files("sav", [], d / "p"), InputError, "at least one"),
        (lambda d: commands.import_files("sav", [d], d / "p"), FormatError, "found none"),
        (lambda d: commands.import_files("davis", [d / "x"], d / "p"), FormatError, "found none"),
        (lambda d: commands.export_project("yolo", d / "p", d), InputError, "sav-val"),
        (lambda d: commands.export_project("sav", d / "p", d), LogError, "no such project file"),
    ],
)
def test_wrong_arguments_say_both_sides(tmp_path, call, error, message):
    with pytest.raises(error, match=message):
        call(tmp_path)


def test_the_command_line_imports_exports_and_scores(files, tmp_path, capsys):
    project, out = str(tmp_path / "p.samnb"), str(tmp_path / "out")
    assert cli.main(["import", "sav", *map(str, files), "--project", project, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_masklets"] == 3
    assert cli.main(["export", "sav-val", "--project", project, "--out", out]) == 0
    assert "3 masklets" in capsys.readouterr().out
    assert cli.main(["eval", "vos", out, out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["jf"] == 1.0
    assert cli.main(["export", "sav-val", "--project", project, "--out", out]) == 1
    assert "exists already" in capsys.readouterr().err
