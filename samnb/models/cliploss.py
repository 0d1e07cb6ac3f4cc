"""A clip played through SAM 2 with simulated prompts, and what it got wrong.

Everything runs through ``SAM2Base``'s own tracking step, on features that are encoded
already, for several objects in one batch. Only the losses are ours: focal and dice on
the masks, the error of the predicted IoU, and cross entropy on presence, as SAM 2 is
trained (paper, appendix on training). One is added: SAM 2 leaves the mask of an absent
object free, since presence blanks it. Where presence is unsure that is not enough, and a
few steps of fine-tuning then light up a fifth of the picture while the object is away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from samnb.models.backend import Features
from samnb.models.refining import PREVIOUS_LIMIT
from samnb.models.training.common import candidate_losses
from samnb.models.training.prompts import Points, box_around, click_inside, correction_click, join

CORRECTED_SHARE: Final = 0.5
"""Share of clips in which a second frame is prompted; the paper prompts up to two."""

CENTRED_SHARE: Final = 0.5
"""Share of clicks that are in the middle, of the object or of the larger error, as people click;
the others are anywhere in there."""


@dataclass(slots=True, eq=False)
class _Answer:
    """What the model said about B objects on one frame.

    Attributes:
        logits: (B, M, h, w) of all candidates, before absent objects are blanked.
        ious: (B, M) predicted quality.
        score: (B, 1) presence logits.
        low: (B, 1, h, w) logits of the chosen candidate, blanked where absent.
        high: (B, 1, S, S) the same at model size.
        pointer: (B, C).
        again: logits (B, 1, h, w) and quality (B, 1) of a second look, for models that take one
            (:mod:`samnb.models.secondlook`).
    """

    logits: Tensor
    ious: Tensor
    score: Tensor
    low: Tensor
    high: Tensor
    pointer: Tensor
    again: tuple[Tensor, Tensor] | None = None


class Play:
    """One clip, once.

    Args:
        model: a ``SAM2Base`` in evaluation mode.
        features: the encoded frames in playing order; each of one picture that all B objects
            are on, or of B pictures, for each object its own.
        truth: (T, B, S, S) bool at model size; every object is visible on frame 0.
        corrections: most correction clicks on a prompted frame.
        rng: the only source of chance.
    """

    def __init__(
        self,
        model: Any,
        features: list[Features],
        truth: Tensor,
        corrections: int,
        rng: np.random.Generator,
    ) -> None:
        self.model, self.features, self.truth = model, features, truth
        self.corrections, self.rng = corrections, rng
        self.size = truth.shape[1]
        self.device = features[0].maps[-1].device
        self.bank: dict[str, dict[int, Any]] = {
            "cond_frame_outputs": {},
            "non_cond_frame_outputs": {},
        }
        self._raw: list[tuple[Tensor, Tensor, Tensor]] = []
        self._mask: list[Tensor] = []
        self._iou: list[Tensor] = []
        self._presence: list[Tensor] = []
        self._surplus: list[Tensor] = []

    def loss(self) -> Tensor:
        """Play the clip and return the sum of the mean losses."""
        hook = self.model.sam_mask_decoder.register_forward_hook(self._listen)
        try:
            self._play()
        finally:
            hook.remove()
        zero = torch.zeros((), device=self.device)
        parts = (self._mask, self._iou, self._presence, self._surplus)
        return sum((torch.stack(p).mean() for p in parts if p), start=zero)

    def _listen(self, _module: Any, _inputs: Any, output: Any) -> None:
        # Inside the tracking step the logits of absent objects are overwritten; the
        # decoder's own output still carries their gradient.
        self._raw.append((output[0].float(), output[1].float(), output[3].float()))

    def _play(self) -> None:
        length = len(self.features)
        second = -1
        if length > 1 and self.rng.random() < CORRECTED_SHARE:
            second = int(self.rng.integers(1, length))
        first = self._first()
        if length > 1:
            self._keep(0, first, is_prompted=True)
        for t in range(1, length):
            answer = self._step(t)
            self._count(answer, t)
            if t == second:
                answer = self._correct(t, answer, None)
            # Nobody looks back at the last frame.
            if t < length - 1:
                self._keep(t, answer, is_prompted=t == second)

    def _first(self) -> _Answer:
        truth, kind = self.truth[0], self.rng.random()
        # A mask that is given teaches nothing by itself, only what is tracked from it does.
        if kind < 0.5 and len(self.features) > 1:
            return self._step(0, mask=truth[:, None].float().to(self.device))
        if kind < 0.75:
            points = click_inside(truth, self.rng, centre=self._is_centred())
        else:
            points = box_around(truth, self.rng)
        answer = self._step(0, points=points)
        self._count(answer, 0)
        return self._correct(0, answer, points)

    def _is_centred(self) -> bool:
        return bool(self.rng.random() < CENTRED_SHARE)

    def _correct(self, t: int, answer: _Answer, points: Points | None) -> _Answer:
        for _ in range(int(self.rng.integers(1, self.corrections + 1)) if self.corrections else 0):
            guess = (answer.high[:, 0].detach() > 0).cpu()
            click = correction_click(self.truth[t], guess, self.rng, centre=self._is_centred())
            points = click if points is None else join(points, click)
            answer = self._step(t, points=points, previous=answer.low.detach())
            self._count(answer, t)
        return answer

    def _step(
        self,
        t: int,
        *,
        points: Points | None = None,
        mask: Tensor | None = None,
        previous: Tensor | None = None,
    ) -> _Answer:
        features = self.features[t]
        inputs = None
        if points is not None:
            inputs = {
                "point_coords": points[0].float().to(self.device),
                "point_labels": points[1].to(self.device),
            }
        limit = PREVIOUS_LIMIT
        self._raw.clear()
        _, heads, _, _ = self.model._track_step(
            frame_idx=t,
            is_init_cond_frame=not self.bank["cond_frame_outputs"],
            current_vision_feats=[m.expand(-1, self.size, -1) for m in features.maps],
            current_vision_pos_embeds=[features.code.expand(-1, self.size, -1)],
            feat_sizes=list(features.sizes_hw),
            point_inputs=inputs,
            mask_inputs=mask,
            output_dict=self.bank,
            num_frames=len(self.features),
            track_in_reverse=False,
            prev_sam_mask_logits=None if previous is None else previous.clamp(-limit, limit),
        )
        _, _, ious, low, high, pointer, score = heads
        if self._raw and mask is None:
            first, *more = self._raw
            again = (more[0][0][:, :1], more[0][1][:, :1]) if more else None
            return _Answer(*first, low, high, pointer, again)
        return _Answer(low, ious, score, low, high, pointer)

    def _keep(self, t: int, answer: _Answer, *, is_prompted: bool) -> None:
        features = self.features[t]
        memory, code = self.model._encode_new_memory(
            current_vision_feats=[m.expand(-1, self.size, -1) for m in features.maps],
            feat_sizes=list(features.sizes_hw),
            pred_masks_high_res=answer.high,
            object_score_logits=answer.score,
            is_mask_from_pts=is_prompted,
        )
        entry = {
            "maskmem_features": memory,
            "maskmem_pos_enc": code,
            "obj_ptr": answer.pointer,
        }
        kind = "cond_frame_outputs" if is_prompted else "non_cond_frame_outputs"
        self.bank[kind][t] = entry

    def _count(self, answer: _Answer, t: int) -> None:
        """Add up the losses of one answer."""
        truth = self.truth[t].to(self.device)
        there = truth.flatten(1).any(1)
        self._presence.append(
            functional.binary_cross_entropy_with_logits(answer.score[:, 0], there.float())
        )
        self._count_masks(answer.logits, answer.ious, truth, there)
        if not there.all():
            looks = [answer.logits] + ([answer.again[0]] if answer.again is not None else [])
            lit = [functional.softplus(look[~there]).mean() for look in looks]
            self._surplus.append(torch.stack(lit).mean())
        if answer.again is not None:
            # Only what the first look found was looked at again.
            found = (answer.score[:, 0] > 0) & (answer.logits > 0).flatten(1).any(1)
            self._count_masks(*answer.again, truth, there & found)

    def _count_masks(self, logits: Tensor, ious: Tensor, truth: Tensor, counted: Tensor) -> None:
        """Add up mask and quality losses of candidates (B, M, h, w) for the counted objects."""
        losses = candidate_losses(logits, ious, truth, counted)
        if losses is not None:
            self._mask.append(losses[0])
            self._iou.append(losses[1])
