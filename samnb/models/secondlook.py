"""A second look at tracked frames: the model clicks on what its memory has found.

Memory tells where an object is in cells of 16 pixels; the mask that comes out of that alone follows
the cells. The same decoder, clicked on a plain picture, follows edges. So a frame without prompts
is decoded twice: first with memory, which decides whether the object is there and where, then as a
still picture with a click in the middle of the first mask and that mask as a prompt. Clicks of a
person on a tracked frame go the same way. On synthetic
test clips this took J of a half-trained memory from 0.42 to 0.56; it costs one more pass of the
decoder, some milliseconds an object.
"""

from __future__ import annotations

from typing import Any

import torch
from sam2.sam2_video_predictor import SAM2VideoPredictor
from torch import Tensor
from torch.nn import functional as F

from samnb.masks.ops import error_centre
from samnb.models.faststeps import FastSteps
from samnb.models.refining import PREVIOUS_LIMIT

# A click on the wrong place can light up a whole wall. A second mask that hardly overlaps the first
# is not an edge found but another thing; on synthetic clips the limit costs nothing.
_LEAST_OVERLAP = 0.2


def look_again(
    model: Any, embedding: Tensor, fine: list[Tensor], first: Tensor, present: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Decode the masks of tracked objects again, each with a click in its middle.

    Args:
        model: a `SAM2Base`.
        embedding: (B, C, h, w) plain image embedding, without memory.
        fine: feature maps of higher resolution, as the mask decoder takes them.
        first: (B, 1, 4h, 4w) mask logits of the first look.
        present: (B,) bool, the objects that were found.

    Returns:
        (B, 1, 4h, 4w) logits, those of the first look where there was nothing to click on or
        something else came up; (B,) predicted IoU; (B,) bool, the objects whose second look counts.
    """
    side = model.image_size / first.shape[-1]
    points, looked = [], []
    for mask, there in zip((first.detach()[:, 0] > 0).cpu().numpy(), present.tolist(), strict=True):
        can_click = bool(there and mask.any())
        x, y, _ = error_centre(mask) if can_click else (0, 0, 0)
        points.append([[(x + 0.5) * side, (y + 0.5) * side]])
        looked.append(can_click)
    seen = torch.tensor(looked, device=first.device)
    # SAM reads label -1 as "no click".
    labels = torch.where(seen, 1, -1).to(torch.int32)[:, None]
    masks, ious = _decode(
        model,
        embedding,
        fine,
        (torch.tensor(points, device=first.device), labels),
        first.float().clamp(-PREVIOUS_LIMIT, PREVIOUS_LIMIT),
    )
    before, after = first[:, 0] > 0, masks[:, 0] > 0
    common = (before & after).flatten(1).sum(1)
    kept = seen & (common >= _LEAST_OVERLAP * (before | after).flatten(1).sum(1))
    again = torch.where(kept[:, None, None, None], masks.to(first.dtype), first)
    return again, ious[:, 0], kept


def _decode(
    model: Any,
    embedding: Tensor,
    fine: list[Tensor],
    points: tuple[Tensor, Tensor],
    masks: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The single mask (B, 1, 4h, 4w) of clicks and mask prompts, and its quality (B, 1)."""
    sparse, dense = model.sam_prompt_encoder(points=points, boxes=None, masks=masks)
    logits, ious, _, _ = model.sam_mask_decoder(
        image_embeddings=embedding,
        image_pe=model.sam_prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=False,
        repeat_image=False,
        high_res_features=fine,
    )
    return logits, ious


def _with_middle(
    coords: Tensor, labels: Tensor, previous: Tensor, image_size: int
) -> tuple[Tensor, Tensor]:
    """Add a click in the middle of the mask that is corrected, where a person has only said
    what is not the object.

    The decoder hardly hears a mask prompt without a click on the object: told only what is too
    much, it lights up anything else. The middle is as far as can be from what was clicked away.

    Args:
        coords: (B, N, 2) x and y at model size.
        labels: (B, N), 1 on the object, 0 off it, -1 for no click.
        previous: (B, 1, h, w) logits of the mask that is corrected.
        image_size: side of the model's picture in pixels.

    Returns:
        (B, N + 1, 2) and (B, N + 1); the added label is -1 where nothing is added.
    """
    side = image_size / previous.shape[-1]
    places, added = [], []
    for mask, xy, label in zip(
        (previous[:, 0] > 0).cpu().numpy(), coords.cpu().numpy(), labels.cpu().numpy(), strict=True
    ):
        off = (xy[label == 0] / side).astype(int).clip(0, mask.shape[0] - 1)
        mask[off[:, 1], off[:, 0]] = False
        is_missing = bool(mask.any()) and 1 not in label
        x, y, _ = error_centre(mask) if is_missing else (0, 0, 0)
        places.append([[(x + 0.5) * side, (y + 0.5) * side]])
        added.append([1 if is_missing else -1])
    return (
        torch.cat([coords, torch.tensor(places).to(coords)], 1),
        torch.cat([labels, torch.tensor(added).to(labels)], 1),
    )


class _SecondLook(FastSteps):
    """A `SAM2Base` that looks twice at tracked frames."""

    def _track_step(
        self,
        frame_idx: int,
        is_init_cond_frame: bool,
        current_vision_feats: list[Tensor],
        current_vision_pos_embeds: list[Tensor],
        feat_sizes: list[tuple[int, int]],
        point_inputs: Any,
        mask_inputs: Any,
        output_dict: Any,
        num_frames: int,
        track_in_reverse: bool,
        prev_sam_mask_logits: Tensor | None,
    ) -> Any:
        current, heads, fine, fused = super()._track_step(
            frame_idx,
            is_init_cond_frame,
            current_vision_feats,
            current_vision_pos_embeds,
            feat_sizes,
            point_inputs,
            mask_inputs,
            output_dict,
            num_frames,
            track_in_reverse,
            prev_sam_mask_logits,
        )
        if mask_inputs is not None:
            return current, heads, fine, fused
        top = current_vision_feats[-1] + self.no_mem_embed
        plain = top.permute(1, 2, 0).reshape(fused.shape)
        if point_inputs is not None:
            if not is_init_cond_frame:
                heads = self._correct(plain, fine, heads, point_inputs, prev_sam_mask_logits)
        else:
            multi, _, ious, low, _, pointer, score = heads
            low, quality, seen = look_again(self, plain, fine, low, score[:, 0] > 0)
            ious = torch.where(seen[:, None], quality[:, None], ious)
            high = F.interpolate(low, (self.image_size,) * 2, mode="bilinear", align_corners=False)
            heads = (multi, high, ious, low, high, pointer, score)
        return current, heads, fine, fused

    def _correct(
        self, plain: Tensor, fine: Any, heads: Any, points: Any, previous: Tensor | None
    ) -> Any:
        """A person's clicks on a tracked frame refine its mask on the plain picture.

        What memory knows comes in through the mask that they correct. Whoever clicks on an object
        says that it is there, so presence cannot blank the mask; pointer and score stay those
        that memory gave.
        """
        clicks = points["point_coords"], points["point_labels"]
        if previous is not None:
            clicks = _with_middle(*clicks, previous, self.image_size)
        masks, ious = _decode(self, plain, fine, clicks, previous)
        *_, pointer, score = heads
        high = F.interpolate(masks, (self.image_size,) * 2, mode="bilinear", align_corners=False)
        return masks, high, ious, masks, high, pointer, score


class MobileSam2(_SecondLook):
    """The plain model."""


class MobileSam2VideoPredictor(_SecondLook, SAM2VideoPredictor):
    """The model with the video predictor of the `sam2` package."""
