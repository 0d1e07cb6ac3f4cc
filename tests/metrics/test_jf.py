import json

import numpy as np
import pytest
from scipy import ndimage

from samnb.masks import rle
from samnb.metrics import jf
from samnb.types import InputError
from tests.metrics import reference


def blobs(count, seed=0):
    """Pairs of smooth random masks of changing size; some touch the picture's edge."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        shape = tuple(rng.integers(3, 60, 2))
        noise = ndimage.gaussian_filter(rng.normal(size=(2, *shape)), (0, 3, 3))
        near = noise[0] + rng.uniform(0, 1) * noise[1]
        low, other = np.quantile(noise[0], rng.choice([0.0, 0.5, 0.9, 1.0])), np.quantile(near, 0.7)
        yield noise[0] > low, near > other


def test_j_and_f_equal_the_definition_pixel_by_pixel():
    for gt, pred in blobs(60):
        assert jf.frame_jf(gt, pred) == pytest.approx(
            (reference.j_of(gt, pred), reference.f_of(gt, pred)), abs=1e-12
        )


@pytest.mark.parametrize("bound", [0.0, 0.03, 0.1])
def test_f_follows_its_tolerance(bound):
    for gt, pred in blobs(15, seed=1):
        expected = reference.f_of(gt, pred, bound)
        assert jf.contour_accuracy(gt, pred, bound) == pytest.approx(expected, abs=1e-12)


def test_long_boundaries_take_the_other_way_to_the_same_value(monkeypatch):
    pairs = list(blobs(20, seed=2))
    by_tree = [jf.contour_accuracy(*pair) for pair in pairs]
    monkeypatch.setattr(jf, "_TREE_LIMIT", 0)
    assert [jf.contour_accuracy(*pair) for pair in pairs] == by_tree


def square(at, side=10, size=(40, 50)):
    mask = np.zeros(size, bool)
    mask[at[0] : at[0] + side, at[1] : at[1] + side] = True
    return mask


NONE = np.zeros((40, 50), bool)


@pytest.mark.parametrize(
    ("gt", "pred", "expected"),
    [
        (NONE, NONE, (1.0, 1.0)),
        (NONE, square((5, 5)), (0.0, 0.0)),
        (square((5, 5)), NONE, (0.0, 0.0)),
        (square((5, 5)), square((5, 5)), (1.0, 1.0)),
        (square((5, 5)), square((25, 35)), (0.0, 0.0)),
        (square((5, 5)), square((5, 6)), (90 / 110, 1.0)),
    ],
)
def test_known_frames(gt, pred, expected):
    assert jf.frame_jf(gt, pred) == pytest.approx(expected)
    assert jf.region_similarity(gt, pred) == pytest.approx(expected[0])


def test_a_mask_over_the_whole_picture_has_no_boundary():
    full = np.ones((20, 20), bool)
    assert jf.frame_jf(full, full) == (1.0, 1.0)
    assert jf.contour_accuracy(full, square((5, 5), 8, (20, 20))) == 0.0


def track(*steps):
    return [NONE if s is None else square((10, s)) for s in steps]


TRACKS = {
    "plain": (track(1, 2, 3, 4, 5), track(1, 4, 9, 3, 5)),
    "late": (track(None, None, None, 4, 5, 6), track(None, None, None, 4, 8, 6)),
    "too early": (track(None, None, None, 4, 5, 6), track(None, None, 3, 4, 8, 6)),
    "gone": (track(1, 2, None, None, 5), track(1, 2, None, 4, 5)),
}


@pytest.mark.parametrize("name", TRACKS)
@pytest.mark.parametrize("skip", [True, False])
def test_a_masklet_is_averaged_from_its_first_sight(name, skip):
    gt, pred = TRACKS[name]
    score = jf.masklet_jf(gt, pred, skip_first_and_last=skip)
    assert (score.j, score.f, score.n_frames) == pytest.approx(
        reference.masklet_of(gt, pred, skip), abs=1e-12
    )
    assert score.jf == (score.j + score.f) / 2


def test_arrays_lists_and_runs_score_the_same():
    gt, pred = TRACKS["gone"]
    expected = jf.masklet_jf(gt, pred)
    assert jf.masklet_jf(np.array(gt), np.array(pred)) == expected
    assert jf.masklet_jf(rle.encode_many(gt), rle.encode_many(pred)) == expected


def test_the_result_averages_objects_and_keeps_fractions():
    scores = [jf.ObjectScore("a", "1", 0.5, 0.7, 9), jf.ObjectScore("b", "000", 1.0, 0.9, 3)]
    result = jf.mean_score(scores, ["b/001: never shown"])
    assert (result.j, result.f, result.jf) == pytest.approx((0.75, 0.8, 0.775))
    assert json.loads(json.dumps(result.to_dict()))["objects"][1]["video"] == "b"
    assert result.to_dict()["notes"] == ["b/001: never shown"]


def test_the_result_prints_and_becomes_a_table():
    result = jf.mean_score([jf.ObjectScore("cat", "000", 0.5, 0.75, 9)], ["dog: left out"])
    lines = str(result).splitlines()
    assert lines[1].split() == ["cat", "000", "62.5", "50.0", "75.0", "9"]
    assert lines[-1] == "note: dog: left out"
    frame = result.to_frame()
    assert list(frame.columns) == ["video", "obj_id", "jf", "j", "f", "n_frames"]
    assert frame.loc[0, "jf"] == 0.625
    assert "0.625" in result._repr_html_()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: jf.masklet_jf(track(1, 2), track(1)), "2 masks"),
        (lambda: jf.masklet_jf(track(1, None, 2), track(1, 5, 2)), "at least one counted frame"),
        (lambda: jf.masklet_jf([], []), "at least one counted frame"),
        (lambda: jf.frame_jf(NONE, NONE[:5]), "shape of gt"),
        (lambda: jf.frame_jf(NONE, NONE.astype(np.uint8)), r"pred: expected \(H, W\) bool"),
        (lambda: jf.frame_jf(NONE, NONE, -1), "bound"),
        (lambda: jf.mean_score([]), "at least one score"),
    ],
)
def test_wrong_arguments_say_both_sides(call, message):
    with pytest.raises(InputError, match=message):
        call()
