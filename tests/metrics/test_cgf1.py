import numpy as np
import pytest

from samnb.masks.rle import encode_many, volume_iou
from samnb.metrics.cgf1 import (
    THRESHOLDS,
    PairCount,
    count_pair,
    frame_ious,
    mask_ious,
    match_scores,
    pick_oracle,
    total,
)
from samnb.types import FormatError, InputError, Rle
from tests.metrics import concept_reference as slow
from tests.metrics.concept_reference import rle_span


def count(pred, gt):
    return count_pair(mask_ious(pred, gt))


def f1(tp, fp, fn):
    return slow.f1(tp, fp, fn)


def test_thresholds_are_cocos():
    assert tuple(np.linspace(0.5, 0.95, 10)) == THRESHOLDS
    assert len(THRESHOLDS) == 10 and THRESHOLDS[0] == 0.5 and THRESHOLDS[-1] == 0.95


def test_ious_by_hand():
    ious = mask_ious([rle_span(0, 10), rle_span(90, 100)], [rle_span(5, 15), rle_span(0, 10)])
    assert ious == pytest.approx(np.array([[5 / 15, 1.0], [0.0, 0.0]]))


def test_an_empty_mask_overlaps_with_nothing_not_even_another():
    empty = rle_span(0, 0)
    assert mask_ious([empty], [empty, rle_span(0, 5)]).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(("n", "m"), [(0, 3), (2, 0), (0, 0)])
def test_ious_of_nothing_keep_their_shape(n, m):
    assert mask_ious([rle_span(0, 1)] * n, [rle_span(0, 1)] * m).shape == (n, m)


def test_masks_of_two_sizes_are_refused():
    with pytest.raises(InputError, match=r"one size.*\(1, 50\), \(1, 100\)"):
        mask_ious([rle_span(0, 5)], [rle_span(0, 5, 50)])


def test_unsound_runs_are_refused():
    with pytest.raises(FormatError, match=r"masks\[1\]"):
        mask_ious([rle_span(0, 5)], [Rle((1, 100), "3")])
    with pytest.raises(FormatError, match=r"masks\[1\]"):
        frame_ious([[rle_span(0, 5)]], [[Rle((1, 100), "3")]])


def test_the_matching_has_the_greatest_total_and_not_the_greatest_first():
    ious = np.array([[0.9, 0.8], [0.85, 0.1]])
    assert sorted(match_scores(ious)) == [0.8, 0.85]
    assert match_scores(np.array([[0.2, 0.7, 0.4]])).tolist() == [0.7]
    assert match_scores(np.array([[0.2], [0.7]])).tolist() == [0.7]
    assert match_scores(np.zeros((0, 3))).size == 0


def test_the_matching_wants_a_matrix():
    with pytest.raises(InputError, match=r"\(N, M\)"):
        match_scores(np.zeros(3))


def test_an_iou_on_the_threshold_hits():
    # 10 of 20 pixels: exactly 0.5; 60 of 100: 0.6, the third threshold.
    assert count([rle_span(0, 10)], [rle_span(0, 20)]).tp == (1,) + (0,) * 9
    assert count([rle_span(0, 60)], [rle_span(0, 100)]).tp == (1, 1, 1) + (0,) * 7


def test_one_masks_prediction_cannot_be_two_hits():
    both = count([rle_span(0, 10), rle_span(0, 10)], [rle_span(0, 10)])
    assert (both.n_gt, both.n_pred, both.tp) == (1, 2, (1,) * 10)


def test_local_f1_by_hand():
    # Two true, one predicted with IoU 0.6: a hit at 0.50, 0.55 and 0.60.
    got = count([rle_span(0, 60)], [rle_span(0, 100), rle_span(0, 0)])
    assert got.local_f1 == pytest.approx((3 * f1(1, 0, 1)) / 10)
    assert PairCount(2, 0).local_f1 == 0
    assert PairCount(0, 2).local_f1 == 0
    assert PairCount(0, 0).local_f1 == 1


FULL, HALF = PairCount(1, 1, (1,) * 10), PairCount(1, 1, (1,) * 5 + (0,) * 5)


@pytest.mark.parametrize(
    ("counts", "best"),
    [
        ([HALF, FULL], 1),
        ([FULL, HALF], 0),
        # Nothing predicted: any rater who saw nothing makes it a true negative.
        ([PairCount(2, 0), PairCount(0, 0), PairCount(1, 0)], 1),
        ([PairCount(0, 0), PairCount(2, 0)], 0),
        # Equals: the first stays, also a false alarm before a total miss, and the reverse.
        ([PairCount(0, 1), PairCount(1, 1)], 0),
        ([PairCount(1, 1), PairCount(0, 1)], 0),
        ([PairCount(3, 0), PairCount(2, 0)], 0),
        # Same F1 by a false positive or by a false negative.
        ([PairCount(1, 2, (1,) * 10), PairCount(2, 1, (1,) * 10)], 0),
    ],
)
def test_the_oracle(counts, best):
    assert pick_oracle(counts) is counts[best]


def test_the_oracle_wants_somebody_to_ask():
    with pytest.raises(InputError, match="at least one"):
        pick_oracle([])


def test_scores_by_hand():
    counts = [
        PairCount(2, 2, (2, 1) + (0,) * 8),  # positive, found
        PairCount(1, 0),  # positive, missed
        PairCount(0, 3),  # negative, false alarm: its 3 masks are in no F1
        PairCount(0, 0),  # negative, left alone
        PairCount(0, 0),
    ]
    score = total(counts)
    assert (score.il_tp, score.il_fn, score.il_fp, score.il_tn) == (1, 1, 1, 2)
    assert score.tp[:3] == (2, 1, 0) and score.fp[:3] == (0, 1, 2) and score.fn[:3] == (1, 2, 3)
    pmf1 = (f1(2, 0, 1) + f1(1, 1, 2)) / 10
    mcc = (1 * 2 - 1 * 1) / (np.sqrt(2 * 2 * 3 * 3) + 1e-6)
    assert score.pmf1 == pytest.approx(pmf1) and score.il_mcc == pytest.approx(mcc)
    assert score.cgf1 == pytest.approx(100 * pmf1 * mcc)
    data = score.to_dict()
    assert data["cgf1"] == score.cgf1 and data["cgf1_50"] == pytest.approx(100 * f1(2, 0, 1) * mcc)
    assert data["pmf1_75"] == 0 and data["n_pairs"] == 5


def test_a_perfect_prediction_stays_just_below_100():
    # The constants of the released evaluation cost a trifle: one hit in one gives 0.99990.
    perfect = total([FULL, PairCount(0, 0)])
    assert perfect.il_mcc == pytest.approx(1 / (1 + 1e-6))
    assert perfect.cgf1 == pytest.approx(100 * f1(1, 0, 0), abs=1e-3)
    assert perfect.cgf1 == pytest.approx(99.985, abs=0.001)


def test_always_wrong_is_minus_one_and_nothing_at_all_is_zero():
    assert total([PairCount(1, 0), PairCount(0, 1)]).il_mcc == pytest.approx(-1, abs=1e-5)
    nothing = total([])
    assert (nothing.cgf1, nothing.pmf1, nothing.il_mcc) == (0, 0, 0)


def test_a_score_prints_what_people_look_for():
    text = str(total([FULL, PairCount(0, 0)], n_left_out=3, notes=["odd"]))
    assert "cgF1 99.98" in text and "3 not exhaustive" in text and "note: odd" in text


def blobs(rng, n, size=(12, 15)):
    masks = np.zeros((n, *size), bool)
    for mask in masks:
        y, x = rng.integers(0, 9, 2)
        mask[y : y + rng.integers(1, 7), x : x + rng.integers(1, 7)] = True
    return list(masks)


def shaken(rng, masks):
    return [np.roll(m, rng.integers(-1, 2, 2), (0, 1)) for m in masks if rng.random() < 0.8]


@pytest.mark.parametrize("seed", range(8))
def test_pictures_score_as_the_slow_reference(seed):
    rng = np.random.default_rng(seed)
    pairs, counts = [], []
    for _ in range(15):
        objects = blobs(rng, rng.integers(0, 5) * rng.integers(0, 2))
        raters = [shaken(rng, objects) for _ in range(3)]
        pred = shaken(rng, objects) + blobs(rng, int(rng.random() < 0.2))
        pairs.append((raters, pred))
        rles = encode_many(pred)
        counts.append(pick_oracle([count(rles, encode_many(gt)) for gt in raters]))
    score = total(counts)
    assert (score.cgf1, score.pmf1, score.il_mcc) == pytest.approx(slow.cg_scores(pairs), abs=1e-9)
    assert 0 < score.pmf1 < 1


def random_masklet(rng, n_frames):
    frames = [
        None if rng.random() < 0.2 else np.roll(m, rng.integers(0, 9), 1)
        for m in blobs(rng, n_frames)
    ]
    rles = [None if m is None else encode_many([m])[0] for m in frames]
    return frames, rles


def test_masklets_meet_frame_by_frame_and_over_their_volume():
    rng = np.random.default_rng(1)
    pred = [random_masklet(rng, 6) for _ in range(3)]
    gt = [random_masklet(rng, 6) for _ in range(4)]
    ious, volume = frame_ious([p[1] for p in pred], [g[1] for g in gt])
    assert ious.shape == (6, 3, 4)
    for i, (p, p_rles) in enumerate(pred):
        for j, (g, g_rles) in enumerate(gt):
            assert volume[i, j] == pytest.approx(slow.volume_iou(p, g))
            for t in range(6):
                both_there = p[t] is not None and g[t] is not None
                assert ious[t, i, j] == pytest.approx(slow.iou(p[t], g[t]) if both_there else 0)
            nothing = encode_many([np.zeros((12, 15), bool)])[0]
            full = [[r or nothing for r in rles] for rles in (p_rles, g_rles)]
            assert volume[i, j] == pytest.approx(volume_iou(*full))


def test_volume_iou_by_hand():
    # Frame 0: 10 of 20; frame 1: only the truth, 30; frame 2: only the prediction, 10.
    pred = [rle_span(0, 10), None, rle_span(0, 10)]
    gt = [rle_span(0, 20), rle_span(0, 30), None]
    ious, volume = frame_ious([pred], [gt])
    assert ious[:, 0, 0].tolist() == [0.5, 0, 0]
    assert volume[0, 0] == pytest.approx(10 / 60)


def test_masklets_without_a_pixel_agree_fully():
    empty = [rle_span(0, 0), None]
    _, volume = frame_ious([empty], [[None, None], [None, rle_span(0, 3)]])
    assert volume.tolist() == [[1.0, 0.0]]


def test_masklets_of_two_lengths_are_refused():
    with pytest.raises(InputError, match=r"equal lengths, got \[1, 2\]"):
        frame_ious([[None]], [[None, None]])
