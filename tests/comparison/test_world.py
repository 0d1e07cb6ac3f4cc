import json

import numpy as np
import pytest

from samnb.comparison.world import make_common_world, read_common_world
from samnb.store.media import open_media
from samnb.types import FormatError, InputError
from tests.comparison.flat import write_davis


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    return folder, make_common_world(folder, 3, seed=4, n_frames=3, size_hw=(96, 128))


def test_a_made_up_clip_is_a_folder_of_frames_with_a_mask_or_absence_on_each(drawn):
    _, world = drawn
    for clip in world.clips:
        assert open_media(clip.video.path).media.n_frames == len(clip.frames) == 3
        assert clip.video.objects
        for obj in clip.video.objects:
            assert sorted(obj.masks) == [0, 1, 2] and obj.mask(0).shape == (96, 128)


def test_the_camera_moves_and_the_masks_with_it(drawn):
    _, world = drawn
    moved = [o for c in world.clips for o in c.video.objects if o.masks[0] != o.masks[2]]
    assert len(moved) >= 3


def test_questions_are_of_the_sampled_frame_and_the_truth_says_which_name_nothing(drawn):
    _, world = drawn
    for clip in world.clips:
        (frame_idx,) = clip.sampled
        assert 1 <= sum(not q.is_negative for q in clip.questions) <= 2
        assert sum(q.is_negative for q in clip.questions) == 6
        for q in clip.questions:
            assert q.path == clip.frames[frame_idx]
            media = open_media(q.path).media
            masks = world.find(media, q.phrase)
            assert (masks == ()) is q.is_negative


def test_every_negative_of_a_made_up_clip_is_near_a_positive(drawn):
    clip = drawn[1].clips[0]
    assert any(q.parent for q in clip.questions if q.is_negative)


def test_the_same_seed_gives_the_same_world_and_keeps_the_files(drawn):
    folder, world = drawn
    again = make_common_world(folder, 3, seed=4, n_frames=3, size_hw=(96, 128))
    assert [c.questions for c in again.clips] == [c.questions for c in world.clips]
    other = make_common_world(folder, 1, seed=5, n_frames=3, size_hw=(96, 128))
    assert other.clips[0].questions != world.clips[0].questions


def test_files_of_elsewhere_have_no_truth(drawn, tmp_path, flat):
    media = open_media(flat.clips[0].frames[0]).media
    assert drawn[1].find(media, "ball") is None
    assert drawn[1].clips[0].truth(0, "unheard of") is None


def test_an_object_that_is_hidden_makes_its_phrase_a_negative(flat):
    asked = {(q.path.stem, q.phrase): q.is_negative for q in flat.clips[0].questions}
    assert asked["00001", "ball"] is False and asked["00006", "ball"] is True
    assert np.sum([not n for n in asked.values()]) == 5


def test_a_data_set_is_read_with_its_phrases(tmp_path):
    root = write_davis(tmp_path)
    (root / "phrases.json").write_text(json.dumps({"flat": {"ball": [1], "dog": []}}))
    world = read_common_world(root, n_sampled=3, seed=1)
    assert len(world.clips[0].sampled) == 3
    assert {q.phrase for q in world.clips[0].questions} == {"ball", "dog"}
    assert world.annotation_fps == 6.0


def test_what_cannot_be_read_is_refused_in_words(tmp_path):
    root = write_davis(tmp_path)
    with pytest.raises(FormatError, match="the layout has none"):
        read_common_world(root)
    with pytest.raises(FormatError, match="expected objects among"):
        read_common_world(root, phrases={"flat": {"cat": [9]}})
    (root / "phrases.json").write_text("[1]")
    with pytest.raises(FormatError, match="object of objects"):
        read_common_world(root)
    with pytest.raises(InputError, match="n_sampled"):
        make_common_world(tmp_path, 1, n_frames=1, n_sampled=2)
