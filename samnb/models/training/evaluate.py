"""How well the model tracks held-out objects, and whether it notices when they are gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
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

MODES = ("mask", "click1", "click3")


@torch.no_grad()
def evaluate_tracking(
    model: Any,
    clips: Iterable[Clip],
    *,
    modes: Sequence[str] = MODES,
    with_flow: bool = False,
) -> dict[str, float]:
    """Track every object of clips from its first frame.

    Args:
        model: a `SAM2Base`.
        clips: clips of the model's image size, with all objects in the first frame.
        modes: prompts on the first frame, of `MODES`.
        with_flow: also follow the first mask by optical flow.

    Returns:
        Means over all later frames. For each mode `j_MODE`, `f_MODE` and `jf_MODE` (an absent
        object that is reported absent counts 1), `j_present_MODE` over frames that show the
        object, `gone_f1_MODE`, the F1 of finding absent frames, `back_f1_MODE`, the F1 of frames
        on which it is back, `dropped_MODE`, the share of visible frames called absent; for clicks
        `prompt_MODE`, the IoU on the first frame. The same for the baselines `copy`, the first
        mask on every frame, and `flow`. `absent`, the share of absent frames; `objects`.
    """
    unknown = set(modes) - set(MODES)
    if unknown:
        raise ValueError(f"modes: expected some of {MODES}, got {sorted(unknown)}")
    model.eval()
    absent: list[float] = []
    count = 0
    tallies = {mode: _Score() for mode in (*modes, "copy", *(("flow",) if with_flow else ()))}
    for clip in clips:
        truth = torch.from_numpy(clip.masks)
        count += truth.shape[1]
        absent += (~truth[1:].flatten(2).any(2)).float().flatten().tolist()
        tallies["copy"].add_clip(truth[:1].expand_as(truth), truth)
        if with_flow:
            tallies["flow"].add_clip(follow_flow(clip), truth)
        for mode, masks in _track_all(model, clip, modes, tallies).items():
            tallies[mode].add_clip(torch.from_numpy(masks), truth)
    scores = {"objects": float(count), "absent": float(np.mean(absent))}
    for mode, tally in tallies.items():
        scores |= tally.summary(mode)
    return scores


def follow_flow(clip: Clip) -> torch.Tensor:
    """The first masks moved along by optical flow: (T, N, S, S) bool.

    Iterative Lucas-Kanade between neighbouring frames at half resolution (scikit-image), each
    pixel of a new frame looking up where it came from.
    """
    from skimage.registration import optical_flow_ilk

    side = clip.frames.shape[1]
    tensor = torch.from_numpy(clip.frames).permute(0, 3, 1, 2).float().mean(1, keepdim=True) / 255
    grey = F.avg_pool2d(tensor, 2)[:, 0].numpy()
    eye = torch.eye(2, 3)[None]
    grid = F.affine_grid(eye, [1, 1, side, side], align_corners=False)
    moved = [torch.from_numpy(clip.masks[0])[None].float()]
    for before, after in pairwise(grey):
        rows, columns = optical_flow_ilk(after, before, radius=7)
        shift = torch.from_numpy(np.stack([columns, rows])).float()[None] * 4 / side
        fine = F.interpolate(shift, (side, side), mode="bilinear").permute(0, 2, 3, 1)
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


def _start(
    session: MemorySession, obj_id: int, truth: BoolMask, mode: str, tally: _Score
) -> BoolMask:
    """Prompt an object on the first frame; clicks go where a careful person would click."""
    if mode == "mask":
        return session.set_prompts(obj_id, 0, FramePrompts(mask=truth)).mask
    mask = np.zeros_like(truth)
    xy: list[tuple[int, int]] = []
    labels: list[int] = []
    for _ in range(3 if mode == "click3" else 1):
        if np.array_equal(mask, truth):
            break
        x, y, label = error_centre(truth, mask)
        xy.append((x, y))
        labels.append(label)
        prompts = FramePrompts(np.array(xy, np.float32), np.array(labels, np.int32))
        mask = session.set_prompts(obj_id, 0, prompts).mask
    tally.prompt.append(float((mask & truth).sum() / max(int((mask | truth).sum()), 1)))
    return mask


def _track_all(
    model: Any, clip: Clip, modes: Sequence[str], tallies: Mapping[str, _Score]
) -> dict[str, NDArray[np.bool_]]:
    """Masks (T, N, S, S) of all objects by mode, tracked as in use."""
    length, count = clip.masks.shape[:2]
    limits = Limits(cached_frames=length)
    session = MemorySession(Sam2Backend(model, device="cpu"), _Frames(clip.frames), limits)
    found = {mode: np.zeros_like(clip.masks) for mode in modes}
    ids: dict[int, tuple[str, int]] = {}
    for mode in modes:
        for n in range(count):
            ids[len(ids)] = mode, n
            found[mode][0, n] = _start(session, len(ids) - 1, clip.masks[0, n], mode, tallies[mode])
    for t, predictions in session.propagate(start=0, stop=length - 1):
        for obj_id, prediction in predictions.items():
            mode, n = ids[obj_id]
            found[mode][t, n] = prediction.mask
    session.close()
    return found


@dataclass(frozen=True, eq=False)
class _Frames:
    """Frames of a clip, (T, S, S, 3) uint8, as a session reads them."""

    frames: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def size_hw(self) -> tuple[int, int]:
        return self.frames.shape[1], self.frames.shape[2]

    def frame(self, position: int) -> NDArray[np.uint8]:
        return self.frames[position]
