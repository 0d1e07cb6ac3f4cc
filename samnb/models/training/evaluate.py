"""How well the model tracks held-out objects, and whether it notices when they are gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from samnb.metrics.jf import frame_jf
from samnb.models.likeness import Look, look_at, recognise
from samnb.models.training.clips import Clip
from samnb.models.training.common import mask_iou
from samnb.models.training.prompts import click_inside, correction_click, join
from samnb.models.training.tracking import EncodedClip, ObjectBatch, StepOutput, encode_clip

MODES = ("mask", "click1", "click3")


@torch.no_grad()
def evaluate_tracking(
    model: Any,
    clips: Iterable[Clip],
    *,
    modes: Sequence[str] = MODES,
    with_flow: bool = False,
    seed: int = 7,
) -> dict[str, float]:
    """Track every object of clips from its first frame.

    Args:
        model: a `SAM2Base`.
        clips: clips of the model's image size, with all objects in the first frame.
        modes: prompts on the first frame, of `MODES`.
        with_flow: also follow the first mask by optical flow.
        seed: of what is random in prompts.

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
    rng = np.random.default_rng(seed)
    absent: list[float] = []
    count = 0
    tallies = {mode: _Score() for mode in (*modes, "copy", *(("flow",) if with_flow else ()))}
    for clip in clips:
        encoded = encode_clip(model, clip)
        truth = encoded.masks
        count += truth.shape[1]
        absent += (~truth[1:].flatten(2).any(2)).float().flatten().tolist()
        tallies["copy"].add_clip(truth[:1].expand_as(truth), truth)
        if with_flow:
            tallies["flow"].add_clip(follow_flow(clip), truth)
        for mode in modes:
            tracks = [
                _track(model, encoded, n, mode, tallies[mode], rng) for n in range(truth.shape[1])
            ]
            tallies[mode].add_clip(torch.cat(tracks, 1), truth)
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


def _track(
    model: Any, encoded: EncodedClip, number: int, mode: str, tally: _Score, rng: Any
) -> torch.Tensor:
    """Masks (T, 1, S, S) bool of an object, empty where the model says that it is absent.

    As in use: a mask that does not look like the object is taken away.
    """
    length = len(encoded.masks)
    batch = ObjectBatch(model, [(encoded, list(range(length)), [number])])
    start = _prompt(batch, mode, tally, rng)
    batch.keep(0, start, prompted=True)
    likeness = getattr(model, "likeness", None)
    first, recent = look_at(batch.maps(0), start.chosen), dict[int, Look]()
    found = [_full(start, encoded)]
    for t in range(1, length):
        out = batch.step(t, first=False)
        mask = _full(out, encoded) & (out.score > 0)[..., None]
        if likeness is not None:
            look = look_at(batch.maps(t), out.chosen)
            near = [seen for at, seen in recent.items() if t - at < model.max_obj_ptrs_in_encoder]
            said = recognise(likeness, look, [first], near)
            mask &= not said.is_absent
            if said.is_trusted:
                recent[t] = look
        if likeness is None or t in recent:
            batch.keep(t, out, prompted=False)
        found.append(mask)
    return torch.stack(found)


def _prompt(batch: ObjectBatch, mode: str, tally: _Score, rng: Any) -> StepOutput:
    truth = batch.truth[0]
    if mode == "mask":
        return batch.step(0, first=True, mask=truth[:, None].float())
    points = click_inside(truth, rng, centre=True)
    out = batch.step(0, first=True, points=points, remember=False)
    for _ in range(2 if mode == "click3" else 0):
        guess = F.interpolate(out.chosen, truth.shape[-2:], mode="bilinear")[:, 0] > 0
        points = join(points, correction_click(truth, guess, rng, centre=True))
        out = batch.step(0, first=True, points=points, feedback=out.chosen, remember=False)
    guess = F.interpolate(out.chosen, truth.shape[-2:], mode="bilinear")[:, 0] > 0
    tally.prompt += mask_iou(guess, truth).tolist()
    batch.remember(0, out)
    return out


def _full(out: StepOutput, encoded: EncodedClip) -> torch.Tensor:
    side = encoded.masks.shape[-2:]
    return F.interpolate(out.chosen, side, mode="bilinear")[:, 0] > 0
