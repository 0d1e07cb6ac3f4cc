"""Labels are exact: checked on scenes whose answer can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as PilImage

from samnb.synthetic.motion import Camera, Track
from samnb.synthetic.scene import Scene, Thing
from samnb.synthetic.sprites import rgba_image

SIZE = 64


def _block(number: int, x: float, y: float, half: float, **more: object) -> Thing:
    """An opaque white square of side ``2 * half`` around (x, y)."""
    sprite = rgba_image(np.full((32, 32, 4), 255, np.uint8))
    track = Track(
        np.array([[x, y]]), np.array([[half, half]]), np.zeros(1), np.zeros((1, 2)), "wobble"
    )
    return Thing(number, sprite, track, **more)  # type: ignore[arg-type]


def _scene(*things: Thing, zoom: float = 1.0, roll: float = 0.0) -> Scene:
    place = PilImage.new("RGB", (SIZE, SIZE), (50, 100, 150))
    middle = np.array([[SIZE / 2, SIZE / 2]])
    camera = Camera(middle, np.array([zoom]), np.array([roll]), np.ones(1))
    still = np.full((SIZE, SIZE), 0.5, np.float32)
    return Scene((SIZE, SIZE), place, camera, things, still, 0)


def test_thing_covers_exactly_its_pixels() -> None:
    frame, labels = _scene(_block(1, 20, 30, 8)).render(0)
    expected = np.zeros((SIZE, SIZE), np.uint8)
    expected[22:38, 12:28] = 1
    assert np.array_equal(labels, expected)
    assert (frame[labels == 1] == 255).all()
    assert (frame[labels == 0] == (50, 100, 150)).all()


def test_zoom_enlarges_about_the_middle() -> None:
    _, labels = _scene(_block(1, 32, 32, 8), zoom=2.0).render(0)
    assert (labels.sum(), labels[16:48, 16:48].all()) == (32 * 32, True)


def test_quarter_turn_of_the_camera_turns_the_picture() -> None:
    _, upright = _scene(_block(1, 48, 32, 6)).render(0)
    _, turned = _scene(_block(1, 48, 32, 6), roll=np.pi / 2).render(0)
    assert np.array_equal(turned, np.rot90(upright, -1))


def test_front_hides_back() -> None:
    _, labels = _scene(_block(1, 30, 32, 10), _block(2, 36, 32, 10)).render(0)
    assert (labels == 2).sum() == 400
    assert (labels == 1).sum() == 6 * 20


def test_what_has_no_number_hides_without_a_mask() -> None:
    _, labels = _scene(_block(1, 30, 32, 10), _block(0, 36, 32, 10)).render(0)
    assert set(np.unique(labels)) == {0, 1}
    assert (labels == 1).sum() == 6 * 20


def test_half_covered_pixels_belong_to_nobody() -> None:
    """A half transparent thing before another leaves neither with more than half."""
    half = np.full((32, 32, 4), 127, np.uint8)
    veil = _block(2, 32, 32, 10)
    veil = Thing(2, rgba_image(half), veil.track)
    _, labels = _scene(_block(1, 32, 32, 10), veil).render(0)
    assert (labels == 2).sum() == 0
    assert (labels == 1).sum() == 400  # 128/255 of it shines through


@pytest.mark.parametrize("kind", ["contact", "cast"])
def test_shadow_darkens_the_ground_but_not_the_mask(kind: str) -> None:
    plain_frame, plain = _scene(_block(1, 32, 24, 8)).render(0)
    frame, labels = _scene(_block(1, 32, 24, 8, shadow=0.5, shadow_kind=kind)).render(0)
    assert np.array_equal(labels, plain)
    assert frame[labels == 0].mean() < plain_frame[labels == 0].mean()
    assert (frame[labels == 1] == 255).all()


def test_bending_keeps_the_area_about_equal() -> None:
    bent = _block(1, 32, 32, 12)
    track = Track(bent.track.xy, bent.track.half_wh, np.zeros(1), np.array([[0.15, 1.0]]), "wobble")
    _, labels = _scene(Thing(1, bent.sprite, track)).render(0)
    assert labels.sum() == pytest.approx(24 * 24, rel=0.1)
    assert not labels[20:44, 20:44].all()


def test_thing_outside_is_not_drawn() -> None:
    _, labels = _scene(_block(1, -40, 32, 8)).render(0)
    assert labels.sum() == 0
