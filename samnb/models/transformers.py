"""SAM 2 through `transformers`: ``Sam2VideoModel`` checkpoints from a folder or the hub.

The model's own step functions are called with a ``Sam2VideoInferenceSession`` that holds just what
one step reads. The session that `transformers` would keep itself grows with the video, and treats
a correction on a tracked frame as something the next propagation may overwrite.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samnb.types import ModelError

try:
    import numpy as np
    import torch
    from torch import Tensor
    from torch.nn import functional
    from transformers import Sam2VideoInferenceSession, Sam2VideoModel, Sam2VideoProcessor
except ImportError as error:
    raise ModelError(
        f"the transformers adapter needs torch and transformers 4.56 or newer, got '{error}'; "
        "install them with: pip install 'samnb[transformers]'"
    ) from error

from samnb.models.backend import Bank, Decoded, Features, ModelPrompt, Output
from samnb.models.device import resolve_device, resolve_dtype
from samnb.models.memory import Limits
from samnb.models.pretrained import load_pretrained, require_all_weights, require_model_type
from samnb.models.tracker import MemoryTracker

if TYPE_CHECKING:
    from samnb.models.base import Image

MODEL_TYPE = "sam2_video"
"""What ``config.json`` of a usable folder says under ``model_type``."""


class TransformersTracker(MemoryTracker):
    """A ``Sam2VideoModel`` behind the :class:`~samnb.models.base.Tracker` contract.

    Args:
        model: the model with its weights.
        processor: the processor that was saved with it.
        name: name and version for the log.
        device: where it runs; None takes the fastest device present.
        dtype: number format of weights and computation; None is float32.
        limits: what a session may keep.

    Raises:
        ModelError: model and processor do not fit, or the device or dtype cannot be used.
    """

    def __init__(
        self,
        model: Sam2VideoModel,
        processor: Sam2VideoProcessor,
        name: str,
        *,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
        limits: Limits | None = None,
    ) -> None:
        backend = TransformersBackend(model, processor, device=device, dtype=dtype)
        super().__init__(backend, name, limits)


def load_transformers(
    source: str | Path,
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    limits: Limits | None = None,
) -> TransformersTracker:
    """Load a folder written by ``save_pretrained``, or a hub name.

    Args:
        source: a folder with ``config.json``, weights and processor, or a hub name such as
            ``facebook/sam2.1-hiera-tiny``.
        device: where it runs; None takes the fastest device present.
        dtype: number format of weights and computation; None is float32.
        limits: what a session may keep.

    Raises:
        ModelError: not such a folder, weights are missing, or the hub cannot be reached.
    """

    def load(place: str) -> tuple[Any, Any]:
        if Path(place).is_dir():
            require_model_type(place, (MODEL_TYPE,))
        model, info = Sam2VideoModel.from_pretrained(
            place, dtype=resolve_dtype(dtype), output_loading_info=True
        )
        require_all_weights(info)
        return model, Sam2VideoProcessor.from_pretrained(place)

    model, processor, name = load_pretrained(source, f"a {MODEL_TYPE} model", load)
    return TransformersTracker(model, processor, name, device=device, dtype=dtype, limits=limits)


class TransformersBackend:
    """The steps of ``Sam2VideoModel``; see :class:`~samnb.models.backend.Backend`."""

    def __init__(
        self,
        model: Sam2VideoModel,
        processor: Sam2VideoProcessor,
        *,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
    ) -> None:
        self._device = resolve_device(device)
        self._dtype = resolve_dtype(dtype)
        self._model: Any = model.to(device=self._device, dtype=self._dtype).eval()
        self._processor: Any = processor
        size = model.config.image_size
        self._size = int(size if isinstance(size, int) else size[0])
        if int(processor.target_size) != self._size:
            raise ModelError(
                f"processor: expected {self._size} px like the model, got {processor.target_size}"
            )
        self._memory_code: Any = None
        # The steps return no predicted IoU, so it is caught where the decoder computes it; the
        # lock keeps two sessions on one model from catching each other's.
        self._lock = threading.Lock()
        self._caught: Any = None
        self._model.mask_decoder.register_forward_hook(self._catch)

    def _catch(self, module: Any, inputs: Any, output: Any) -> None:
        self._caught = output[1]

    @property
    def size(self) -> int:
        """Side in pixels of the model's square input."""
        return self._size

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self._device

    @property
    def reach(self) -> int:
        """How many frames back the memory looks: spatial memory or pointers, the longer."""
        config = self._model.config
        return int(max(config.num_maskmem, config.max_object_pointers_in_encoder) - 1)

    @property
    def mixes_banks(self) -> bool:
        """The package's batches have one past."""
        return False

    @property
    def max_prompted(self) -> int:
        """How many conditioning frames the model attends to; -1 for no limit."""
        return int(self._model.config.max_cond_frame_num)

    @property
    def eyes(self) -> None:
        """This model answers prompts on a picture itself."""
        return None

    def encode(self, image: Image) -> Features:
        """Encode a frame, resized and normalised by the model's own processor."""
        # A copy, because the processor takes neither read-only arrays nor turned views.
        pixels = self._processor(
            images=np.array(image, order="C"),
            input_data_format="channels_last",
            return_tensors="pt",
        ).pixel_values
        out = self._model.get_image_features(pixels.to(self._device, self._dtype), return_dict=True)
        sizes = tuple((int(h), int(w)) for h, w in self._model.backbone_feature_sizes)
        return Features(tuple(out.fpn_hidden_states), out.fpn_position_encoding[-1], sizes)

    def segment(
        self, features: Features, prompt: ModelPrompt, *, previous: Tensor | None = None
    ) -> Decoded:
        """Decode like the image model: the presence score does not blank the mask."""
        model = self._model
        maps = features.pictures()
        maps[-1] = maps[-1] + model.no_memory_embedding.permute(1, 2, 0)[..., None]
        dense = None if previous is None else self._fit_mask_input(previous)
        if prompt.coords is not None and prompt.labels is not None:
            coords, labels = prompt.coords[None], prompt.labels[None]
        else:
            coords = torch.zeros(1, 1, 1, 2, device=self._device)
            labels = -torch.ones(1, 1, 1, dtype=torch.int32, device=self._device)
        if prompt.mask is not None:
            # The decoder reads a mask as logits of its own size.
            dense = self._fit_mask_input(prompt.mask * 20.0 - 10.0)
        with self._lock:
            sparse, dense = model.prompt_encoder(
                input_points=coords, input_labels=labels, input_boxes=None, input_masks=dense
            )
            masks, ious, _, score = model.mask_decoder(
                image_embeddings=maps[-1],
                image_positional_embeddings=model.get_image_wide_positional_embeddings(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=prompt.mask is None and labels.shape[-1] == 1,
                high_resolution_features=maps[:-1],
            )
        best = int(ious[0, 0].argmax())
        return Decoded(
            masks[:, 0, best : best + 1].float(),
            float(ious[0, 0, best]),
            score.reshape(1, 1).float(),
        )

    def _fit_mask_input(self, logits: Tensor) -> Tensor:
        """Resize (1, 1, h, w) logits to what the prompt encoder reads."""
        size = self._model.prompt_encoder.mask_input_size
        if tuple(logits.shape[-2:]) != tuple(size):
            logits = functional.interpolate(
                logits, size=size, mode="bilinear", align_corners=False, antialias=True
            )
        return logits.to(self._dtype)

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
        """Run one tracking step per bank; this package knows no batches of objects."""
        points, mask = None, None
        if prompt is not None and prompt.coords is not None and prompt.labels is not None:
            points = {"point_coords": prompt.coords[None], "point_labels": prompt.labels[None]}
        elif prompt is not None and prompt.mask is not None:
            mask = prompt.mask.to(self._dtype)
        outputs: list[Output] = []
        for bank in banks:
            with self._lock:
                step = self._model._run_single_frame_inference(
                    inference_session=self._session(features, position, bank, n_frames),
                    frame_idx=position,
                    obj_idx=0,
                    batch_size=1,
                    is_init_cond_frame=bank is None,
                    point_inputs=points,
                    mask_inputs=mask,
                    reverse=is_reverse,
                    prev_sam_mask_logits=None if previous is None else previous.to(self._dtype),
                )
                # Among several candidates the model has chosen the one with the highest IoU.
                confidence = 1.0 if mask is not None else float(self._caught.max())
                self._caught = None
            outputs.append(
                Output(
                    step["pred_masks"].float(),
                    confidence,
                    step["object_score_logits"].reshape(1, 1).float(),
                    step["object_pointer"],
                )
            )
        return outputs

    def remember(self, features: Features, outputs: Sequence[Output], *, is_prompted: bool) -> None:
        """Encode the spatial memory of all outputs in one batch."""
        logits = torch.cat([output.logits for output in outputs])
        large = functional.interpolate(
            logits, (self._size, self._size), mode="bilinear", align_corners=False
        )
        memory, code = self._model._encode_new_memory(
            current_vision_feats=features.maps[-1].expand(-1, len(outputs), -1),
            pred_masks_high_res=large.to(self._dtype),
            object_score_logits=torch.cat([output.score for output in outputs])[..., None],
            is_mask_from_pts=is_prompted,
        )
        if self._memory_code is None:
            self._memory_code = code[:, :1].clone()
        for i, output in enumerate(outputs):
            output.memory = memory[:, i : i + 1].clone()

    def _session(
        self, features: Features, position: int, bank: Bank | None, n_frames: int
    ) -> Sam2VideoInferenceSession:
        """What one step reads: features of the frame, outputs of others, the video's length."""
        session: Any = Sam2VideoInferenceSession(
            inference_device=self._device,
            inference_state_device=self._device,
            video_storage_device=self._device,
            dtype=self._dtype,
        )
        # Only its length is read: the frame itself is already encoded.
        session.processed_frames = range(n_frames)
        session.cache.cache_vision_features(
            position, {"vision_feats": list(features.maps), "vision_pos_embeds": [features.code]}
        )
        session.output_dict_per_obj[0] = {
            "cond_frame_outputs": self._unpack(bank.prompted if bank else {}),
            "non_cond_frame_outputs": self._unpack(bank.recent if bank else {}),
        }
        return session

    def _unpack(self, outputs: Mapping[int, Output]) -> dict[int, dict[str, Any]]:
        return {
            position: {
                "maskmem_features": output.memory,
                "maskmem_pos_enc": self._memory_code,
                "object_pointer": output.pointer,
            }
            for position, output in outputs.items()
        }
