import json
from dataclasses import replace

import pytest

from samnb.exports.veval import (
    VevalMasklet,
    VevalPair,
    VevalPrediction,
    VevalSet,
    VevalVideo,
    read_veval,
    read_veval_predictions,
    write_veval,
    write_veval_predictions,
)
from samnb.types import FormatError, InputError
from tests.exports.concept_samples import code, masklet, track_guess, veval
from tests.metrics.concept_reference import rle_span, span


@pytest.fixture
def put(tmp_path):
    def write(data, name="in.json"):
        path = tmp_path / name
        path.write_text(json.dumps(data))
        return path

    return write


@pytest.fixture
def truth(put):
    return read_veval(put(veval(), "truth.json"))


def test_a_file_comes_back_equal_in_every_key(truth, tmp_path):
    written = write_veval(truth, tmp_path / "out.json")
    assert json.loads(written.read_text()) == veval()


def test_what_is_read_is_what_the_file_says(truth):
    assert truth.videos[1] == VevalVideo(
        4, "sav_000004", tuple(f"sav_000004/{t:05d}.jpg" for t in (0, 4, 8)), (1, 100)
    )
    dogs, ball, kite, dog = truth.pairs
    assert (dogs.key, dogs.phrase, dogs.id) == ((0, 3), "a dog", 100)
    assert dogs.masklets[0] == VevalMasklet((rle_span(0, 10), rle_span(5, 15), None), id=12)
    assert ball.is_negative and kite.is_negative and not dog.is_negative
    assert truth.categories == ((3, "a dog"), (11, "a red ball"), (40, "a kite"))


def test_records_come_back_equal_and_are_hashable(tmp_path):
    video = VevalVideo(1, "v", ("v/0.jpg", "v/1.jpg"), (1, 100))
    group = VevalMasklet((None, rle_span(0, 9)), is_group=True, id=4)
    pairs = (VevalPair(1, 2, "a fox", (group,), 5), VevalPair(1, 3, "an owl", (), 6))
    mine = VevalSet((video,), pairs, ((2, "a fox"), (3, "an owl")))
    path = write_veval(mine, tmp_path / "a.json")
    assert read_veval(path) == mine and hash(mine) == hash(read_veval(path))


def test_the_writer_numbers_what_has_no_number_and_names_what_has_no_name(tmp_path):
    video = VevalVideo(1, "v", ("v/0.jpg",), (1, 100))
    pairs = (
        VevalPair(1, 2, "a fox", (VevalMasklet((None,)), VevalMasklet((None,), id=3))),
        VevalPair(1, 5, "an owl", (), 8),
    )
    data = json.loads(write_veval(VevalSet((video,), pairs), tmp_path / "a.json").read_text())
    assert [a["id"] for a in data["annotations"]] == [4, 3]
    assert [(p["id"], p["num_masklets"]) for p in data["video_np_pairs"]] == [(9, 2), (8, 0)]
    assert data["categories"] == [{"id": 2, "name": "a fox"}, {"id": 5, "name": "an owl"}]


def test_a_masklet_of_an_unlisted_pair_makes_it_known(put):
    data = veval()
    del data["video_np_pairs"][3]
    assert read_veval(put(data)).pairs[-1].key == (4, 3)
    assert read_veval(put(data)).pairs[-1].phrase == "a dog"


def broken(change):
    data = veval()
    change(data)
    return data


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (broken(lambda d: d.pop("videos")), r"in.json: videos: expected this key"),
        (broken(lambda d: d.pop("video_np_pairs")), r"video_np_pairs: expected this key"),
        (broken(lambda d: d["videos"][0].update(file_names=[])), r"videos\[0\]: file_names"),
        (broken(lambda d: d["videos"][1].update(id=0)), r"videos\[1\]: id: .* found 0 again"),
        (broken(lambda d: d["videos"][0].pop("width")), r"videos\[0\]: width: expected this"),
        (
            broken(lambda d: d["annotations"][0].update(video_id=9)),
            r"annotations\[0\]: video_id: expected the id of an entry of videos, got 9",
        ),
        (
            broken(lambda d: d["annotations"][1]["segmentations"].pop()),
            r"annotations\[1\]: segmentations: expected 3 entries, found 2",
        ),
        (
            broken(lambda d: d["annotations"][1]["segmentations"].__setitem__(0, 5)),
            r"segmentations: expected an object with size",
        ),
        (
            broken(lambda d: d["annotations"][2]["segmentations"][1].update(counts="?")),
            r"annotations\[2\]: segmentations: counts:",
        ),
        (
            broken(
                lambda d: d["annotations"][0]["segmentations"].__setitem__(0, code(span(0, 5, 60)))
            ),
            r"expected size \(1, 100\) as its picture, found \(1, 60\)",
        ),
        (
            broken(lambda d: d["video_np_pairs"][1].update(category_id=3)),
            r"video_np_pairs\[1\]: category_id: expected a pair that is new in this list",
        ),
        (
            broken(lambda d: d["annotations"].append(masklet(12, 0, 3, [None] * 3))),
            r"annotations\[3\]: id: .* found 12 again",
        ),
    ],
)
def test_a_broken_file_is_refused_with_file_place_and_both_sides(put, data, words):
    with pytest.raises(FormatError, match=words):
        read_veval(put(data))


def test_the_writer_refuses_what_does_not_fit_its_video(truth, tmp_path):
    dogs = truth.pairs[0]
    short = replace(dogs, masklets=(VevalMasklet((None,)),))
    with pytest.raises(InputError, match=r"expected 3 masks of size \(1, 100\), got 1 masks"):
        write_veval(replace(truth, pairs=(short,)), tmp_path / "a.json")
    strange = replace(dogs, video_id=77)
    with pytest.raises(InputError, match="expected a video of the set, got 77"):
        write_veval(replace(truth, pairs=(strange,)), tmp_path / "a.json")


def test_predictions_come_back_equal(truth, tmp_path):
    rles = (rle_span(0, 4), None, rle_span(1, 2))
    mine = (
        VevalPrediction(0, 3, rles, 0.75, (True, False, True)),
        VevalPrediction(4, 40, rles, 0.25, (True, False, False)),
    )
    path = write_veval_predictions(mine, tmp_path / "p.json")
    assert read_veval_predictions(path, truth) == mine


def test_which_frames_are_detections(put, truth):
    three = [span(0, 4), span(0, 4), span(0, 4)]
    one = track_guess(0, 3, three)
    one["areas"][0] = 0
    one["bboxes"][1] = [0, 0, 0, 0]
    two = track_guess(0, 3, [None, span(0, 0), span(0, 4)])
    plain = track_guess(0, 3, [None, span(0, 0), span(0, 4)])
    del plain["areas"], plain["bboxes"]
    found = read_veval_predictions(put([one, two, plain], "p.json"), truth)
    assert [p.is_there for p in found] == [(False, False, True)] * 3
    assert found[0].rles == (rle_span(0, 4),) * 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"video_id": 3}, r"predictions\[0\]: video_id: expected the id of an entry of videos"),
        ({"score": None}, r"score: expected a number"),
        ({"segmentations": [None]}, r"segmentations: expected 3 entries, found 1"),
        ({"bboxes": [None]}, r"bboxes: expected 3 entries, found 1"),
        ({"bboxes": [5, None, None]}, r"bboxes: expected a box or null, found 5 on frame 0"),
        ({"areas": [None] * 3}, r"areas: expected a value on frame 0.* found null"),
        ({"segmentations": [None] * 3}, r"segmentations: expected a value on frame 0"),
    ],
)
def test_broken_predictions_are_refused(put, truth, changes, words):
    one = track_guess(0, 3, [span(0, 4)] * 3) | changes
    with pytest.raises(FormatError, match=words):
        read_veval_predictions(put([one], "p.json"), truth)


def test_predictions_are_a_list(put, truth):
    with pytest.raises(FormatError, match=r"p.json: expected a list of predictions, found dict"):
        read_veval_predictions(put({}, "p.json"), truth)
