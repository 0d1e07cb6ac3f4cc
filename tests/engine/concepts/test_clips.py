import numpy as np
import pytest

from samnb.engine.concepts.acts import Drawn
from samnb.engine.concepts.clips import ClipRules, check_clips, measure_frames, sift_easy
from samnb.engine.concepts.mining import is_refused, mine
from samnb.events.concepts import ClipChecked, ConceptStep, PairDropped, PhrasesMined
from samnb.language.captions import FrameCaptions
from samnb.language.chunks import Chunk
from samnb.models.base import Prediction
from samnb.synthetic.concept_clips import make_concept_clip
from samnb.synthetic.write import write_video
from samnb.types import InputError
from tests.engine.concepts.world import Segmenter

RULES = ClipRules()


def frames_of(**kwargs):
    clip = make_concept_clip(7, size_hw=(96, 128), n_frames=8, **kwargs)
    return [clip.frame(i) for i in range(8)]


def test_a_shot_that_moves_goes_on():
    assert measure_frames(frames_of(), 6.0).reason(RULES) == ""


@pytest.mark.parametrize(
    ("kwargs", "duration_s", "reason"),
    [
        ({"is_still": True}, 6.0, "0.0 % of the picture moves, 1 % are needed"),
        ({"has_cut": True}, 6.0, "1 cut, expected a single shot"),
        ({}, 4.0, "4.0 s long, 5 s are needed"),
        ({}, 31.0, "31.0 s long, 30 s are allowed"),
    ],
)
def test_other_clips_are_named_for_what_they_are(kwargs, duration_s, reason):
    assert measure_frames(frames_of(**kwargs), duration_s).reason(RULES) == reason


def test_the_light_alone_is_no_motion():
    frame = frames_of()[0].astype(int)
    lit = [np.clip(frame + 6 * (i % 2), 0, 255).astype(np.uint8) for i in range(4)]
    assert measure_frames(lit, 6.0).motion == 0.0


@pytest.fixture
def filmed(desk, tmp_path):
    """A project with one clip that moves and one that does not, both of 6 s."""
    made = {}
    for name, is_still in (("moving", False), ("still", True)):
        clip = make_concept_clip(3, size_hw=(64, 96), n_frames=36, is_still=is_still)
        write_video(clip, tmp_path / f"{name}.mp4")
        made[name] = desk.session.add_media(tmp_path / f"{name}.mp4").id
    return made


def bodies(desk, kind):
    return [e.body for e in desk.session.log.read() if isinstance(e.body, kind)]


def by_comma(caption):
    return [Chunk(part.strip()) for part in caption.split(",")]


CAPTIONS = FrameCaptions(
    {
        "moving.mp4": {0: "two red cups, a kitchen", 12: "red cup, running dog", 30: "red cup"},
        "still.mp4": {0: "red cup"},
    }
)


def test_clips_are_measured_once_and_what_is_dropped_is_never_mined(desk, filmed):
    door = desk()
    found = check_clips(door)
    assert str(found) == "1 of 2 clips kept (done)"
    assert [(b.media_id, b.is_kept) for b in bodies(desk, ClipChecked)] == [
        (filmed["moving"], True),
        (filmed["still"], False),
    ]
    assert check_clips(door).decisions == ()
    assert list(found.to_frame()["clip"]) == ["moving.mp4", "still.mp4"]
    said = FrameCaptions({n: {0: "red cup"} for n in ("moving.mp4", "still.mp4", "a.png")})
    assert mine(door, said, chunker=by_comma).n_media == 2  # the picture and the clip that moves
    assert not door.state.pairs_of(filmed["still"])


def test_a_picture_is_no_clip(desk):
    with pytest.raises(InputError, match=r"expected videos, got the picture a\.png"):
        check_clips(desk(), [desk.media_id])


def test_phrases_of_all_frames_become_one_pair_each(desk, filmed):
    door = desk()
    media_id = filmed["moving"]
    mined = mine(door, CAPTIONS, media_ids=[media_id], chunker=by_comma, held_out_share=0.0)
    assert sorted(p.phrase for p in door.state.pairs_of(media_id)) == ["dog", "red cup"]
    told = bodies(desk, PhrasesMined)
    assert [b.frame_idx for b in told] == [0, 12, 30]  # a line for each new caption
    assert ("a kitchen", "a setting, not a thing in it") in told[0].dropped
    assert mined.n_pairs == 2


def test_a_phrase_of_few_frames_can_be_left_out(desk, filmed):
    door = desk()
    mine(
        door, CAPTIONS, media_ids=[filmed["moving"]], chunker=by_comma, held_out_share=0.0,
        caption_every=6, min_frames=4,
    )  # fmt: skip
    assert [p.phrase for p in door.state.pairs_of(filmed["moving"])] == ["red cup"]
    assert ("dog", "named on fewer than 4 frames") in bodies(desk, PhrasesMined)[1].dropped


def masklets(n):
    mask = np.zeros((64, 96), bool)
    drawn = []
    for at in range(n):
        one = mask.copy()
        one[4 + 10 * at : 10 + 10 * at, 4:20] = True
        drawn.append(Drawn({0: one, 5: one}))
    return drawn


@pytest.fixture
def proposed(desk, filmed):
    """Three mined phrases with 3, 3 and 1 masklets, and one that a user asked for, with 1."""
    door = desk()
    media_id = filmed["moving"]
    pairs = door.add_pairs(media_id, ["cup", "fish", "hat"], origin="mined")
    pairs += door.add_pairs(media_id, ["kite"])
    for pair, n in zip(pairs, (3, 3, 1, 1), strict=True):
        door.propose_masks(pair.id, masklets(n))
    return {p.phrase: p.id for p in pairs}


def test_easy_phrases_are_dropped_and_the_log_says_why(desk, filmed, proposed):
    door = desk()
    found = sift_easy(door)
    steps = {name: door.pair(i).step for name, i in proposed.items()}
    assert steps == {
        "cup": ConceptStep.MV,
        "fish": ConceptStep.MV,
        "hat": ConceptStep.REJECTED,
        "kite": ConceptStep.MV,  # asked for by a user
    }
    (body,) = bodies(desk, PairDropped)
    assert (body.filter, body.reason) == ("easy", "1 objects, 3 are needed")
    assert str(found) == "1 of 1 clips kept, 2 of 3 phrases (done)"
    hat = door.pair(proposed["hat"])
    assert not is_refused(hat)  # elsewhere there may be many
    door.reopen(hat.id, "mv")
    assert (door.pair(hat.id).step, door.pair(hat.id).dropped_by) == (ConceptStep.MV, "")


def test_a_clip_with_too_few_phrases_is_dropped_with_all_of_them(desk, filmed, proposed):
    door = desk()
    sift_easy(door, min_phrases=3)
    steps = [door.pair(proposed[name]).step.value for name in ("cup", "fish", "hat", "kite")]
    assert steps == ["rejected", "rejected", "rejected", "mv"]
    (body,) = bodies(desk, ClipChecked)
    assert not body.is_kept and dict(body.figures) == {"phrases": 3.0, "left": 2.0}


def test_what_a_person_has_answered_is_not_dropped(desk, filmed, proposed):
    door = desk()
    door.set_rules(apart="off")
    door.answer_mv(proposed["hat"], "accept")
    sift_easy(door)
    assert door.pair(proposed["hat"]).step is ConceptStep.EV


class Filler:
    """Finds the whole scene for one phrase and a square for others."""

    name = "filler@1"

    def segment(self, image, phrases, exemplars=None):
        return Segmenter({}).segment(image, phrases)

    def segment_video(self, frames, phrase):
        mask = np.zeros(frames.size_hw, bool)
        mask[:, : 96 if phrase == "wall" else 10] = True
        for position in range(len(frames)):
            yield position, {1: Prediction(mask, 0.9, 1.0, 1.0)}


def test_a_phrase_whose_masklet_is_the_whole_scene_is_dropped(desk, filmed):
    door = desk()
    wall, cup = door.add_pairs(filmed["moving"], ["wall", "cup"])
    door.propose(Filler(), [wall.id, cup.id])
    assert door.pair(wall.id).step is ConceptStep.REJECTED
    assert door.pair(wall.id).reason == "a masklet covers 100 % of the frame"
    assert door.pair(cup.id).step is ConceptStep.MV
