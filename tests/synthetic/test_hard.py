"""Domains of things that are hard to outline."""

from __future__ import annotations

import numpy as np
import pytest

from samnb.synthetic import make_clip
from samnb.synthetic.hard import ALL_KINDS, DOMAINS, KINDS
from samnb.synthetic.sprites import Look, draw_kind
from samnb.synthetic.textures import COLOURS
from samnb.synthetic.themes import THEMES

RED = Look("plain", COLOURS["red"], COLOURS["white"])


def drawn(category):
    picture, outline = draw_kind(ALL_KINDS[category], RED, 96, np.random.default_rng(0))
    return np.asarray(picture), None if outline is None else np.asarray(outline)


@pytest.mark.parametrize("domain", sorted(DOMAINS))
def test_a_domain_is_asked_for_by_name_and_met_with_its_things(domain):
    clip = make_clip(3, size_hw=(120, 160), n_frames=3, theme=domain)
    assert {o.category for o in clip.objects} <= set(DOMAINS[domain].categories)
    assert all(clip.mask(o.obj_id, 0).sum() > 8 for o in clip.objects)
    assert clip.caption.endswith(f" {DOMAINS[domain].where}.")


def test_no_clip_is_set_in_a_domain_by_chance():
    assert not set(THEMES) & set(DOMAINS)
    assert all(make_clip(s, size_hw=(64, 64), n_frames=1).caption for s in range(3))
    places = tuple(theme.where for theme in DOMAINS.values())
    clips = [make_clip(s, size_hw=(64, 64), n_frames=1) for s in range(12)]
    assert not any(clip.caption.removesuffix(".").endswith(places) for clip in clips)


@pytest.mark.parametrize("category", sorted(KINDS))
def test_every_thing_fits_its_square(category):
    picture, outline = drawn(category)
    alpha = picture[..., 3] if outline is None else outline
    assert 0.05 < (alpha > 127).mean() < 0.9
    assert max(alpha[0].max(), alpha[-1].max(), alpha[:, 0].max(), alpha[:, -1].max()) < 128
    assert (picture[..., :3].max(-1) <= picture[..., 3]).all()  # premultiplied


@pytest.mark.parametrize("category", DOMAINS["glassware"].categories)
def test_a_glass_belongs_to_its_mask_where_the_wall_is_seen_through_it(category):
    picture, outline = drawn(category)
    assert outline is not None
    inside = outline > 250
    assert (picture[..., 3][inside] < 64).mean() > 0.2


@pytest.mark.parametrize("category", DOMAINS["wire"].categories)
def test_thin_things_are_mostly_holes(category):
    picture, _ = drawn(category)
    rows, columns = np.nonzero(picture[..., 3] > 127)
    box = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    assert len(rows) / box < 0.5


def test_what_hides_on_bark_has_the_colours_of_bark():
    for seed in range(3):
        clip = make_clip(seed, size_hw=(96, 128), n_frames=1, theme="bark")
        assert {o.colour for o in clip.objects} <= set(DOMAINS["bark"].colours)
        assert all(o.pattern == "mottled" for o in clip.objects)
