import numpy as np
import pytest
from PIL import Image

from samnb.models.training import filmed


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("fox", "car"):
        pictures = tmp_path / "JPEGImages" / "480p" / name
        masks = tmp_path / "Annotations" / "480p" / name
        pictures.mkdir(parents=True)
        masks.mkdir(parents=True)
        for t in range(5):
            image = rng.integers(0, 255, (20, 30, 3)).astype(np.uint8)
            Image.fromarray(image).save(pictures / f"{t:05d}.jpg")
            labels = np.zeros((20, 30), np.uint8)
            labels[2:8, 3 + t : 12 + t] = 1
            labels[12:18, 5:10] = 3
            if t:
                labels[0, 0] = 2
            Image.fromarray(labels).save(masks / f"{t:05d}.png")
    return tmp_path


def test_clips_come_as_they_were_filmed(folder):
    car, fox = filmed.filmed_clips(folder)
    assert car.frames.shape == fox.frames.shape == (5, 20, 30, 3)
    # Object 2 is not in the first frame.
    assert fox.masks.shape == (5, 2, 20, 30)
    assert fox.masks[3, 0, 2:8, 6:15].all() and fox.masks[3, 0].sum() == 54


def test_some_clips_and_some_frames(folder):
    (clip,) = filmed.filmed_clips(folder, names=("fox",), every=2, length=2)
    assert len(clip.frames) == 2
    assert clip.masks[1, 0, 2:8, 5:14].all()


def test_what_is_missing_is_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="owl"):
        next(filmed.filmed_clips(folder, names=("owl",)))
    with pytest.raises(FileNotFoundError, match="none"):
        next(filmed.filmed_clips(tmp_path / "none"))


def test_a_clip_without_objects_cannot_be_measured_on(folder):
    empty = Image.fromarray(np.zeros((20, 30), np.uint8))
    empty.save(folder / "Annotations" / "480p" / "car" / "00000.png")
    with pytest.raises(ValueError, match="car"):
        next(filmed.filmed_clips(folder))
