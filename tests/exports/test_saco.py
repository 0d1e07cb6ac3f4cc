import json

import pytest

from samnb.exports.saco import (
    SacoMask,
    SacoPair,
    SacoPrediction,
    SacoSet,
    read_raters,
    read_saco,
    read_saco_predictions,
    write_raters,
    write_saco,
    write_saco_predictions,
)
from samnb.types import FormatError, InputError
from tests.exports.concept_samples import annotation, code, gold, guess, image, saco
from tests.metrics.concept_reference import rle_span, span


@pytest.fixture
def put(tmp_path):
    def write(data, name="in.json"):
        path = tmp_path / name
        path.write_text(data if isinstance(data, str) else json.dumps(data))
        return path

    return write


def test_a_file_comes_back_equal_in_every_key(put, tmp_path):
    written = write_saco(read_saco(put(gold())), tmp_path / "out.json")
    assert json.loads(written.read_text()) == gold()


def test_what_is_read_is_what_the_file_says(put):
    found = read_saco(put(gold()))
    cars, grapes, zebra = found.pairs
    assert (cars.id, cars.phrase, cars.size_hw) == (7, "a red car", (1, 100))
    assert cars.masks == (
        SacoMask(rle_span(0, 10), source="manual", id=1),
        SacoMask(rle_span(30, 43), source="created by SAM3", id=2),
    )
    assert grapes.masks[0].is_group and not grapes.is_instance_exhaustive
    assert grapes.is_pixel_exhaustive
    assert zebra.is_negative and not cars.is_negative
    assert dict(found.info) == {"version": "v1", "description": "a test"}


def test_records_come_back_equal_and_are_hashable(tmp_path):
    mine = SacoSet(
        (
            SacoPair(1, "a.jpg", "a cat", (1, 100), (SacoMask(rle_span(3, 4), True, "me", 9),)),
            SacoPair(2, "a.jpg", "a dog", (1, 100), (), "77", False, False),
        )
    )
    path = write_saco(mine, tmp_path / "a.json")
    assert read_saco(path) == mine and hash(mine) == hash(read_saco(path))


def test_the_writer_numbers_masks_that_have_no_number(tmp_path):
    masks = (SacoMask(rle_span(0, 1)), SacoMask(rle_span(1, 2), id=6), SacoMask(rle_span(2, 3)))
    path = write_saco(SacoSet((SacoPair(1, "", "x", (1, 100), masks),)), tmp_path / "a.json")
    assert [a["id"] for a in json.loads(path.read_text())["annotations"]] == [7, 6, 8]


def test_boxes_and_areas_are_shares_of_the_picture(tmp_path):
    masks = (SacoMask(rle_span(30, 43)), SacoMask(rle_span(0, 0)))
    path = write_saco(SacoSet((SacoPair(1, "", "x", (1, 100), masks),)), tmp_path / "a.json")
    full, empty = json.loads(path.read_text())["annotations"]
    assert full["bbox"] == pytest.approx([0.3, 0, 0.13, 1]) and full["area"] == 0.13
    assert empty["bbox"] == [0, 0, 0, 0] and empty["area"] == 0


def test_counts_may_be_a_list_of_runs(put):
    entry = annotation(1, 7, span(0, 10), segmentation={"size": [1, 100], "counts": [5, 5, 90]})
    found = read_saco(put(saco([image(7, "x")], [entry])))
    assert found.pairs[0].masks[0].rle == rle_span(5, 10)


def broken(change):
    data = gold()
    change(data)
    return data


def without(where, key):
    return broken(lambda data: data[where][0].pop(key))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("{", r"in.json: expected JSON"),
        ([], r"in.json: expected a JSON object, got a list"),
        (broken(lambda d: d.pop("images")), r"in.json: images: expected this key"),
        (broken(lambda d: d.pop("categories")), r"categories: expected this key"),
        (broken(lambda d: d.update(images={})), r"images: expected a list"),
        (broken(lambda d: d["images"].append(3)), r"images\[3\]: expected a JSON object"),
        (without("images", "id"), r"images\[0\]: id: expected this key"),
        (without("images", "height"), r"images\[0\]: height: expected this key"),
        (without("images", "is_instance_exhaustive"), r"is_instance_exhaustive: expected this"),
        (broken(lambda d: d["images"][0].update(width=0)), r"width: expected .* at least 1"),
        (broken(lambda d: d["images"][1].update(id=7)), r"images\[1\]: id: .* found 7 again"),
        (
            broken(lambda d: d["images"][0].update(is_instance_exhaustive=2)),
            r"expected 0 or 1, got 2",
        ),
        (broken(lambda d: d["images"][0].update(text_input=4)), r"text_input: expected text"),
        (without("annotations", "image_id"), r"annotations\[0\]: image_id: expected this key"),
        (
            broken(lambda d: d["annotations"][1].update(image_id=70)),
            r"annotations\[1\]: image_id: expected the id of an entry of images, got 70",
        ),
        (
            broken(lambda d: d["annotations"][0].update(category_id=5)),
            r"category_id: expected the id of an entry of categories, got 5",
        ),
        (broken(lambda d: d["annotations"][2].update(id=1)), r"annotations\[2\]: id: .*again"),
        (broken(lambda d: d["annotations"][0].update(iscrowd="no")), r"iscrowd: expected 0 or 1"),
        (without("annotations", "segmentation"), r"segmentation: expected this key"),
        (
            broken(lambda d: d["annotations"][0].update(segmentation=[[1, 2, 3, 4, 5, 6]])),
            r"annotations\[0\]: segmentation: expected an object with size .* and counts",
        ),
        (
            broken(lambda d: d["annotations"][0]["segmentation"].update(counts=None)),
            r"segmentation: expected counts as a string or a list of integers, found None",
        ),
        (
            broken(lambda d: d["annotations"][0]["segmentation"].update(counts=[3, 4])),
            r"annotations\[0\]: segmentation: runs: expected a total of 100, got 7",
        ),
        (
            broken(lambda d: d["annotations"][1]["segmentation"].update(counts="5")),
            r"annotations\[1\]: segmentation: counts: expected runs over 1 x 100",
        ),
        (
            broken(lambda d: d["annotations"][0].update(segmentation=code(span(0, 9, 50)))),
            r"segmentation: expected size \(1, 100\) as its picture, found \(1, 50\)",
        ),
    ],
)
def test_a_broken_file_is_refused_with_file_place_and_both_sides(put, data, words):
    with pytest.raises(FormatError, match=words):
        read_saco(put(data))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"no.json: expected a JSON file, found no such file"):
        read_saco(tmp_path / "no.json")
    with pytest.raises(FormatError, match="cannot be read"):
        read_saco(tmp_path)


def test_the_writer_refuses_what_no_reader_would_take(tmp_path):
    pair = SacoPair(1, "", "x", (1, 100), (SacoMask(rle_span(0, 5, 50)),))
    with pytest.raises(InputError, match=r"pair 1: expected masks of size \(1, 100\)"):
        write_saco(SacoSet((pair,)), tmp_path / "a.json")
    twice = SacoPair(1, "", "x", (1, 100))
    with pytest.raises(InputError, match="pair ids: expected each number once, got 1 again"):
        write_saco(SacoSet((twice, twice)), tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_not_replaced_unasked(put):
    path = put(gold())
    found = read_saco(path)
    with pytest.raises(InputError, match="exists already"):
        write_saco(found, path)
    write_saco(found, path, overwrite=True)
    assert read_saco(path) == found


def test_three_raters_out_and_in(put, tmp_path):
    a = read_saco(put(gold()))
    b = SacoSet(tuple(SacoPair(p.id, p.file_name, p.phrase, p.size_hw) for p in a.pairs))
    paths = write_raters([a, b, a], tmp_path / "gold", "food")
    assert [p.name for p in paths] == [
        f"gold_food_merged_{rater}_release_test.json" for rater in "abc"
    ]
    assert read_raters(paths) == (a, b, a)
    with pytest.raises(InputError, match="one to 3 raters, got 4"):
        write_raters([a] * 4, tmp_path, "x")


def test_raters_must_judge_the_same_pairs(put):
    first = put(gold())
    with pytest.raises(InputError, match="at least one"):
        read_raters([])
    fewer = put(broken(lambda d: d["images"].pop()), "b.json")
    with pytest.raises(FormatError, match=r"b.json: images: expected the pairs of .*in.json.* 9"):
        read_raters([first, fewer])
    other = put(broken(lambda d: d["images"][0].update(text_input="a van")), "b.json")
    with pytest.raises(FormatError, match=r"pair 7: expected 'a red car'.*found 'a van'"):
        read_raters([first, other])
    numbered = put(broken(lambda d: d["categories"].append({"id": 2, "name": "y"})), "b.json")
    with pytest.raises(FormatError, match=r"b.json: categories"):
        read_raters([first, numbered])


def test_predictions_come_back_equal(put, tmp_path):
    truth = read_saco(put(gold()))
    mine = (SacoPrediction(7, rle_span(2, 9), 0.75), SacoPrediction(9, rle_span(0, 1), 0.5, 3))
    path = write_saco_predictions(mine, tmp_path / "p.json")
    assert read_saco_predictions(path, truth) == mine


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, r"expected a list of predictions, found dict"),
        ([guess(7, span(0, 1)), 5], r"predictions\[1\]: expected a JSON object"),
        ([guess(7, span(0, 1), float("nan"))], r"predictions\[0\]: score: expected a number"),
        ([guess(7, span(0, 1), "high")], r"score: expected a number, found 'high'"),
        ([{"image_id": 7, "category_id": 1, "score": 1}], r"segmentation: expected this key"),
        ([guess(7, span(0, 1, 20))], r"expected size \(1, 100\) as its picture"),
        ([guess("7", span(0, 1))], r"image_id: expected a number, found '7'"),
        (
            [
                guess(9, span(0, 1)),
                guess(9, span(0, 1), segmentation=code(span(0, 1)) | {"counts": "0"}),
            ],
            r"predictions\[1\]: segmentation: counts: expected runs over",
        ),
    ],
)
def test_broken_predictions_are_refused(put, data, words):
    truth = read_saco(put(gold()))
    with pytest.raises(FormatError, match=words):
        read_saco_predictions(put(data, "p.json"), truth)
