from __future__ import annotations

import numpy as np
import pytest

from samnb.synthetic.sprites import KINDS, Look, draw_sprite
from samnb.synthetic.textures import COLOURS, PATTERNS, noise, pattern, photo
from samnb.synthetic.themes import THEMES
from samnb.types import InputError


@pytest.mark.parametrize(
    "name", ["coffee", "chelsea", "brick", "gravel", "grass", "retina", "rocket", "hubble"]
)
def test_photographs_come_with_scikit_image(name: str) -> None:
    picture = photo(name)
    assert (picture.ndim, picture.dtype) == (3, np.uint8)
    assert picture.std() > 10


def test_unknown_photograph_is_refused() -> None:
    with pytest.raises(InputError, match="photo: expected one of"):
        photo("holiday")


def test_noise_fills_its_range() -> None:
    field = noise(np.random.default_rng(0), (40, 60), 4, 3)
    assert (field.shape, field.dtype) == ((40, 60), np.float32)
    assert (field.min(), field.max()) == (0, 1)


@pytest.mark.parametrize("kind", PATTERNS)
def test_surface_keeps_the_colour_that_names_it(kind: str) -> None:
    """However it is patterned, a red surface has more of red than of blue and green."""
    rng = np.random.default_rng(0)
    surface = pattern(kind, 64, COLOURS["red"], COLOURS["white"], rng)
    assert (surface.shape, surface.dtype) == ((64, 64, 3), np.float32)
    assert 0 <= surface.min() <= surface.max() <= 1
    assert surface[..., 0].mean() > 1.15 * surface[..., 1:].mean()


@pytest.mark.parametrize("category", sorted(KINDS))
def test_sprite_is_one_solid_thing_inside_its_square(category: str) -> None:
    look = Look("plain", COLOURS["red"], COLOURS["white"])
    sprite = np.asarray(draw_sprite(category, look, 96, np.random.default_rng(0)))
    alpha = sprite[..., 3]
    assert sprite.shape == (96, 96, 4)
    assert 0.1 < (alpha > 127).mean() < 0.9
    assert max(alpha[0].max(), alpha[-1].max(), alpha[:, 0].max(), alpha[:, -1].max()) < 128
    assert (sprite[..., :3].max(-1) <= alpha).all()  # premultiplied


@pytest.mark.parametrize("theme", sorted(THEMES))
def test_place_is_a_picture(theme: str) -> None:
    place = THEMES[theme].paint(np.random.default_rng(0), (90, 120))
    assert (place.shape, place.dtype) == ((90, 120, 3), np.float32)
    assert np.isfinite(place).all()
    assert place.std() > 0.05
    assert set(THEMES[theme].categories) <= set(KINDS)
