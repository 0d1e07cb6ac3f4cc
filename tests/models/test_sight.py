"""Frames are encoded once for as long as they are kept, and shared by name."""

import numpy as np
import pytest
import torch

from samnb.models.backend import Features
from samnb.models.sight import Sight
from samnb.store.cache import ByteLru
from samnb.types import InputError


class Counting:
    """A backend that counts what it encodes."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def encode(self, image):
        self.seen.append(int(image[0, 0, 0]))
        return Features((), torch.tensor(float(image[0, 0, 0])), ())


class Named:
    """Frames of one grey each, with names."""

    size_hw = (4, 6)

    def __len__(self) -> int:
        return 9

    def frame(self, position):
        return np.full((4, 6, 3), position, np.uint8)

    def frame_key(self, position):
        return f"clip:{position}"


def test_the_frames_used_last_are_kept():
    eyes = Counting()
    sight = Sight(eyes, Named(), 2, ByteLru(0))
    for position in (0, 1, 0, 2, 0, 1):
        assert float(sight.encode(position).code) == position
    assert eyes.seen == [0, 1, 2, 1]
    assert len(sight) == 2


def test_sessions_share_what_one_model_has_seen():
    eyes, shared = Counting(), ByteLru(1000)
    Sight(eyes, Named(), 2, shared).encode(3)
    Sight(eyes, Named(), 2, shared).encode(3)
    assert eyes.seen == [3]


def test_models_do_not_share_with_each_other():
    one, two, shared = Counting(), Counting(), ByteLru(1000)
    Sight(one, Named(), 2, shared).encode(3)
    Sight(two, Named(), 2, shared, name="eyes:").encode(3)
    assert (one.seen, two.seen) == ([3], [3])


def test_a_frame_of_another_size_is_refused():
    frames = Named()
    frames.size_hw = (5, 6)
    with pytest.raises(InputError, match="frame 2: expected"):
        Sight(Counting(), frames, 2, ByteLru(0)).encode(2)
