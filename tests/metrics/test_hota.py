import numpy as np
import pytest

from samnb.masks.rle import encode
from samnb.metrics.cgf1 import frame_ious
from samnb.metrics.hota import ALPHAS, HotaCount, count_masklets, total
from samnb.types import InputError
from tests.metrics import concept_reference as slow
from tests.metrics.concept_reference import span


def there(tracks, n_frames):
    return (
        np.array([[m is not None for m in track] for track in tracks], bool)
        .reshape(len(tracks), n_frames)
        .T
    )


def count(gt, pred, n_frames):
    rles = [
        [[None if m is None else encode(m) for m in track] for track in side] for side in (pred, gt)
    ]
    ious = frame_ious(*rles)[0].reshape(n_frames, len(pred), len(gt))
    return count_masklets(ious, there(pred, n_frames), there(gt, n_frames))


def score(*pairs):
    return total(count(gt, pred, len((gt or pred)[0])) for gt, pred in pairs)


A, B = span(0, 10), span(50, 60)


def test_alphas():
    assert pytest.approx(np.arange(1, 20) / 20) == ALPHAS and len(ALPHAS) == 19


def test_a_perfect_track_is_one():
    got = score(([[A, A, None]], [[A, A, None]]))
    assert (got.hota, got.deta, got.assa) == (1, 1, 1)


def test_a_frame_missed_costs_detection_and_association():
    # 3 of 4 frames: DetA = 3 / 4, and each hit has TPA 3 of 4 frames.
    got = score(([[A] * 4], [[A, A, A, None]]))
    assert (got.hota, got.deta, got.assa) == pytest.approx((0.75, 0.75, 0.75))


def test_an_identity_switch_costs_association_only():
    # Each hit: 2 frames matched of 4 + 4 - 2 = 6 in which either is present.
    got = score(([[A] * 4, [B] * 4], [[A, A, B, B], [B, B, A, A]]))
    assert (got.deta, got.assa, got.hota) == pytest.approx((1, 1 / 3, np.sqrt(1 / 3)))


def test_a_loose_mask_counts_up_to_its_iou():
    # IoU 0.5 passes alpha 0.05 to 0.50: ten of nineteen.
    got = score(([[span(0, 20)]], [[span(0, 10)]]))
    assert (got.hota, got.deta, got.assa) == pytest.approx((10 / 19,) * 3)


def test_pairs_are_pooled_and_not_averaged():
    long, short = ([[A] * 9], [[A] * 9]), ([[A]], [[B]])
    got = score(long, short)
    # 9 hits, 1 miss, 1 false alarm; all hits sit in one perfect track.
    assert (got.deta, got.assa) == pytest.approx((9 / 11, 1))


def test_a_negative_pair_adds_its_false_alarms():
    got = score(([[A, A]], [[A, A]]), ([], [[B, B]]))
    assert (got.deta, got.assa) == pytest.approx((0.5, 1))


def test_a_missed_pair_adds_its_misses():
    got = score(([[A, A]], [[A, A]]), ([[B, B]], []))
    assert (got.deta, got.assa) == pytest.approx((0.5, 1))


def test_an_empty_true_mask_is_a_detection_that_nobody_meets():
    nothing = span(0, 0)
    assert count([[nothing, A]], [[nothing, A]], 2).tp == (1,) * 19
    assert count([[nothing, A]], [[nothing, A]], 2).n_gt == 2


def test_nothing_at_all_is_zero():
    got = total([])
    assert (got.hota, got.deta, got.assa) == (0, 0, 0)
    assert got.to_dict() == {"hota": 0, "deta": 0, "assa": 0}
    assert count_masklets(np.zeros((2, 0, 0)), there([], 2), there([], 2)) == HotaCount(0, 0)


def test_the_better_aligned_track_wins_a_contested_frame():
    # In frame 0 both predictions lie on the object; only the first follows it.
    got = count([[A, A, A]], [[A, A, A], [A, None, None]], 3)
    assert got.tp == (3,) * 19 and got.association == pytest.approx((3.0,) * 19)


def test_a_contested_matching_takes_the_greatest_total():
    gt = [[span(0, 20)], [span(12, 40)]]
    pred = [[span(4, 24)], [span(20, 36)]]
    got = slow.hota_scores([(gt, pred)])
    assert score((gt, pred)).hota == pytest.approx(got[0])


@pytest.mark.parametrize("seed", range(6))
def test_random_tracks_score_as_the_slow_reference(seed):
    rng = np.random.default_rng(seed)

    def track(n_frames, home):
        return [
            None if rng.random() < 0.2 else span(at := home + int(rng.integers(0, 8)), at + 12)
            for _ in range(n_frames)
        ]

    pairs = []
    for _ in range(3):
        n_frames = int(rng.integers(2, 6))
        homes = [10 * k for k in range(int(rng.integers(0, 4)))]
        gt = [track(n_frames, home) for home in homes]
        pred = [track(n_frames, home + 3) for home in [*homes, 40]]
        pairs.append((gt, pred))
    got = score(*pairs)
    assert (got.hota, got.deta, got.assa) == pytest.approx(slow.hota_scores(pairs), abs=1e-9)


def test_shapes_that_do_not_belong_together_are_refused():
    flags = np.ones((2, 1), bool)
    with pytest.raises(InputError, match=r"pred_there: expected \(T, N\).*\(2, 1\) bool"):
        count_masklets(np.zeros((2, 3, 1)), flags, flags)
    with pytest.raises(InputError, match=r"gt_there: expected \(T, M\).*\(2, 1\) bool"):
        count_masklets(np.zeros((2, 1, 3)), flags, flags)
