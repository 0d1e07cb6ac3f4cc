import numpy as np
import pytest

from samnb.synthetic.concept_clips import make_concept_clip
from samnb.types import InputError

CUP, FISH = ("red", "striped", "cup"), ("blue", "plain", "fish")
SMALL = {"size_hw": (64, 96), "n_frames": 8}


@pytest.fixture(scope="module")
def clip():
    return make_concept_clip(3, cast=[CUP, CUP, FISH], **SMALL)


def test_equal_arguments_give_equal_clips(clip):
    again = make_concept_clip(3, cast=[CUP, CUP, FISH], **SMALL)
    assert np.array_equal(clip.frame(5), again.frame(5))
    assert not np.array_equal(clip.frame(5), make_concept_clip(4, **SMALL).frame(5))


def test_a_phrase_names_every_thing_of_its_kind_on_the_frames_asked_for(clip):
    masks = clip.truth("red cup", [0, 4])
    assert [m.shape for m in masks] == [(2, 64, 96)] * 2
    assert clip.truth("striped cup", [0, 4])[0].sum() == masks[0].sum()
    assert clip.truth("green cup", [0, 4]) == () == clip.truth("lawn", [0])
    both = np.stack([clip.labels(0), clip.labels(4)])
    assert np.array_equal(masks[0], both == 1)


def test_a_caption_names_what_a_frame_shows(clip):
    assert clip.caption(0).lower().startswith(("two striped red cups and a blue fish",))


def test_things_move_and_in_a_still_clip_they_do_not(clip):
    assert not np.array_equal(clip.labels(0), clip.labels(7))
    still = make_concept_clip(3, is_still=True, **SMALL)
    assert np.array_equal(still.labels(0), still.labels(7))


def test_after_a_cut_there_are_other_things_elsewhere():
    cut = make_concept_clip(3, cast=[CUP], has_cut=True, **SMALL)
    assert cut.truth("red cup", [0, 3]) and not set(np.unique(cut.labels(4))) & {1}
    assert cut.caption(0).split(" on ")[-1] != cut.caption(7).split(" on ")[-1]


def test_what_makes_no_clip_is_refused():
    with pytest.raises(InputError, match="expected sides from 64"):
        make_concept_clip(0, n_frames=1)
    with pytest.raises(InputError, match=r"expected 0\.\.7"):
        make_concept_clip(0, **SMALL).frame(8)
