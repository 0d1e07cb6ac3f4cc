from __future__ import annotations

import re

import numpy as np
import pytest

from samnb.models.base import FrameSource
from samnb.synthetic import make_clip
from samnb.synthetic.themes import THEMES
from samnb.types import InputError

SMALL = (96, 128)


def test_clip_is_a_frame_source() -> None:
    clip = make_clip(0, size_hw=SMALL, n_frames=5)
    assert isinstance(clip, FrameSource)
    assert (len(clip), clip.size_hw, clip.fps) == (5, SMALL, 6.0)
    frame = clip.frame(4)
    assert (frame.shape, frame.dtype) == ((*SMALL, 3), np.uint8)
    assert clip.frames.shape == (5, *SMALL, 3)
    assert np.array_equal(clip.frames[4], frame)


def test_equal_seeds_give_equal_clips_in_any_order_of_asking() -> None:
    one = make_clip(7, size_hw=SMALL, n_frames=4, difficulty=0.9)
    two = make_clip(7, size_hw=SMALL, n_frames=4, difficulty=0.9)
    backward = [two.frame(i) for i in (3, 2, 1, 0)][::-1]
    assert all(np.array_equal(one.frame(i), backward[i]) for i in range(4))
    assert all(np.array_equal(one.labels(i), two.labels(i)) for i in range(4))
    assert (one.caption, one.objects) == (two.caption, two.objects)


def test_other_seeds_give_other_clips() -> None:
    one, two = (make_clip(seed, size_hw=SMALL, n_frames=1) for seed in (1, 2))
    assert not np.array_equal(one.frame(0), two.frame(0))


@pytest.mark.parametrize("theme", sorted(THEMES))
def test_objects_are_seen_at_the_beginning_in_every_place(theme: str) -> None:
    clip = make_clip(3, size_hw=SMALL, n_frames=6, n_objects=3, difficulty=0.7, theme=theme)
    assert [o.obj_id for o in clip.objects] == [1, 2, 3]
    for thing in clip.objects:
        masks = clip.masks(thing.obj_id)
        assert (masks.shape, masks.dtype) == ((6, *SMALL), np.bool_)
        assert masks[0].sum() > 8
    assert clip.caption.endswith(f" {THEMES[theme].where}.")


def test_masks_do_not_overlap() -> None:
    clip = make_clip(11, size_hw=SMALL, n_frames=4, n_objects=6, difficulty=1.0)
    things = (*clip.objects, *clip.distractors)
    for i in range(4):
        assert sum(clip.mask(t.obj_id, i).astype(int) for t in things).max() == 1


def test_mask_fits_the_pixels() -> None:
    """Where a mask ends the picture changes: its border has stronger edges than the rest."""
    ratios = []
    for seed in range(4):
        clip = make_clip(seed, size_hw=(160, 200), n_frames=1, difficulty=0.0)
        gray = clip.frame(0).astype(float).mean(-1)
        edges = np.hypot(*np.gradient(gray))
        labels = clip.labels(0).astype(int)
        border = (np.diff(labels, axis=0, append=labels[-1:]) != 0) | (
            np.diff(labels, axis=1, append=labels[:, -1:]) != 0
        )
        ratios.append(edges[border].mean() / edges[~border].mean())
    assert np.median(ratios) > 2


def test_difficulty_makes_things_move_faster() -> None:
    def travel(difficulty: float) -> float:
        steps = []
        for seed in range(3):
            clip = make_clip(seed, size_hw=SMALL, n_frames=6, n_objects=1, difficulty=difficulty)
            middles = [np.argwhere(m).mean(0) for m in clip.masks(1) if m.any()]
            steps.append(np.linalg.norm(np.diff(middles, axis=0), axis=1).mean())
        return float(np.mean(steps))

    assert travel(0.9) > 2 * travel(0.0)


def test_easy_clips_have_no_look_alikes_and_hard_ones_do() -> None:
    easy = [make_clip(s, size_hw=SMALL, n_frames=1, difficulty=0.0) for s in range(4)]
    hard = [make_clip(s, size_hw=SMALL, n_frames=1, difficulty=1.0) for s in range(4)]
    assert sum(len(c.distractors) for c in easy) == 0
    assert sum(len(c.distractors) for c in hard) > 3
    for clip in hard:
        categories = {o.category for o in clip.objects}
        assert all(d.category in categories and d.is_distractor for d in clip.distractors)


def test_some_object_of_hard_clips_leaves_and_comes_back() -> None:
    n_returns = 0
    for seed in range(4):
        clip = make_clip(seed, size_hw=SMALL, n_frames=24, difficulty=1.0)
        for thing in clip.objects:
            seen = clip.masks(thing.obj_id).any((1, 2)).astype(int)
            gone = np.flatnonzero(np.diff(seen) == -1)
            n_returns += bool(len(gone)) and bool(seen[gone[0] + 1 :].any())
    assert n_returns >= 1


def test_phrases_name_all_things_and_agree_with_the_caption() -> None:
    for seed in range(5):
        clip = make_clip(seed, size_hw=SMALL, n_frames=1, n_objects=3, difficulty=0.8)
        things = {t.obj_id: t for t in (*clip.objects, *clip.distractors)}
        named = [i for ids in clip.phrases.values() for i in ids]
        assert sorted(named) == sorted(things)
        for phrase, ids in clip.phrases.items():
            assert all(things[i].phrase == phrase for i in ids)
            said = phrase if len(ids) == 1 else things[ids[0]].plural
            assert re.search(rf"\b{said}\b", clip.caption)


def test_many_objects_fit() -> None:
    clip = make_clip(5, n_frames=1, n_objects=12, difficulty=0.3, theme="sea")
    assert len(clip.objects) == 12
    assert all(clip.mask(o.obj_id, 0).any() for o in clip.objects)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("size_hw", (32, 320)),
        ("n_frames", 0),
        ("n_objects", 0),
        ("n_objects", 41),
        ("difficulty", 1.5),
        ("fps", 0.0),
        ("theme", "moon base"),
    ],
)
def test_wrong_arguments_are_named(argument: str, value: object) -> None:
    with pytest.raises(InputError, match=argument):
        make_clip(0, **{argument: value})  # type: ignore[arg-type]


def test_wrong_questions_to_a_clip_are_refused() -> None:
    clip = make_clip(0, size_hw=SMALL, n_frames=2, difficulty=0.0)
    with pytest.raises(InputError, match=r"expected 0\.\.1 in clip-000000, got 2"):
        clip.frame(2)
    with pytest.raises(InputError, match=r"obj_id: expected one of \[1, 2\], got 9"):
        clip.mask(9, 0)
