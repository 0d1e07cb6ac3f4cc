"""One step of SAM 2, with gradients and for many objects at once.

The predictor of `sam2` follows one object at a time and keeps no gradient. Training and
evaluation need the same arithmetic on cached features and for a batch of objects, so the step is
spelled out here on the model's own modules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from samnb.models.backend import GONE_LOGIT
from samnb.models.refining import PREVIOUS_LIMIT
from samnb.models.secondlook import look_again
from samnb.models.training.clips import Clip
from samnb.models.training.cutouts import PIXEL_MEAN, PIXEL_STD


@dataclass(frozen=True, eq=False)
class EncodedClip:
    """Feature maps of a clip and its truth.

    Attributes:
        maps: strides 4, 8 and 16, each (T, C, h, w) float16; the first two already reduced by
            the mask decoder's own convolutions.
        masks: (T, N, S, S) bool.
        is_open: the last map is what the trunk's last stage starts from, for that stage learns.
    """

    maps: tuple[torch.Tensor, ...]
    masks: torch.Tensor
    is_open: bool = False


@dataclass(eq=False)
class StepOutput:
    """What one frame gave for B objects.

    Attributes:
        logits: (B, M, h, w) raw mask logits of all candidates; empty M for mask prompts.
        ious: (B, M) predicted quality.
        chosen: (B, 1, h, w) logits of the best candidate, pushed far down where gone.
        score: (B, 1) presence logits.
        entry: what the memory bank keeps of the frame.
        again: of the second look that `chosen` then comes from, (B,) predicted quality and (B,)
            bool, the objects for which it counts; None where a prompt spoke.
    """

    logits: torch.Tensor
    ious: torch.Tensor
    chosen: torch.Tensor
    score: torch.Tensor
    entry: dict[str, Any]
    again: tuple[torch.Tensor, torch.Tensor] | None = None


def normalise(frames: np.ndarray[Any, np.dtype[np.uint8]]) -> torch.Tensor:
    """Frames (T, S, S, 3) uint8 to (T, 3, S, S) float32 as the model expects them."""
    tensor = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    mean = torch.tensor(PIXEL_MEAN)[:, None, None]
    return (tensor - mean) / torch.tensor(PIXEL_STD)[:, None, None]


@torch.no_grad()
def encode_clip(model: Any, clip: Clip, chunk: int = 4, *, is_open: bool = False) -> EncodedClip:
    """Run the image encoder over a clip whose frames have the model's image size.

    With `is_open` it stops before the trunk's last stage.
    """
    maps: list[list[torch.Tensor]] = [[], [], []]
    for part in normalise(clip.frames).split(chunk):
        out = model.begin_image(part) if is_open else model.forward_image(part)["backbone_fpn"]
        for level, value in zip(maps, out, strict=True):
            level.append(value.half())
    joined = tuple(torch.cat(level) for level in maps)
    return EncodedClip(joined, torch.from_numpy(clip.masks), is_open)


@dataclass(frozen=True, eq=False)
class ClipFrames:
    """Frames of a clip as a session reads them.

    Attributes:
        frames: (T, S, S, 3) uint8.
        name: tells the clip from others, for sessions that share encoded frames.
    """

    frames: NDArray[np.uint8]
    name: str

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.frames.shape[1], self.frames.shape[2]

    def frame(self, index: int) -> NDArray[np.uint8]:
        """One frame, (S, S, 3) uint8."""
        return self.frames[index]

    def frame_key(self, index: int) -> str:
        """Names a frame among those of all clips."""
        return f"{self.name}:{index}"


class ObjectBatch:
    """B objects of one or more encoded clips, frame by frame, with their memory bank."""

    def __init__(self, model: Any, clips: list[tuple[EncodedClip, list[int], list[int]]]) -> None:
        """Gather objects.

        Args:
            model: a `SAM2Base` of the image size that the clips were encoded for.
            clips: (clip, indices of its frames in playing order, indices of its objects); the
                frame lists have one length.
        """
        self.model = model
        self._clips = clips
        self.length = len(clips[0][1])
        self.size = sum(len(objects) for _, _, objects in clips)
        self.truth = torch.cat(
            [c.masks[torch.tensor(f)][:, torch.tensor(o)] for c, f, o in clips], dim=1
        )
        self.bank: dict[str, dict[int, Any]] = {
            "cond_frame_outputs": {},
            "non_cond_frame_outputs": {},
        }
        self._tops = [
            model.finish_image(c.maps[-1][f].float()) if c.is_open else c.maps[-1][f].float()
            for c, f, _ in clips
        ]
        grid = model.image_size // 16
        encoding = model.image_encoder.neck.position_encoding
        probe = torch.zeros(1, model.hidden_dim, grid, grid)
        self._position = encoding(probe).flatten(2).permute(2, 0, 1)

    def maps(self, t: int) -> list[torch.Tensor]:
        """Plain feature maps of frame `t`, strides 4, 8 and 16, each (B, C, h, w) float32."""
        found = [
            (c.maps[0][f[t]].float(), c.maps[1][f[t]].float(), top[t])
            for (c, f, _), top in zip(self._clips, self._tops, strict=True)
        ]
        counts = [len(objects) for _, _, objects in self._clips]
        return [
            torch.cat([one.expand(n, -1, -1, -1) for one, n in zip(level, counts, strict=True)])
            for level in zip(*found, strict=True)
        ]

    def step(
        self,
        t: int,
        *,
        first: bool,
        points: tuple[torch.Tensor, torch.Tensor] | None = None,
        mask: torch.Tensor | None = None,
        feedback: torch.Tensor | None = None,
        reverse: bool = False,
        remember: bool = True,
    ) -> StepOutput:
        """Predict frame `t`.

        Args:
            t: frame, counted in playing order.
            first: the frame starts a track: no memory is read.
            points: (B, P, 2) pixels and (B, P) labels.
            mask: (B, 1, S, S) float mask prompt; taken over as it is.
            feedback: (B, 1, h, w) earlier logits of this frame, shown along with clicks.
            reverse: time runs backwards.
            remember: also encode the result into a memory.
        """
        model = self.model
        maps = self.maps(t)
        top = maps[-1].flatten(2).permute(2, 0, 1)
        grid = maps[-1].shape[-2:]
        if mask is not None:
            out = model._use_mask_as_output(maps[-1], maps[:2], mask)
            empty = out[3][:, :0]
            result = StepOutput(empty, out[2][:, :0], out[3], out[6], {"obj_ptr": out[5]})
        else:
            fused = model._prepare_memory_conditioned_features(
                frame_idx=t,
                is_init_cond_frame=first,
                current_vision_feats=[top],
                current_vision_pos_embeds=[self._position.expand(-1, self.size, -1)],
                feat_sizes=[grid],
                output_dict=self.bank,
                # Pointer ages are scaled by this number: keep to the scale of long videos.
                num_frames=max(self.length, model.max_obj_ptrs_in_encoder),
                track_in_reverse=reverse,
            )
            single = points is not None and points[1].shape[1] == 1
            result = _heads(model, fused, maps[:2], points, feedback, multimask=first and single)
            plain = maps[-1] + model.no_mem_embed.reshape(1, -1, 1, 1)
            if points is not None and not first:
                # Clicks on a tracked frame refine its mask on the plain picture, as in use.
                clicked = _heads(model, plain, maps[:2], points, feedback, multimask=False)
                result.logits = result.chosen = clicked.logits[:, :1]
                result.ious = clicked.ious
            elif points is None:
                found = result.score[:, 0] > 0
                result.chosen, *again = look_again(model, plain, maps[:2], result.chosen, found)
                result.again = again[0], again[1]
        if remember:
            self.remember(t, result, maps[-1])
        return result

    def remember(self, t: int, result: StepOutput, embedding: torch.Tensor | None = None) -> None:
        """Encode a result into the entry that the memory bank will hold."""
        model = self.model
        if embedding is None:
            embedding = self.maps(t)[-1]
        full = F.interpolate(result.chosen, (model.image_size,) * 2, mode="bilinear")
        features, position = model._encode_new_memory(
            current_vision_feats=[embedding.flatten(2).permute(2, 0, 1)],
            feat_sizes=[embedding.shape[-2:]],
            pred_masks_high_res=full,
            object_score_logits=result.score,
            is_mask_from_pts=False,
        )
        result.entry["maskmem_features"] = features
        result.entry["maskmem_pos_enc"] = position

    def keep(self, t: int, result: StepOutput, *, prompted: bool) -> None:
        """Put a frame into the bank: prompted frames stay, others slide out of reach."""
        if prompted:
            self.bank["cond_frame_outputs"][t] = result.entry
            self.bank["non_cond_frame_outputs"].pop(t, None)
        elif t not in self.bank["cond_frame_outputs"]:
            self.bank["non_cond_frame_outputs"][t] = result.entry


def _heads(
    model: Any,
    embedding: torch.Tensor,
    fine: list[torch.Tensor],
    points: tuple[torch.Tensor, torch.Tensor] | None,
    feedback: torch.Tensor | None,
    *,
    multimask: bool,
) -> StepOutput:
    count = len(embedding)
    if points is None:
        # SAM reads "no click" as one padding point, label -1.
        points = (torch.zeros(count, 1, 2), -torch.ones(count, 1, dtype=torch.int32))
    if feedback is not None:
        feedback = feedback.clamp(-PREVIOUS_LIMIT, PREVIOUS_LIMIT)
    sparse, dense = model.sam_prompt_encoder(points=points, boxes=None, masks=feedback)
    logits, ious, tokens, score = model.sam_mask_decoder(
        image_embeddings=embedding,
        image_pe=model.sam_prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=multimask,
        repeat_image=False,
        high_res_features=fine,
    )
    rows = torch.arange(count)
    best = logits[rows, ious.argmax(1)][:, None]
    present = score > 0
    # The gate is hard, as at inference; losses look at the logits before it.
    chosen = torch.where(present[..., None, None], best, torch.full_like(best, GONE_LOGIT))
    weight = present.float()
    pointer = weight * model.obj_ptr_proj(tokens[:, 0]) + (1 - weight) * model.no_obj_ptr
    return StepOutput(logits, ious, chosen, score, {"obj_ptr": pointer})
