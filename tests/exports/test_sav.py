import json
import os
from pathlib import Path

import pytest

from samnb.exports import sav
from samnb.types import FormatError, InputError
from tests.exports import samples
from tests.exports.samples import annotation, auto_json, codes, manual_json, masklet

FILES = {"manual": manual_json, "auto": auto_json}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_comes_back_equal_in_every_byte(kind, tmp_path):
    text = json.dumps(FILES[kind]())
    source = tmp_path / "in.json"
    source.write_text(text)
    written = sav.write_train(sav.read_train(source), tmp_path / "out")
    assert written.files == (str(tmp_path / "out" / f"sav_7_{kind}.json"),)
    assert Path(written.files[0]).read_text() == text
    assert written.notes == ()


@pytest.mark.parametrize("kind", FILES)
def test_the_published_sample_comes_back_equal_in_every_byte(kind, tmp_path):
    folder = os.environ.get("SAMNB_SAV_SAMPLE")
    if not folder:
        pytest.skip("SAMNB_SAV_SAMPLE does not name a folder")
    source = Path(folder) / f"sav_000001_{kind}.json"
    written = sav.write_train(sav.read_train(source), tmp_path)
    assert Path(written.files[0]).read_bytes() == source.read_bytes()


def test_sizes_and_changes_are_computed_and_not_carried():
    wrong = manual_json() | {
        "masklet_size_abs": [1, 2],
        "masklet_size_rel": [0, 0],
        "masklet_size_bucket": ["large", "large"],
        "masklet_visibility_changes": [9, 9],
        "masklet_first_appeared_frame": [5.0, 5.0],
        "masklet_frame_count": [1, 1],
    }
    data, _ = sav.build_train(sav.parse_train(wrong), "manual")
    assert data == manual_json()


def test_what_is_read_is_what_the_file_says():
    video = sav.parse_train(auto_json())
    assert video.frame_idxs == samples.GRID
    assert (video.media.size_hw, video.media.n_frames, video.media.fps) == ((60, 80), 22, 24.0)
    assert video.media.path == ""
    assert video.tags == (("environment", "Indoor"), ("split", "train"))
    (only,) = video.masklets
    assert only.is_auto and only.item.obj_id == 1
    assert [f.stability for f in only.frames] == samples.SCORES
    assert [f.rle for f in only.frames] == samples.AUTO[0]


def test_the_same_video_has_the_same_id_in_both_files():
    assert sav.parse_train(auto_json()).media == sav.parse_train(manual_json()).media


@pytest.mark.parametrize(
    ("side", "bucket"), [(31, "small"), (32, "medium"), (95, "medium"), (96, "large")]
)
def test_buckets_change_at_32_and_96_squared(side, bucket, monkeypatch):
    monkeypatch.setattr(samples, "SIZE", (100, 110))
    video = annotation(masklet(0, codes(side, side, side, 0, 0, 0)))
    assert sav.build_train(video, "manual")[0]["masklet_size_bucket"] == [bucket]


def test_manual_and_auto_masklets_go_to_two_files(tmp_path):
    video = annotation(
        masklet(0, samples.MANUAL[0], edited=(0, 4)),
        masklet(0, samples.AUTO[0], source="auto", scores=samples.SCORES),
        masklet(1, samples.AUTO[0], source="auto", edited=(8,)),
    )
    manual, auto = (json.loads(Path(p).read_text()) for p in sav.write_train(video, tmp_path).files)
    assert manual["masklet_edited_frame_count"] == [2, 1]
    assert manual["masklet_type"] == ["manual", "manual"]
    assert auto["masklet_num"] == 1 and auto["masklet_edited_frame_count"] == [0]


def test_unknown_stability_is_null_and_absence_is_stable():
    video = annotation(
        masklet(0, codes(5, 0, 6, 0, 7, 7), source="auto", scores=[0.9, None, None, 1.0, 0.8, 0.7])
    )
    data, notes = sav.build_train(video, "auto")
    assert data["masklet_stability_score"] == [[0.9], [1.0], [None], [1.0], [0.8], [0.7]]
    assert notes == ["sav_7: stability is not known for every mask, written as null there"]


def test_frames_off_the_grid_are_listed_and_read_back():
    video = annotation(masklet(0, codes(5, 6, 7), frames=(0, 7, 21)), frames=(0, 7, 21))
    data, _ = sav.build_train(video, "manual")
    assert data["annotated_frame_idx"] == [0, 7, 21]
    assert sav.parse_train(data).frame_idxs == (0, 7, 21)


def test_fewer_frames_than_the_grid_has_begin_at_its_start():
    short = manual_json()
    short["masklet"] = short["masklet"][:4]
    assert sav.parse_train(short).frame_idxs == (0, 4, 8, 12)


def test_gaps_and_unknown_facts_are_noted():
    video = annotation(
        masklet(0, codes(5), frames=(4,)), masklet(1, codes(0, 0, 0, 0, 0, 0)), tags=()
    )
    data, notes = sav.build_train(video, "manual")
    assert data["video_environment"] is None
    assert data["masklet_first_appeared_frame"] == [1.0, 0.0]
    assert notes == [
        "sav_7, masklet 0: no answer on 5 frames (first 0), written as absent",
        "sav_7, masklet 1: never visible, sizes are written as 0",
        "sav_7: video_environment is not known, written as null",
        "sav_7: video_split is not known, written as null",
    ]


def test_an_existing_file_stops_the_export_before_anything_is_written(tmp_path):
    video = annotation(masklet(0, samples.MANUAL[0]), masklet(0, samples.AUTO[0], source="auto"))
    (tmp_path / "sav_7_auto.json").write_text("mine")
    with pytest.raises(InputError, match=r"sav_7_auto\.json: exists already"):
        sav.write_train(video, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["sav_7_auto.json"]
    sav.write_train(video, tmp_path, overwrite=True)
    assert json.loads((tmp_path / "sav_7_auto.json").read_text())["masklet_num"] == 1


def test_kinds_without_a_masklet_are_refused():
    with pytest.raises(InputError, match="type auto"):
        sav.build_train(annotation(masklet(0, samples.MANUAL[0])), "auto")
    with pytest.raises(InputError, match="'manual' or 'auto'"):
        sav.build_train(annotation(), "both")
    twins = annotation(masklet(2, samples.MANUAL[0]), masklet(2, samples.MANUAL[1]))
    with pytest.raises(InputError, match=r"different numbers, got \[2, 2\]"):
        sav.build_train(twins, "manual")


def without(key):
    return lambda d: d.pop(key)


def with_value(key, value):
    return lambda d: d.update({key: value})


def with_mask(value):
    return lambda d: d["masklet"][1].__setitem__(0, value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without("video_id"), "video_id: expected this key, found none"),
        (with_value("video_id", 7), "video_id: expected text, got 7"),
        (with_value("video_id", ""), "video_id: expected a name"),
        (without("masklet"), "masklet: expected this key"),
        (with_value("masklet", {}), "masklet: expected a list"),
        (with_value("masklet", []), "masklet: expected at least one annotated frame"),
        (with_value("video_height", 0), "video_height: expected a whole number of at least 1"),
        (with_value("video_height", 60.5), r"video_height: expected a whole number, found 60\.5"),
        (with_value("video_height", 64), r"masklet\[0\]\[0\]\.size: expected \[64, 80\]"),
        (with_value("video_frame_count", True), "video_frame_count: expected a number"),
        (with_value("video_frame_count", 10**400), "video_frame_count: expected a number from"),
        (with_value("video_frame_count", float("nan")), "video_frame_count: expected a number"),
        (with_value("video_frame_count", 8.0), "masklet: expected at most"),
        (with_value("video_duration", -1), "video_duration: expected a number from 0"),
        (with_value("masklet_num", 3), "masklet_num: expected 2 as masklet_id has entries, got 3"),
        (with_value("masklet_id", [0, 0]), "masklet_id: expected different numbers"),
        (with_value("masklet_id", [0, -1]), "masklet_id: expected different numbers"),
        (with_value("masklet_id", ["a", 1]), "masklet_id: expected a number, found 'a'"),
        (with_value("masklet_type", ["manual"]), "masklet_type: expected 2 entries, found 1"),
        (with_value("masklet_type", ["manual", "best"]), "masklet_type: expected 'manual' or"),
        (with_value("masklet_edited_frame_count", None), "masklet_edited_frame_count: expected a"),
        (
            with_value("masklet_stability_score", [None]),
            "masklet_stability_score: expected 2 nulls",
        ),
        (with_value("annotated_frame_idx", [0, 4]), "annotated_frame_idx: expected 6 entries"),
        (
            with_value("annotated_frame_idx", [0, 4, 8, 12, 16, 22]),
            "annotated_frame_idx: expected rising numbers from 0 to 21",
        ),
        (with_mask("`0"), r"masklet\[1\]\[0\]: expected a mask as"),
        (with_mask({"size": [60, 80]}), r"masklet\[1\]\[0\]\.counts: expected a string"),
        (with_mask({"size": [60, 80], "counts": "a"}), r"masklet\[1\]\[0\]\.counts: .*cut off"),
        (lambda d: d["masklet"][2].pop(), r"masklet\[2\]: expected a list of 2 masks"),
    ],
)
def test_a_broken_file_is_named_with_key_and_both_sides(spoil, message, tmp_path):
    data = manual_json()
    spoil(data)
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(data))
    with pytest.raises(FormatError, match=rf"broken\.json: {message}"):
        sav.read_train(path)


def test_a_score_outside_its_range_is_named():
    data = auto_json()
    data["masklet_stability_score"][3][0] = 1.5
    with pytest.raises(FormatError, match="masklet_stability_score: expected a number from 0 to 1"):
        sav.parse_train(data)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1]", b'"x"', b"[" * 100_000])
def test_what_is_not_a_json_object_is_named(content, tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"x\.json: expected (a )?JSON"):
        sav.read_train(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FormatError, match=r"none\.json: cannot be read"):
        sav.read_train(tmp_path / "none.json")
