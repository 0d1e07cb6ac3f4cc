"""How well the model tracks held-out objects, and whether it notices when they are gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from samnb.masks.ops import error_centre
from samnb.metrics.jf import frame_jf
from samnb.models.base import BoolMask, FramePrompts
from samnb.models.memory import Limits
from samnb.models.memory_session import MemorySession
from samnb.models.sam2 import Sam2Backend
from samnb.models.training.clips import Clip
from samnb.models.training.common import mask_iou
from samnb.models.training.tracking import ClipFrames

MODES = ("mask", "click1", "click3")
ROUND_CLICKS = 3
"""Clicks on a corrected frame (SAM 2 paper, section 6.1)."""
_CLICKS = {"click1": 1, "click3": 3}


@torch.no_grad()
def evaluate_tracking(
    model: Any,
    clips: Iterable[Clip],
    *,
    modes: Sequence[str] = MODES,
    with_flow: bool = False,
    rounds: Collection[int] = (),
    round_clicks: int = ROUND_CLICKS,
) -> dict[str, float]:
    """Track every object of clips from its first frame.

    Args:
        model: a `SAM2Base`.
        clips: clips with all objects in the first frame; filmed ones may have any size.
        modes: prompts on the first frame, of `MODES`.
        with_flow: also follow the first mask by optical flow.
        rounds: after how many rounds of correction to measure, too. In each round every object is
            clicked on where it is worst, on a frame that was not prompted yet, and tracked again
            from the first frame on (SAM 2 paper, section 6.1, the offline evaluation).
        round_clicks: clicks on such a frame, each at the centre of the larger error.

    Returns:
        Means over all later frames. For each mode `j_MODE`, `f_MODE` and `jf_MODE` (an absent
        object that is reported absent counts 1), `j_present_MODE` over frames that show the
        object, `gone_f1_MODE`, the F1 of finding absent frames, `back_f1_MODE`, the F1 of frames
        on which it is back, `dropped_MODE`, the share of visible frames called absent; for clicks
        `prompt_MODE`, the IoU on the first frame. The same after N rounds of correction as
        `jf_MODE_roundN`, prompted frames included, and for the baselines `copy`, the first mask on
        every frame, and `flow`. `absent`, the share of absent frames; `objects`.

    Raises:
        ValueError: unknown modes, a number of rounds or clicks below 1, or no clips.
    """
    unknown = set(modes) - set(MODES)
    if unknown:
        raise ValueError(f"modes: expected some of {MODES}, got {sorted(unknown)}")
    if min((*rounds, round_clicks)) < 1:
        raise ValueError(
            f"rounds, round_clicks: expected 1 or more, got {sorted(rounds)}, {round_clicks}"
        )
    model.eval()
    absent: list[float] = []
    count = 0
    tallies = {_name(mode, done): _Score() for done in (0, *sorted(rounds)) for mode in modes}
    tallies |= {name: _Score() for name in ("copy", *(("flow",) if with_flow else ()))}
    for clip in clips:
        truth = torch.from_numpy(clip.masks)
        count += truth.shape[1]
        absent += (~truth[1:].flatten(2).any(2)).float().flatten().tolist()
        tallies["copy"].add_clip(truth[:1].expand_as(truth), truth)
        if with_flow:
            tallies["flow"].add_clip(follow_flow(clip), truth)
        for name, masks in _track_all(
            model, clip, modes, tallies, rounds=rounds, round_clicks=round_clicks
        ):
            tallies[name].add_clip(torch.from_numpy(masks), truth)
    if not count:
        raise ValueError("clips: expected at least one object, got none")
    scores = {"objects": float(count), "absent": float(np.mean(absent))}
    for name, tally in tallies.items():
        scores |= tally.summary(name)
    return scores


def follow_flow(clip: Clip) -> torch.Tensor:
    """The first masks moved along by optical flow: (T, N, S, S) bool.

    Iterative Lucas-Kanade between neighbouring frames at half resolution (scikit-image), each
    pixel of a new frame looking up where it came from.
    """
    from skimage.registration import optical_flow_ilk

    height, width = clip.frames.shape[1:3]
    tensor = torch.from_numpy(clip.frames).permute(0, 3, 1, 2).float().mean(1, keepdim=True) / 255
    grey = F.avg_pool2d(tensor, 2)[:, 0].numpy()
    eye = torch.eye(2, 3)[None]
    grid = F.affine_grid(eye, [1, 1, height, width], align_corners=False)
    pixels = torch.tensor([4 / width, 4 / height])[:, None, None]
    moved = [torch.from_numpy(clip.masks[0])[None].float()]
    for before, after in pairwise(grey):
        rows, columns = optical_flow_ilk(after, before, radius=7)
        shift = torch.from_numpy(np.stack([columns, rows])).float() * pixels
        fine = F.interpolate(shift[None], (height, width), mode="bilinear").permute(0, 2, 3, 1)
        moved.append(F.grid_sample(moved[-1], grid + fine, align_corners=False))
    return torch.cat(moved) > 0.5


class _Score:
    """What was right and wrong on the frames after the first."""

    def __init__(self) -> None:
        self.j: list[float] = []
        self.f: list[float] = []
        self.j_present: list[float] = []
        self.prompt: list[float] = []
        self.gone = np.zeros(3, int)  # hits, misses, false alarms
        self.back = np.zeros(3, int)
        self.kept = 0

    def add_clip(self, found: torch.Tensor, truth: torch.Tensor) -> None:
        """Count masks (T, N, S, S) bool, the first frame left out."""
        seen, there = (masks.flatten(2).any(2).numpy() for masks in (found, truth))
        for t in range(1, len(truth)):
            for n in range(truth.shape[1]):
                j, f = frame_jf(truth[t, n].numpy(), found[t, n].numpy())
                self.j.append(j)
                self.f.append(f)
                if there[t, n]:
                    self.j_present.append(j)
        was_gone = np.cumsum(~there, axis=0) > 0
        self.gone += _hits(~seen[1:], ~there[1:])
        # Back means: visible again after an absence.
        self.back += _hits(seen[1:] & was_gone[1:], there[1:] & was_gone[1:])
        self.kept += int((seen[1:] & there[1:]).sum())

    def summary(self, mode: str) -> dict[str, float]:
        """The figures of `evaluate_tracking` for one mode."""
        j, f = float(np.mean(self.j)), float(np.mean(self.f))
        out = {
            f"jf_{mode}": (j + f) / 2,
            f"j_{mode}": j,
            f"f_{mode}": f,
            f"j_present_{mode}": float(np.mean(self.j_present)) if self.j_present else 1.0,
            f"gone_f1_{mode}": _f1(self.gone),
            f"back_f1_{mode}": _f1(self.back),
            f"dropped_{mode}": float(self.gone[2] / max(self.gone[2] + self.kept, 1)),
        }
        if self.prompt:
            out[f"prompt_{mode}"] = float(np.mean(self.prompt))
        return out


def _hits(said: NDArray[np.bool_], true: NDArray[np.bool_]) -> NDArray[np.int_]:
    return np.array([(said & true).sum(), (~said & true).sum(), (said & ~true).sum()])


def _f1(counts: NDArray[np.int_]) -> float:
    hits, misses, alarms = (int(c) for c in counts)
    return 2 * hits / max(2 * hits + misses + alarms, 1)


@dataclass(eq=False)
class _Track:
    """One object followed from one kind of prompt.

    Attributes:
        obj_id: in the session.
        truth: (T, S, S) bool.
        found: (T, S, S) bool, the masks of the latest propagation.
        prompted: frames that were prompted.
    """

    obj_id: int
    mode: str
    truth: NDArray[np.bool_]
    found: NDArray[np.bool_]
    prompted: set[int]

    def start(self, session: MemorySession, tally: _Score) -> None:
        """Prompt the first frame; clicks go where a careful person would click."""
        truth = self.truth[0]
        if self.mode == "mask":
            mask = session.set_prompts(self.obj_id, 0, FramePrompts(mask=truth)).mask
        else:
            mask = self.click(session, 0, np.zeros_like(truth), _CLICKS[self.mode])
            union = int((mask | truth).sum())
            tally.prompt.append(float((mask & truth).sum() / max(union, 1)))
        self.found[0] = mask

    def correct(self, session: MemorySession, clicks: int) -> bool:
        """Click on the worst frame that was not prompted yet; False when none is wrong."""
        ious = mask_iou(torch.from_numpy(self.truth), torch.from_numpy(self.found)).tolist()
        left = [t for t, iou in enumerate(ious) if t not in self.prompted and iou < 1]
        if not left:
            return False
        worst = min(left, key=lambda t: ious[t])
        self.click(session, worst, self.found[worst], clicks)
        return True

    def click(self, session: MemorySession, position: int, mask: BoolMask, most: int) -> BoolMask:
        """Click at centres of errors, `most` times or until nothing is wrong."""
        truth = self.truth[position]
        xy: list[tuple[int, int]] = []
        labels: list[int] = []
        while len(xy) < most and not np.array_equal(mask, truth):
            x, y, label = error_centre(truth, mask)
            xy.append((x, y))
            labels.append(label)
            prompts = FramePrompts(np.array(xy, np.float32), np.array(labels, np.int32))
            mask = session.set_prompts(self.obj_id, position, prompts).mask
        self.prompted.add(position)
        return mask


def _track_all(
    model: Any,
    clip: Clip,
    modes: Sequence[str],
    tallies: Mapping[str, _Score],
    *,
    rounds: Collection[int],
    round_clicks: int,
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Masks (T, N, S, S) of all objects by mode, tracked as in use, and by round of correction."""
    length, count = clip.masks.shape[:2]
    limits = Limits(cached_frames=length)
    frames = ClipFrames(clip.frames, "")
    with closing(MemorySession(Sam2Backend(model, device="cpu"), frames, limits)) as session:
        tracks = [
            _Track(i, mode, clip.masks[:, n], np.zeros_like(clip.masks[:, n]), {0})
            for i, (mode, n) in enumerate(product(modes, range(count)))
        ]
        for track in tracks:
            track.start(session, tallies[track.mode])
        _propagate(session, tracks)
        for done in range(max(rounds, default=0) + 1):
            if done:
                changed = [t for t in tracks if t.correct(session, round_clicks)]
                _propagate(session, changed)
            if done in {0, *rounds}:
                for mode in modes:
                    found = [t.found for t in tracks if t.mode == mode]
                    yield _name(mode, done), np.stack(found, axis=1)


def _propagate(session: MemorySession, tracks: Sequence[_Track]) -> None:
    """Track objects from the first frame to the last."""
    if not tracks:
        return
    by_id = {track.obj_id: track for track in tracks}
    last = len(tracks[0].truth) - 1
    for t, predictions in session.propagate(start=0, stop=last, obj_ids=list(by_id)):
        for obj_id, prediction in predictions.items():
            by_id[obj_id].found[t] = prediction.mask


def _name(mode: str, done: int) -> str:
    """What the figures of a mode are called after so many rounds."""
    return f"{mode}_round{done}" if done else mode
