"""The container's index is used where it can be believed, and only there."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from samnb.store import frameindex
from samnb.store.frameindex import FrameIndex, build_index
from samnb.store.mp4 import read_sample_table, top_boxes
from tests.store.clips import write_clip

UNEVEN = np.cumsum(np.random.default_rng(0).integers(10, 90, 60)).tolist()


def _index(path: Path) -> FrameIndex:
    with av.open(str(path)) as container:
        return build_index(path, container, container.streams.video[0])


def _packets(path: Path) -> tuple[list[int], list[int]]:
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    shown = sorted(p.pts for p in packets if not p.is_discard and p.pts is not None)
    keys = sorted(p.pts for p in packets if p.is_keyframe and p.pts is not None)
    return shown, keys


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {}),
        ("a.mp4", {"pts": UNEVEN, "tick": Fraction(1, 1000)}),
        ("a.mov", {"pts": UNEVEN, "tick": Fraction(1, 1000)}),
        ("a.mp4", {"pts": range(-10, 50)}),
        ("a.mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none"}}),
        ("a.avi", {"codec": "mpeg4", "b_frames": 0}),
    ],
)
def test_index_of_the_container_equals_that_of_its_packets(
    tmp_path: Path, name: str, options: dict[str, object]
) -> None:
    path = write_clip(tmp_path / name, **options)  # type: ignore[arg-type]
    index = _index(path)
    shown, keys = _packets(path)
    assert index.is_from_container
    assert (index.pts.tolist(), index.key_pts.tolist()) == (shown, keys)


def test_mkv_is_read_through(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv")
    index = _index(path)
    assert not index.is_from_container
    assert (index.pts.tolist(), index.key_pts.tolist()) == _packets(path)


def test_table_that_contradicts_the_packets_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_clip(tmp_path / "a.mp4")
    table = read_sample_table(path, 1)
    assert table is not None
    offset = table.offset.copy()
    offset[5] += 512
    wrong = replace(table, offset=offset)
    monkeypatch.setattr(frameindex, "read_sample_table", lambda *_: wrong)
    index = _index(path)
    assert not index.is_from_container
    assert (index.pts.tolist(), index.key_pts.tolist()) == _packets(path)


def test_last_frame_has_a_duration(tmp_path: Path) -> None:
    index = _index(write_clip(tmp_path / "a.mp4", 24))
    assert index.duration_s == pytest.approx(1.0)
    assert index.times_s[-1] == pytest.approx(23 / 24)


def test_key_before_is_the_nearest_not_after(tmp_path: Path) -> None:
    index = FrameIndex(
        pts=np.arange(0, 100, 10),
        key_pts=np.array([-20, 0, 50]),
        key_ticks=np.array([-20, 0, 50]),
        time_base=Fraction(1, 100),
        last_ticks=10,
        is_from_container=True,
    )
    assert [index.key_before(i) for i in (0, 4, 5, 9)] == [1, 1, 2, 2]
    assert (index.find(30), index.find(31), index.find(1000)) == (3, None, None)


def test_sample_table_finds_every_packet(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", pts=UNEVEN, tick=Fraction(1, 1000))
    table = read_sample_table(path, 1)
    assert table is not None
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    assert table.pos.tolist() == [p.pos for p in packets]
    assert table.size.tolist() == [p.size for p in packets]
    late = np.array([(p.pts or 0) - (p.dts or 0) for p in packets])
    assert np.ptp(late - table.offset) == 0


def test_other_files_have_no_sample_table(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello, world, this is no film\n" * 20)
    assert read_sample_table(path, 1) is None
    assert read_sample_table(write_clip(tmp_path / "a.mp4", 3), track_id=7) is None


def test_boxes_of_a_cut_file_reach_beyond_its_end(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 12)
    whole = top_boxes(path)
    assert [kind for kind, _, _ in whole] == ["ftyp", "free", "mdat", "moov"]
    path.write_bytes(path.read_bytes()[:-10])
    assert top_boxes(path) == whole
    assert whole[-1][2] == path.stat().st_size + 10
