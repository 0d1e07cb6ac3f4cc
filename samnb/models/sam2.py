"""SAM 2 through the `sam2` package: official checkpoints, own ones, and the `mobile` model.

Works with the packages `sam2` and `rf-sam-2`, which hold the same code under the same name. The
model is driven through the steps of its own ``SAM2Base`` (encode, condition on memory, decode,
encode memory), not through ``SAM2VideoPredictor``, whose state keeps every frame of the video and
every output, and which reads files only. Given the same prompts the masks are the same.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samnb.types import ModelError

try:
    import numpy as np
    import numpy.typing as npt
    import PIL.Image
    import torch
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor
    from torch.nn import functional
except ImportError as error:
    raise ModelError(
        f"the sam2 adapter needs torch and the sam2 package, got '{error}'; "
        "install them with: pip install torch rf-sam-2"
    ) from error

from samnb.models.backend import Bank, Decoded, Features, ModelPrompt, Output
from samnb.models.checkpoints import build_model, file_version, find_checkpoint
from samnb.models.chooser import Chooser, Sought, settle
from samnb.models.correction import is_example, is_off_only, look_elsewhere, rejecting_clicks
from samnb.models.device import resolve_device, resolve_dtype
from samnb.models.eyes import read
from samnb.models.griddecode import decode_clicks
from samnb.models.looks import View
from samnb.models.memory import Limits
from samnb.models.pasts import stack_banks
from samnb.models.refining import PREVIOUS_LIMIT
from samnb.models.tracker import MemoryTracker

if TYPE_CHECKING:
    from samnb.models.base import Image

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class Sam2Tracker(MemoryTracker):
    """A model of the `sam2` package behind the :class:`~samnb.models.base.Tracker` contract.

    Args:
        model: a ``SAM2VideoPredictor`` or ``SAM2Base`` with its weights.
        name: name and version for the log.
        device: where it runs; None takes the fastest device present.
        dtype: ``float32`` (None), or ``bfloat16`` or ``float16`` for automatic mixed precision.
        limits: what a session may keep.

    Raises:
        ModelError: not such a model, or the device or dtype cannot be used.
    """

    def __init__(
        self,
        model: SAM2Base,
        name: str,
        *,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
        limits: Limits | None = None,
    ) -> None:
        super().__init__(Sam2Backend(model, device=device, dtype=dtype), name, limits)


def load_sam2(
    source: str | Path,
    *,
    config: str | Path | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    limits: Limits | None = None,
) -> Sam2Tracker:
    """Load a checkpoint file or one of the official checkpoints by its hub name.

    Args:
        source: a ``.pt`` (``{"model": state_dict}``) or ``.safetensors`` file, or a hub name such
            as ``facebook/sam2.1-hiera-tiny``, taken from the local hub cache or downloaded.
        config: the model's configuration: a YAML file, or the name of one inside the `sam2`
            package. None takes the YAML file of the same stem beside the checkpoint, else the
            official configuration that the weights' shapes show.
        device: where it runs; None takes the fastest device present.
        dtype: see :class:`Sam2Tracker`.
        limits: what a session may keep.

    Raises:
        ModelError: no such file or name, an unreadable file, weights that no configuration fits, a
            device that is not there.
    """
    path, config = find_checkpoint(source, config)
    model = build_model(path, config)
    stem = path.stem.replace("_", "-")
    name = f"{stem}@{file_version([path])}"
    return Sam2Tracker(model, name, device=device, dtype=dtype, limits=limits)


class Sam2Backend:
    """The steps of ``SAM2Base``; see :class:`~samnb.models.backend.Backend`."""

    def __init__(
        self,
        model: SAM2Base,
        *,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
    ) -> None:
        if not isinstance(model, SAM2Base):
            raise ModelError(f"model: expected a SAM2Base, got {type(model).__name__}")
        if not hasattr(model, "_track_step"):
            raise ModelError("sam2: expected release 1.1 or newer, got one without _track_step")
        self._device = resolve_device(device)
        self._dtype = resolve_dtype(dtype)
        self._model: Any = model.to(self._device).eval()
        chooser: Chooser | None = getattr(model, "chooser", None)
        self._chooser = None if chooser is None else chooser.to(self._device)
        eyes: SAM2Base | None = getattr(model, "eyes", None)
        self._eyes = None if eyes is None else Sam2Backend(eyes, device=device, dtype=dtype)
        # The position code of the spatial memory is the same for all frames and objects.
        self._memory_code: Any = None
        self._last_view: tuple[weakref.ref[Tensor], View] | None = None

    @property
    def size(self) -> int:
        """Side in pixels of the model's square input."""
        return int(self._model.image_size)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self._device

    @property
    def eyes(self) -> Sam2Backend | None:
        """What answers prompts on a picture, for models that come with eyes of their own."""
        return self._eyes

    @property
    def model(self) -> SAM2Base:
        """The model itself, in evaluation mode."""
        return self._model

    @property
    def dtype(self) -> torch.dtype:
        """Number format of automatic mixed precision; float32 for none."""
        return self._dtype

    @property
    def reach(self) -> int:
        """How many frames back the memory looks: spatial memory or pointers, the longer."""
        model = self._model
        spatial = (model.num_maskmem - 1) * model.memory_temporal_stride_for_eval
        pointers = model.max_obj_ptrs_in_encoder - 1 if model.use_obj_ptrs_in_encoder else 0
        return int(max(spatial, pointers, 1))

    @property
    def mixes_banks(self) -> bool:
        """Whether objects whose banks hold different frames can be decoded in one batch."""
        return bool(getattr(self._model, "mixes_banks", False))

    @property
    def max_prompted(self) -> int:
        """How many conditioning frames the model attends to; -1 for no limit."""
        return int(self._model.max_cond_frames_in_attn)

    def encode(self, image: Image) -> Features:
        """Encode a frame; resized by PIL as the released video predictor does."""
        size = self.size
        small = np.asarray(PIL.Image.fromarray(image).resize((size, size)))
        pixels = torch.from_numpy(small.copy()).permute(2, 0, 1).float() / 255.0
        pixels -= torch.tensor(_MEAN)[:, None, None]
        pixels /= torch.tensor(_STD)[:, None, None]
        with self._autocast():
            out = self._model.forward_image(pixels[None].to(self._device))
            _, maps, codes, sizes = self._model._prepare_backbone_features(out)
        return Features(tuple(maps), codes[-1], tuple((int(h), int(w)) for h, w in sizes))

    def segment(
        self, features: Features, prompt: ModelPrompt, *, previous: Tensor | None = None
    ) -> Decoded:
        """Decode like ``SAM2ImagePredictor``: the presence score does not blank the mask."""
        model = self._model
        maps = features.pictures()
        embedding = maps[-1]
        if model.directly_add_no_mem_embed:
            embedding = embedding + model.no_mem_embed.permute(1, 2, 0)[..., None]
        coords, labels = prompt.coords, prompt.labels
        dense = None if previous is None else self._fit_mask_input(previous)
        if prompt.mask is not None:
            coords = torch.zeros(1, 1, 2, device=self._device)
            labels = -torch.ones(1, 1, dtype=torch.int32, device=self._device)
            # The decoder reads a mask as logits of its own size.
            dense = self._fit_mask_input(prompt.mask * 20.0 - 10.0)
        is_one_click = prompt.labels is not None and prompt.labels.shape[1] == 1
        with self._autocast():
            sparse, dense = model.sam_prompt_encoder(
                points=(coords, labels), boxes=None, masks=dense
            )
            masks, ious, _, score = model.sam_mask_decoder(
                image_embeddings=embedding,
                image_pe=model.sam_prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=is_one_click,
                repeat_image=False,
                high_res_features=maps[:-1] or None,
            )
        best = int(ious[0].argmax())
        return Decoded(masks[:, best : best + 1].float(), float(ious[0, best]), score.float())

    def _fit_mask_input(self, logits: Tensor) -> Tensor:
        """Resize (1, 1, h, w) logits to what the prompt encoder reads."""
        size = self._model.sam_prompt_encoder.mask_input_size
        if tuple(logits.shape[-2:]) == tuple(size):
            return logits
        return functional.interpolate(
            logits, size=size, mode="bilinear", align_corners=False, antialias=True
        )

    def decode_clicks(
        self, features: Features, points_xy: npt.NDArray[np.float32], size_hw: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Decode many single clicks at once; see :func:`samnb.models.griddecode.decode_clicks`."""
        with self._autocast():
            return decode_clicks(self._model, features, points_xy, size_hw)

    def decode(
        self,
        features: Features,
        position: int,
        banks: Sequence[Bank | None],
        *,
        n_frames: int,
        is_reverse: bool,
        prompt: ModelPrompt | None = None,
        previous: Tensor | None = None,
    ) -> list[Output]:
        """Run one tracking step for all banks in one batch.

        Without a prompt, what memory says is weighed against other masks that might be the object;
        with clicks that reject what it said, the others alone are. What memory says is asked for,
        where clicks off the object come without the mask that they were made on: projects that
        are opened again have no other.
        """
        if previous is None and self._chooser is not None and banks[0] and is_off_only(prompt):
            (said,) = self.decode(
                features, position, banks, n_frames=n_frames, is_reverse=is_reverse
            )
            if said.shown is not None:
                previous = said.shown.clamp(-PREVIOUS_LIMIT, PREVIOUS_LIMIT)
        outputs = self.track(
            features,
            position,
            banks,
            n_frames=n_frames,
            is_reverse=is_reverse,
            prompt=prompt,
            # What the eyes have drawn is finer than what the tracker reads.
            previous=None if previous is None else self._fit_mask_input(previous),
        )
        tracked = [(o, b) for o, b in zip(outputs, banks, strict=True) if b is not None]
        if self._chooser is None or not tracked:
            return outputs
        click = partial(self.click, features)
        sought = Sought.on(self.view(features), position, tracked)
        if prompt is None:
            settle(self._chooser, sought, self.size, click)
            return outputs
        off_xy = None if previous is None else rejecting_clicks(prompt, previous, self.size)
        if off_xy is not None:
            look_elsewhere(self._chooser, sought, self.size, click, off_xy)
        outputs[0].is_trusted = is_example(self._chooser, sought, prompt)
        return outputs

    def track(
        self,
        features: Features,
        position: int,
        banks: Sequence[Bank | None],
        *,
        n_frames: int,
        is_reverse: bool = False,
        prompt: ModelPrompt | None = None,
        previous: Tensor | None = None,
    ) -> list[Output]:
        """What the model itself says, see `decode`."""
        batch = len(banks)
        points = None
        if prompt is not None and prompt.coords is not None:
            points = {"point_coords": prompt.coords, "point_labels": prompt.labels}
        known = [bank for bank in banks if bank is not None]
        with self._autocast():
            _, heads, _, _ = self._model._track_step(
                frame_idx=position,
                is_init_cond_frame=not known,
                current_vision_feats=[m.expand(-1, batch, -1) for m in features.maps],
                current_vision_pos_embeds=[features.code.expand(-1, batch, -1)],
                feat_sizes=list(features.sizes_hw),
                point_inputs=points,
                mask_inputs=None if prompt is None else prompt.mask,
                output_dict=stack_banks(known, self._memory_code),
                num_frames=n_frames,
                track_in_reverse=is_reverse,
                prev_sam_mask_logits=previous if points is not None else None,
            )
        _, _, ious, logits, _, pointers, scores = heads
        # Among several candidates the heads have chosen the one with the highest predicted IoU.
        confidences = ious.amax(dim=1).tolist()
        return [
            Output(
                logits[i : i + 1].float().clone(),
                confidences[i],
                scores[i : i + 1].float().clone(),
                pointers[i : i + 1].float().clone(),
            )
            for i in range(batch)
        ]

    def click(
        self, features: Features, points_xy: npt.NDArray[np.float32]
    ) -> tuple[Tensor, Tensor]:
        """Decode (K, 2) single clicks in model pixels: (K, M, h, w) logits, (K, M) IoU."""
        logits, ious, _ = self.decode_clicks(features, points_xy, (self.size, self.size))
        return logits, ious

    def view(self, features: Features) -> View:
        """A frame as the chooser sees it; the last one is kept for as long as its features are."""
        frame, last = features.maps[-1], self._last_view
        if last is not None and last[0]() is frame:
            return last[1]
        view = View(features.pictures())
        self._last_view = weakref.ref(frame, self._forget_view), view
        return view

    def _forget_view(self, gone: weakref.ref[Tensor]) -> None:
        if self._last_view is not None and self._last_view[0] is gone:
            self._last_view = None

    def remember(self, features: Features, outputs: Sequence[Output], *, is_prompted: bool) -> None:
        """Encode the spatial memory of outputs in one batch, kept as bfloat16 like SAM 2's.

        With a chooser, learn their looks too. Nobody attends to what was tracked and is not
        trusted: nothing is known of it.
        """
        outputs = [output for output in outputs if is_prompted or output.is_trusted]
        if not outputs:
            return
        for output in outputs:
            if output.pointer.numel() == 0:
                read(self, features, output)
        logits = torch.cat([output.logits for output in outputs])
        large = functional.interpolate(
            logits, (self.size, self.size), mode="bilinear", align_corners=False
        )
        with self._autocast():
            memory, codes = self._model._encode_new_memory(
                current_vision_feats=[m.expand(-1, len(outputs), -1) for m in features.maps],
                feat_sizes=list(features.sizes_hw),
                pred_masks_high_res=large,
                object_score_logits=torch.cat([output.score for output in outputs]),
                is_mask_from_pts=is_prompted,
            )
        if self._memory_code is None:
            self._memory_code = codes[-1][:1].clone()
        for i, output in enumerate(outputs):
            output.memory = memory[i : i + 1].to(torch.bfloat16).clone()
        if self._chooser is not None:
            self.view(features).learn(outputs)

    def _autocast(self) -> AbstractContextManager[Any]:
        if self._dtype is torch.float32:
            return nullcontext()
        return torch.autocast(self._device.type, dtype=self._dtype)
