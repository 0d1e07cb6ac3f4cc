"""What happens while the model thinks: waiting clicks, propagation, cancelling."""

from __future__ import annotations

import numpy as np
import pytest

from samnb.events import FrameEdited, PropagationEnded
from samnb.types import Point
from samnb.widgets.snapshots import Progress


def bodies(desk, kind):
    return [e.body for e in desk.session.log.read(0) if isinstance(e.body, kind)]


@pytest.fixture
def slow(sit_down):
    """Predictions and propagation wait for the test."""
    return sit_down("ana", held=("edits", "track"))


def run(desk):
    desk.runners.run("edits")
    desk.runners.run("track")


@pytest.fixture
def following(slow):
    """A desk whose propagation has been asked for; ``run`` makes it happen."""
    slow.click(10, 8)
    slow.press("f")
    slow.runners.run("edits")
    return slow


def test_clicks_show_at_once_and_go_to_the_model_together(slow):
    for x in (5, 12, 20):
        slow.click(x, 8)
    assert [p.x for p in slow.now.view.prompts] == [5, 12, 20]
    assert slow.now.stage.is_busy and slow.now.saved == "Saving …"
    assert not bodies(slow, FrameEdited)
    run(slow)
    (edit,) = bodies(slow, FrameEdited)
    assert [p.x for p in edit.prompts] == [5, 12, 20] and edit.clicks == 3
    assert not slow.now.stage.is_busy and slow.now.saved.startswith("Saved · ")


def test_clicks_on_two_frames_are_both_predicted(slow):
    slow.click(5, 8)
    slow.press("d")
    slow.click(12, 8)
    run(slow)
    assert [e.frame_idx for e in bodies(slow, FrameEdited)] == [0, 1]


def test_edits_happen_in_the_order_they_were_asked_for(slow):
    slow.click(5, 8)
    slow.press("o", "z")
    run(slow)
    assert [e.tool for e in bodies(slow, FrameEdited)] == ["points", "absent"]
    assert slow.mask(0)[8, 5], "the undo took the absence back, not the click"


def test_a_click_that_came_while_another_was_computed_keeps_its_preview(slow, monkeypatch):
    session, seen = slow.session, []
    predict = session.set_prompts

    def late_click(item_id, frame_idx, prompts):
        if not seen:
            seen.append(prompts)
            slow.click(20, 8)  # arrives while the model looks at the first one
        return predict(item_id, frame_idx, prompts)

    monkeypatch.setattr(session, "set_prompts", late_click)
    slow.click(5, 8)
    slow.runners.run("edits")
    assert [len(e.prompts) for e in bodies(slow, FrameEdited)] == [1, 2]
    assert not slow.now.stage.is_busy


def test_propagation_waits_for_the_clicks_before_it(slow):
    slow.click(10, 8)
    slow.press("f")
    assert not slow.runners.made["samnb-track"].waiting
    run(slow)
    assert sorted(slow.session.item(slow.item_id).frames) == list(range(6))


def test_progress_is_shown_frame_by_frame_with_the_time_left(following, tracker, clock):
    seen = []

    def look():
        clock.now_s += 2.0
        seen.append(following.now.progress)

    assert following.now.progress == Progress(0, 1, "Starting …")
    tracker.at = dict.fromkeys(range(6), look)
    run(following)
    assert seen[0] == Progress(0, 6, "Starting … 6 frames to go")
    assert seen[3] == Progress(3, 6, "3 of 6 frames · 2.0 s a frame, 6 s left")
    assert following.now.progress is None
    assert following.banner == "Done: 6 frames in 12.0 s, all kept"


def test_finished_frames_are_on_show_while_others_are_computed(following, tracker):
    shown = []
    tracker.at[4] = lambda: (following.press("Home", "d", "d"), shown.append(following.now))
    run(following)
    assert shown[0].view.frame_idx == 2 and len(shown[0].stage.masks) == 1
    (lane,) = shown[0].timeline.lanes
    assert [m.frame_idx for m in lane.marks] == [0, 1, 2, 3]


def test_cancelling_keeps_the_finished_frames(following, tracker):
    texts = []
    tracker.at[3] = lambda: (following.press("Escape"), texts.append(following.now.progress.text))
    run(following)
    assert texts == ["Stopping …"]
    assert sorted(following.session.item(following.item_id).frames) == [0, 1, 2]
    assert following.banner.startswith("Stopped: 3 frames")
    assert following.now.progress is None
    assert [e.status for e in bodies(following, PropagationEnded)] == ["cancelled"]
    following.press("f")
    tracker.at.clear()
    run(following)
    assert len(following.session.item(following.item_id).frames) == 6


def test_a_failing_model_keeps_the_finished_frames_and_frees_the_studio(following, tracker):
    tracker.fail_at = 3
    run(following)
    assert following.banner == "RuntimeError: out of memory"
    assert sorted(following.session.item(following.item_id).frames) == [0, 1, 2]
    assert following.now.progress is None and not following.now.view.is_running


def test_while_it_runs_clicks_are_refused_in_words_and_the_brush_works(following, tracker):
    said = []

    def meanwhile():
        following.press("End")
        following.click(20, 12)
        said.append(following.banner)
        following.press("f")
        said.append(following.banner)
        following.press("e")
        following.drag((3, 3), (5, 3))
        following.runners.run("edits")

    tracker.at[2] = meanwhile
    run(following)
    assert said == [
        "The model is following objects. Esc stops it; the brush works",
        "Propagation is running; Esc stops it",
    ]
    last = following.session.item(following.item_id).frames[5]
    assert last.origin == "brush", "propagation left the painted frame alone"
    assert following.mask(5)[3, 4] and not following.mask(5)[12, 20]


def test_only_the_chosen_object_is_followed_when_so_asked(ana):
    ana.click(10, 8)
    first = ana.item_id
    ana.press("n")
    ana.click(20, 12)
    ana.call("set_scope", True)
    ana.press("f")
    assert len(ana.session.item(ana.item_id).frames) == 6
    assert len(ana.session.item(first).frames) == 1
    ana.call("set_scope", False)
    ana.press("f")
    assert len(ana.session.item(first).frames) == 6


def test_it_follows_backward_from_the_frame_on_show(ana):
    ana.press("End")
    ana.click(10, 8)
    ana.press("a", "a", "b")
    assert sorted(ana.session.item(ana.item_id).frames) == [0, 1, 2, 3, 5]


def test_nothing_to_follow_is_said(ana):
    ana.press("n", "f")
    assert "click an object on some frame first" in ana.banner
    assert ana.now.progress is None


def test_escape_without_anything_running_says_nothing(ana):
    ana.press("Escape")
    assert not ana.banner


def test_a_phase_1_object_is_not_followed_and_the_page_says_why(ana):
    ana.call("set_new_phase", 1)
    ana.click(10, 8)
    assert ana.session.item(ana.item_id).item.phase == 1
    words = "object 1 is annotated in Phase 1 (SAM per frame): nothing is propagated"
    assert words in ana.now.no_propagation
    ana.press("f")
    assert words in ana.banner
    assert sorted(ana.session.item(ana.item_id).frames) == [0]
    assert ana.now.hint.startswith("Phase 1 (SAM per frame): D goes on")


def test_phase_2_follows_masks_and_keeps_its_clicks_on_show(ana, media):
    ana.call("set_new_phase", 2)
    ana.click(10, 8)
    ana.press("f")
    assert len(ana.session.item(ana.item_id).frames) == 6
    given = ana.session._tracking.open_track(media.id).prompts[1, 0]
    assert given.mask is not None
    assert ana.now.view.prompts == (Point(10, 8, 1),)


def test_what_was_looked_at_and_polling_wait_behind_edits(slow):
    slow.click(10, 8)
    slow.later.run()
    slow.later.run()
    assert "ana" in slow.session.state.cursors  # the new object was chosen at once
    assert slow.session.state.cursors["ana"].frame_idx == 0
    slow.press("d")
    slow.later.run()
    run(slow)
    assert slow.session.state.cursors["ana"].frame_idx == 1


def test_a_mask_is_there_after_the_first_click_even_if_the_frame_was_left(slow):
    slow.click(10, 8)
    slow.press("d")
    run(slow)
    assert np.count_nonzero(slow.mask(0)) == 25
