"""The main job by hand, in parts that Voila and JupyterLab share, and its proof in files."""

from __future__ import annotations

import json

from pycocotools import mask as coco

from samnb.exports.commands import export_project
from samnb.masks import ops
from samnb.synthetic import make_clip, write_video

SIZE_HW = (180, 320)
N_FRAMES = 12
CORRECTED = 6


def make_video(folder):
    """Write the little video; returns its path and the clip, which knows the truth."""
    clip = make_clip(3, size_hw=SIZE_HW, n_frames=N_FRAMES, n_objects=1, difficulty=0)
    return write_video(clip, folder / "clip.mp4"), clip


def inside_xy(clip, frame_idx):
    """A point well inside the object."""
    x, y, _ = ops.error_centre(clip.mask(1, frame_idx))
    return x, y


def click_object(hand, project, clip):
    """Click the object on the first frame and see its mask."""
    hand.wait_for_picture()
    bare = hand.pixels()
    hand.click(*inside_xy(clip, 0))
    (edit,) = project.wait_for("frame_edited")
    assert edit["frame_idx"] == 0 and edit["tool"] == "points" and edit["by"] == "ana"
    hand.wait_for_change(bare, 0.5 * clip.mask(1, 0).mean())


def propagate(hand, project, count=1):
    """Follow the object from the first frame to the last, as the ``count``-th run."""
    hand.press("Home", "f")
    assert project.wait_for("propagation_ended", count)[-1]["status"] == "done"
    hand.wait_for_text(".samnb-banner", "Done:")


def correct_a_frame(hand, project, clip):
    """Go to a frame in the middle and click there again."""
    hand.press("Home", *"d" * CORRECTED)
    hand.wait_for_text(".samnb-time", f"frame {CORRECTED}")
    hand.wait_for_text(".samnb-saved", "Saved ·")
    hand.click(*inside_xy(clip, CORRECTED))
    edit = project.wait_for("frame_edited", 2)[1]
    assert edit["frame_idx"] == CORRECTED


def submit_and_verify(hand, project):
    """Hand the object in, become somebody else and accept it."""
    hand.surface.focus()
    hand.press("Enter")
    (handed_in,) = project.wait_for("submitted")
    assert handed_in["by"] == "ana"
    name = hand.page.locator(".samnb-header .widget-text input")
    name.fill("bo")
    name.press("Enter")
    hand.wait_for_text(".samnb-banner", "You are bo now")
    hand.page.get_by_role("button", name="Verify", exact=True).click()
    hand.wait_for_text(".samnb-side", "handed in 12 frames, 2 by hand")
    hand.press("y")
    project.wait_for("judged")


def check_log(project):
    """The log says who did what, and how often."""
    tracked = {row["frame_idx"] for row in project.rows("frame_tracked")}
    assert tracked >= set(range(N_FRAMES)) - {0, CORRECTED}
    assert [row["frame_idx"] for row in project.rows("frame_edited")] == [0, CORRECTED]
    (verdict,) = project.rows("judged")
    assert verdict["verdict"]["kind"] == "satisfactory"
    assert verdict["by"] == verdict["verdict"]["worker_id"] == "bo"
    assert {row["by"] for row in project.rows("submitted")} == {"ana"}
    assert {row["worker"]["id"] for row in project.rows("worker_joined")} == {"ana", "bo"}


def check_export(project, clip):
    """The exported SA-V file holds the masklet that was seen."""
    written = export_project("sav", project.path, project.folder / "sav")
    assert written.n_masklets == 1
    (path,) = (project.folder / "sav").glob("*_manual.json")
    data = json.loads(path.read_text())
    assert (data["video_height"], data["video_width"]) == SIZE_HW
    assert data["masklet_num"] == 1 and data["masklet_type"] == ["manual"]
    assert data["masklet_frame_count"] == [N_FRAMES] == [len(data["masklet"])]
    assert data["masklet_edited_frame_count"] == [2]
    assert data["masklet_first_appeared_frame"] == [0]
    masks = [coco.decode(row[0]).astype(bool) for row in data["masklet"]]
    assert {mask.shape for mask in masks} == {SIZE_HW}
    truth = [clip.mask(1, idx) for idx in range(N_FRAMES)]
    ious = [(m & t).sum() / (m | t).sum() for m, t in zip(masks, truth, strict=True)]
    assert sum(ious) / N_FRAMES > 0.5, ious
