import numpy as np
import pytest
from PIL import Image

from samnb.exports import files
from samnb.types import FormatError, InputError


def test_a_file_is_written_whole(tmp_path):
    files.write_file(tmp_path / "new" / "a.json", b"one")
    assert (tmp_path / "new" / "a.json").read_bytes() == b"one"
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.json"]


def test_an_existing_file_is_kept_unless_told_otherwise(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    with pytest.raises(InputError, match=r"a\.json: exists already"):
        files.write_file(path, b"new")
    assert path.read_bytes() == b"old"
    files.write_file(path, b"new", overwrite=True)
    assert path.read_bytes() == b"new"


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(InputError, match=r"a\.json: cannot be written: No space left"):
        files.write_file(path, b"new", overwrite=True)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"]


def test_a_folder_appears_when_it_is_full(tmp_path):
    target = tmp_path / "video"
    with files.new_folder(target) as draft:
        (draft / "a").write_text("1")
        assert not target.exists()
    assert [p.name for p in target.iterdir()] == ["a"]
    assert [p.name for p in tmp_path.iterdir()] == ["video"]


def test_a_failure_inside_leaves_the_old_folder(tmp_path):
    target = tmp_path / "video"
    with files.new_folder(target) as draft:
        (draft / "a").write_text("1")
    with pytest.raises(ZeroDivisionError), files.new_folder(target, overwrite=True) as draft:
        (draft / "b").write_text(str(1 / 0))
    assert [p.name for p in target.iterdir()] == ["a"]
    assert [p.name for p in tmp_path.iterdir()] == ["video"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    target = tmp_path / "video"
    for name in ("a", "b"):
        with files.new_folder(target, overwrite=True) as draft:
            (draft / name).write_text("1")
    assert [p.name for p in target.iterdir()] == ["b"]
    with pytest.raises(InputError, match="exists already"), files.new_folder(target):
        pass


def test_a_binary_mask_is_a_small_palette_picture(tmp_path):
    mask = np.eye(9, 12, dtype=bool)
    files.save_binary(tmp_path / "m.png", mask)
    picture = Image.open(tmp_path / "m.png")
    assert picture.mode == "P"
    assert np.array_equal(np.asarray(picture), mask.astype(np.uint8))
    assert picture.convert("L").getextrema() == (0, 255)


def test_frame_files_are_sorted_by_number(tmp_path):
    for name in ("10.png", "9.png", "000.png", "notes.txt", ".hidden.png"):
        (tmp_path / name).touch()
    assert [n for n, _ in files.frame_files(tmp_path, (".png",))] == [0, 9, 10]


@pytest.mark.parametrize(
    ("names", "message"),
    [(["a.png"], "expected a frame number"), (["1.png", "001.png"], "frame 1 is there twice")],
)
def test_frame_files_need_a_number_each(tmp_path, names, message):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(FormatError, match=message):
        files.frame_files(tmp_path, (".png",))
