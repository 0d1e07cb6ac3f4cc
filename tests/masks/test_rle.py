import numpy as np
import pycocotools.mask as coco
import pytest

from samnb.masks import rle
from samnb.types import FormatError, InputError, Rle
from tests.masks import samples

MASKS = samples.masks(300)
PAIRS = samples.pairs(200)


def coco_counts(mask):
    return coco.encode(np.asfortranarray(mask.view(np.uint8)))["counts"].decode()


def test_the_string_equals_pycocotools():
    for mask in MASKS:
        assert rle.encode(mask) == Rle(mask.shape, coco_counts(mask))


def test_decode_gives_the_mask_back_in_rows():
    for mask in MASKS:
        decoded = rle.decode(rle.encode(mask))
        assert np.array_equal(decoded, mask)
        assert decoded.dtype == np.bool_ and decoded.flags.c_contiguous


@pytest.mark.parametrize("shape", [(1, 1), (70, 50), (301, 7), (3, 4000)])
@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 1.0])
def test_larger_masks_equal_pycocotools_both_ways(shape, density):
    mask = np.random.default_rng(1).random(shape) < density
    assert rle.encode(mask).counts == coco_counts(mask)
    assert np.array_equal(rle.decode(rle.encode(mask)), mask)


def test_area_and_box_are_those_of_the_pixels():
    for mask in MASKS:
        y, x = np.nonzero(mask)
        box = (x.min(), y.min(), x.max() + 1, y.max() + 1) if len(x) else None
        assert rle.area(rle.encode(mask)) == len(x)
        assert rle.bbox(rle.encode(mask)) == box


def test_set_operations_are_those_of_the_pixels():
    for a, b in PAIRS:
        assert rle.union(rle.encode(a), rle.encode(b)) == rle.encode(a | b)
        assert rle.intersection(rle.encode(a), rle.encode(b)) == rle.encode(a & b)


def test_iou_is_that_of_the_pixels():
    for a, b in PAIRS:
        either = (a | b).sum()
        expected = (a & b).sum() / either if either else 1.0
        assert rle.iou(rle.encode(a), rle.encode(b)) == expected


def test_volume_iou_sums_before_it_divides():
    a = [rle.encode(np.array([[1, 1, 0, 0]], bool)), rle.encode(np.array([[1, 0, 0, 0]], bool))]
    b = [rle.encode(np.array([[1, 1, 1, 1]], bool)), rle.encode(np.array([[1, 0, 0, 0]], bool))]
    assert rle.volume_iou(a, b) == 3 / 5
    assert rle.volume_iou([rle.empty((2, 2))], [rle.empty((2, 2))]) == 1.0


def test_runs_round_trip():
    for mask in MASKS:
        code = rle.encode(mask)
        assert rle.from_runs(mask.shape, rle.to_runs(code)) == code


def test_runs_of_length_zero_cover_nothing():
    code = rle.from_runs((2, 3), [0, 0, 2, 1, 0, 0, 3])
    assert rle.bbox(code) == (1, 0, 2, 1)
    assert rle.area(code) == 1
    assert np.array_equal(rle.decode(code), [[0, 1, 0], [0, 0, 0]])


@pytest.mark.parametrize(
    "counts",
    [
        "",
        "\x00",
        "~~~~",
        "a",  # the last number asks for more
        "Q1",
        "5",  # too few pixels
        "l0",  # 28 pixels, too many
        "oooooooooooo1",  # a number of 60 bits
        "é",
        "6OK",
        "\ud800",
    ],
)
def test_bad_counts_raise_instead_of_reading_past_their_end(counts):
    bad = Rle((4, 5), counts)
    for use in (rle.decode, rle.area, rle.bbox, rle.to_runs):
        with pytest.raises(FormatError, match="counts"):
            use(bad)
    with pytest.raises(FormatError, match="counts"):
        rle.union(bad, rle.empty((4, 5)))
    with pytest.raises(FormatError, match="counts"):
        rle.iou(rle.empty((4, 5)), bad)


def test_any_text_is_either_sound_or_refused():
    rng = np.random.default_rng(0)
    n_sound = 0
    for _ in range(5000):
        text = bytes(rng.integers(46, 90, rng.integers(0, 5)).astype(np.uint8)).decode()
        try:
            mask = rle.decode(Rle((5, 7), text))
        except FormatError:
            continue
        n_sound += 1
        assert np.array_equal(coco.decode({"size": [5, 7], "counts": text.encode()}), mask)
    assert 0 < n_sound < 5000


def test_negative_and_oversized_pictures_are_refused():
    with pytest.raises(FormatError, match="size_hw"):
        rle.decode(Rle((0, 5), "0"))
    with pytest.raises(FormatError, match="size_hw"):
        rle.decode(Rle((2**20, 2**20), "0"))
    with pytest.raises(InputError, match="size_hw"):
        rle.empty((3, -1))


@pytest.mark.parametrize(
    "value",
    [
        {"counts": "`0"},
        {"size": [4, 4]},
        {"size": [4, 4.0], "counts": "`0"},
        {"size": [4], "counts": "`0"},
        {"size": [True, 4], "counts": "`0"},
        {"size": [4, 4], "counts": 7},
        {"size": [4, 4], "counts": [8, 9]},
        {"size": [4, 4], "counts": [-1, 17]},
        {"size": [4, 4], "counts": ["a"]},
        {"size": [4, 4], "counts": "\xff"},
    ],
)
def test_a_malformed_coco_dict_is_refused(value):
    with pytest.raises(FormatError):
        rle.from_coco(value)


def test_coco_dicts_of_all_three_kinds_are_the_same_mask():
    mask = np.zeros((4, 4), bool)
    mask[1:3, 2] = True
    code = rle.encode(mask)
    as_bytes = rle.to_coco(code)
    assert coco.area(as_bytes) == 2
    assert rle.from_coco(as_bytes) == code
    assert rle.from_coco({"size": (4, 4), "counts": code.counts}) == code
    assert rle.from_coco({"size": [4, 4], "counts": [9, 2, 5]}) == code


def test_many_masks_at_once():
    masks = np.random.default_rng(0).random((3, 6, 5)) < 0.5
    codes = rle.encode_many(masks)
    assert np.array_equal(rle.decode_many(codes), masks)
    assert rle.encode_many(list(masks)) == codes


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rle.encode(np.zeros((2, 2), np.uint8)), r"expected \(H, W\) bool, got \(2, 2\)"),
        (lambda: rle.encode(np.zeros((0, 2), bool)), "at least one pixel"),
        (lambda: rle.encode_many(np.zeros((2, 2), bool)), r"expected \(N, H, W\) bool"),
        (lambda: rle.decode_many([]), "at least one mask"),
        (lambda: rle.union(), "at least one mask"),
        (lambda: rle.union(rle.empty((2, 2)), rle.empty((2, 3))), "one size"),
        (lambda: rle.iou(rle.empty((2, 2)), rle.empty((3, 2))), "one size"),
        (lambda: rle.volume_iou([], [rle.empty((2, 2))]), "equal lengths"),
    ],
)
def test_wrong_arguments_say_both_sides(call, message):
    with pytest.raises(InputError, match=message):
        call()
