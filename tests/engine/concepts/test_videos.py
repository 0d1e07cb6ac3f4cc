"""The loop over videos from clips to sampled frames, with people and models that are made up."""

import json

import numpy as np
import pytest

from samnb.engine.concepts.reviewers import PERFECT
from samnb.engine.concepts.sampling import frame_name, sample_frames
from samnb.engine.concepts.videos import KINDS, make_video_world, run_videos
from samnb.engine.session import Session
from samnb.events.concepts import ConceptTask, Corrected, FrameSampled, PairDropped
from samnb.language.chunks import Chunk
from samnb.models.base import Prediction
from samnb.models.concepts import ConceptPrediction
from samnb.types import InputError

SIZE_HW = (64, 96)


def chunker(caption):
    """Noun phrases of the captions that the world writes."""
    words = caption.lower().rstrip(".").replace(" on a ", ", ").replace(" in a ", ", ")
    for joint in (" and ", " in ", " on ", " at "):
        words = words.replace(joint, ", ")
    return [Chunk(part.strip()) for part in words.split(",") if part.strip()]


class OneShort:
    """Finds all that a phrase names but the last one, in videos; everything in pictures."""

    name = "one-short@1"

    def __init__(self, world):
        self.world = world

    def segment(self, image, phrases, exemplars=None):
        return tuple(ConceptPrediction(0.1) for _ in phrases)

    def segment_video(self, frames, phrase):
        volumes = self.world.find(frames.reader.media, phrase) or ()
        kept = volumes[:-1] if len(volumes) < 4 else volumes
        for position in range(len(frames)):
            yield (
                position,
                {n: Prediction(v[position], 0.9, 1.0, 1.0) for n, v in enumerate(kept, 1)},
            )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two crowded clips, one with few things, one of each kind that is filtered out."""
    folder = tmp_path_factory.mktemp("videos")
    world = make_video_world(folder / "clips", 6, size_hw=SIZE_HW, n_frames=30)
    found = run_videos(
        folder / "p.samnb", world, OneShort(world), skill=PERFECT, min_objects=2, chunker=chunker
    )
    session = Session.open(folder / "p.samnb", worker="me")
    yield world, found, session
    session.close()


def bodies(session, kind):
    return [e.body for e in session.log.read() if isinstance(e.body, kind)]


def test_every_filter_tells_what_it_dropped(run):
    _, found, _ = run
    rows = {(r.filter, r.what): r for r in found.filters.itertuples()}
    assert (rows["shot and motion", "clips"].seen, rows["shot and motion", "clips"].dropped) == (
        len(KINDS),
        3,
    )
    assert rows["easy", "clips"].dropped == 1  # the one with single things
    easy = rows["easy", "pairs of videos"]
    assert (easy.seen, easy.dropped) == (8, 4)  # three single things, and a "wooden table"
    assert rows["whole scene", "pairs of videos"].dropped == 0
    assert "1 cut, expected a single shot (1)" in rows["shot and motion", "clips"].reasons


def test_people_add_what_the_model_missed_and_confirm_it(run):
    world, found, session = run
    state = session.concepts.state
    videos = [p for p in state.pairs.values() if p.is_video and p.step.value == "final"]
    final = [p for p in videos if p.masks]
    assert len(videos) == found.n_pairs == 10  # six of them ask for what is not there
    assert len(final) == found.n_corrected == found.n_confirmed == 4
    assert found.n_masklets == 12
    tasks = [b.task.value for b in bodies(session, Corrected)]
    assert tasks.count("confirm") == 4
    scores = found.scores.set_index("masks")
    assert scores.cgf1["data set"] == pytest.approx(100.0, abs=0.01)
    assert scores.cgf1["proposals"] < 90
    truth = world.find(session.media(final[0].item.media_id), final[0].phrase)
    masks = [session.concepts.pixels(final[0].item.media_id, m) for m in final[0].masks]
    assert sum(m.sum() for m in masks) == sum(t.sum() for t in truth)
    assert masks[0].shape == (30, *SIZE_HW)


def test_peoples_time_is_modelled_by_what_they_watch_and_draw(run):
    _, found, session = run
    times, n_frames = PERFECT.times, 30
    state = session.concepts.state
    pair = next(p for p in state.pairs.values() if p.is_video and p.masks)
    (corrected,) = pair.of(ConceptTask.CORRECT)
    (added,) = corrected.body.added
    drawn = session.concepts.pixels(pair.item.media_id, added).any((1, 2)).sum()
    watched_s = times.examine_s + times.watched(n_frames)
    assert corrected.seconds_s == pytest.approx(watched_s + drawn * times.draw_frame_s)
    assert found.positive_s > 2 * found.negative_s > 0


def test_sampled_frames_are_pictures_with_the_phrases_of_their_video(run):
    _, found, session = run
    sampled = bodies(session, FrameSampled)
    assert [b.sampler for b in sampled] == ["random"] * 3 + ["crowded"] * 2
    assert found.n_frames == 5 and found.n_frame_pairs == 18
    one = sampled[-1]
    picture, video = session.media(one.picture_id), session.media(one.media_id)
    assert picture.name == frame_name(video.name, one.frame_idx)
    phrases = {p.phrase for p in session.concepts.state.pairs_of(picture.id)}
    asked = session.concepts.state.pairs_of(video.id)
    assert phrases == {p.phrase for p in asked if not p.dropped_by}
    counts = np.zeros(30, int)
    for pair in asked:
        for mask in pair.masks:
            counts[[f.frame_idx for f in mask.frames]] += 1
    assert counts[one.frame_idx] == counts.max()


def test_a_second_look_takes_other_frames(run, tmp_path):
    _, _, session = run
    taken = {(b.media_id, b.frame_idx) for b in bodies(session, FrameSampled)}
    more = sample_frames(session.concepts, tmp_path, "crowded")
    assert more and not taken & {(m.media_id, m.frame_idx) for m in more}
    with pytest.raises(InputError, match="expected one of random, crowded"):
        sample_frames(session.concepts, tmp_path, "best")


def test_what_was_dropped_is_in_the_log_with_the_reason(run):
    _, _, session = run
    dropped = bodies(session, PairDropped)
    assert {b.filter for b in dropped} == {"easy"}
    assert all(b.reason.endswith("are needed") for b in dropped)


def test_a_run_can_be_printed_and_kept(run):
    _, found, _ = run
    data = json.loads(json.dumps(found.to_dict()))
    assert data["n_pairs"] == 10 and "confirmed as exhaustive" in str(found)
