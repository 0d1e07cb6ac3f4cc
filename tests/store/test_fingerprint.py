from __future__ import annotations

from pathlib import Path

import pytest

from samnb.store import fingerprint
from samnb.store.fingerprint import fingerprint_file, fingerprint_files
from samnb.types import MediaMissingError


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_name_does_not_matter_but_every_byte_of_a_small_file_does(tmp_path: Path) -> None:
    one = _write(tmp_path / "a", b"x" * 1000)
    two = _write(tmp_path / "b", b"x" * 1000)
    other = _write(tmp_path / "c", b"x" * 500 + b"y" + b"x" * 499)
    assert fingerprint_file(one) == fingerprint_file(two) != fingerprint_file(other)


@pytest.mark.parametrize("block", [0, 31, fingerprint.N_BLOCKS - 1])
def test_head_middle_and_tail_of_a_large_file_matter(tmp_path: Path, block: int) -> None:
    data = bytearray(10 * 2**20)
    before = fingerprint_file(_write(tmp_path / "a", data))
    start = (len(data) - fingerprint.BLOCK_BYTES) * block // (fingerprint.N_BLOCKS - 1)
    data[start + fingerprint.BLOCK_BYTES - 1] = 1
    assert fingerprint_file(_write(tmp_path / "b", data)) != before


def test_size_of_a_large_file_matters(tmp_path: Path) -> None:
    one = fingerprint_file(_write(tmp_path / "a", bytes(10 * 2**20)))
    assert fingerprint_file(_write(tmp_path / "b", bytes(10 * 2**20 + 1))) != one


def test_large_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(200 * 2**30)  # 200 GiB of hole: reading it would take minutes
    assert len(fingerprint_file(path)) == 32


def test_folder_depends_on_order_and_content(tmp_path: Path) -> None:
    a, b = _write(tmp_path / "a", b"1"), _write(tmp_path / "b", b"2")
    c = _write(tmp_path / "c", b"1")
    assert fingerprint_files([a, b]) == fingerprint_files([c, b])
    assert fingerprint_files([a, b]) != fingerprint_files([b, a])
    assert fingerprint_files([a]) != fingerprint_file(a)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaMissingError, match=r"gone\.mp4"):
        fingerprint_file(tmp_path / "gone.mp4")
