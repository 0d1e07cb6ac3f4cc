"""Clicks in one batch give what they give one by one."""

import numpy as np
import pytest

from samnb.models.grid import GridLevel, GridSegmenter, GridSettings, grid_points, propose_masks
from samnb.models.griddecode import ClickDecoder
from samnb.models.memory import Limits
from samnb.models.memory_session import MemorySession
from samnb.models.sam2 import load_sam2
from samnb.types import InputError, ModelError
from tests.models.clip import SIZE_HW, Clip, clicks
from tests.models.tiny import write_sam2


@pytest.fixture(scope="module")
def tracker(tmp_path_factory):
    return load_sam2(write_sam2(tmp_path_factory.mktemp("tiny")), device="cpu")


@pytest.fixture
def track(tracker):
    track = tracker.open(Clip(2))
    yield track
    track.close()


def test_a_batch_holds_the_best_mask_of_every_single_click(track):
    assert isinstance(track, GridSegmenter)
    points = grid_points(SIZE_HW, 3)
    found = track.segment_grid(1, points)
    assert len(found) == 3 * len(points), "three candidates a click"
    for row, point in enumerate(points):
        alone = track.segment(1, clicks((*point, 1)))
        best = max((p for r, p in found if r == row), key=lambda p: p.confidence)
        assert best.confidence == pytest.approx(alone.confidence, abs=1e-4)
        assert (best.mask != alone.mask).mean() < 0.002
        assert best.stability == pytest.approx(alone.stability, abs=0.01)


def test_both_thresholds_hold(track):
    points = grid_points(SIZE_HW, 4)
    everything = track.segment_grid(0, points)
    least = float(np.median([p.confidence for _, p in everything]))
    steady = float(np.median([p.stability for _, p in everything]))
    found = track.segment_grid(0, points, min_confidence=least, min_stability=steady)
    expected = [
        (row, p.confidence)
        for row, p in everything
        if p.confidence >= least and p.stability >= steady
    ]
    assert 0 < len(expected) < len(everything)
    assert [(row, p.confidence) for row, p in found] == expected


class OneByOne:
    """A backend that knows nothing of batches."""

    def __init__(self, backend):
        self.encode, self.segment = backend.encode, backend.segment
        self.size, self.device, self.eyes = backend.size, backend.device, None


def test_a_backend_without_batches_is_asked_click_by_click(track, tracker):
    backend = OneByOne(tracker.backend)
    assert not isinstance(backend, ClickDecoder)
    points = grid_points(SIZE_HW, 2)
    found = MemorySession(backend, Clip(2), Limits()).segment_grid(0, points)
    assert [row for row, _ in found] == [0, 1, 2, 3]
    for row, prediction in found:
        alone = track.segment(0, clicks((*points[row], 1)))
        assert (prediction.mask == alone.mask).all()


def test_the_frame_is_encoded_once(track):
    for start in (0, 4):
        track.segment_grid(1, grid_points(SIZE_HW, 3)[start : start + 4])
    assert track.n_encoded == 1


def test_what_cannot_be_answered_is_refused(track):
    with pytest.raises(InputError, match=r"expected \(N, 2\), got \(3,\)"):
        track.segment_grid(0, np.zeros(3, np.float32))
    with pytest.raises(InputError, match="position"):
        track.segment_grid(9, grid_points(SIZE_HW, 2))
    assert track.segment_grid(0, np.zeros((0, 2), np.float32)) == []
    track.close()
    with pytest.raises(ModelError, match="closed"):
        track.segment_grid(0, grid_points(SIZE_HW, 2))


def test_a_picture_is_searched_through_the_batches(tracker):
    levels = GridLevel(4), GridLevel(2, 2)
    settings = GridSettings(levels, min_confidence=0.0, min_stability=0.0, max_area_share=1.0)
    image = Clip(1).frame(0)
    found = propose_masks(tracker, image, settings)
    assert found and all(c.rle.size_hw == SIZE_HW for c in found)
