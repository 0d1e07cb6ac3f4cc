"""Many single clicks decoded in one batch, for sessions on a ``SAM2Base``."""

from __future__ import annotations

from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from samnb.models.backend import Backend, Decoded, Features, ModelPrompt
from samnb.models.base import Prediction
from samnb.models.convert import to_prediction
from samnb.types import InputError

_STABILITY_SLACK: Final = 0.05


@runtime_checkable
class ClickDecoder(Protocol):
    """A backend that decodes many single clicks at once."""

    def decode_clicks(
        self, features: Features, points_xy: npt.NDArray[np.float32], size_hw: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See :func:`decode_clicks`."""


def segment_clicks(
    backend: Backend,
    features: Features,
    points_xy: npt.NDArray[np.float32],
    size_hw: tuple[int, int],
    *,
    min_confidence: float,
    min_stability: float,
) -> list[tuple[int, Prediction]]:
    """Answer one positive click per row; see :class:`samnb.models.grid.GridSegmenter`.

    A backend that is no :class:`ClickDecoder` gives one mask per click.

    Raises:
        InputError: not (N, 2) points.
    """
    if points_xy.ndim != 2 or points_xy.shape[1] != 2:
        raise InputError(f"points_xy: expected (N, 2), got {points_xy.shape}")
    if len(points_xy) == 0:
        return []
    if isinstance(backend, ClickDecoder):
        logits, ious, scores = backend.decode_clicks(features, points_xy, size_hw)
    else:
        scale = np.array([size_hw[1], size_hw[0]], np.float32) / np.float32(backend.size)
        coords = torch.from_numpy(points_xy / scale).to(backend.device)
        label = torch.ones(1, 1, dtype=torch.int32, device=backend.device)
        found = [backend.segment(features, ModelPrompt(xy[None, None], label)) for xy in coords]
        logits = torch.cat([one.logits for one in found])
        ious = torch.tensor([[one.confidence] for one in found])
        scores = torch.cat([one.score for one in found])
    return _keep_good(
        logits, ious, scores, size_hw, min_confidence=min_confidence, min_stability=min_stability
    )


def decode_clicks(
    model: Any, features: Features, points_xy: npt.NDArray[np.float32], size_hw: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Decode one positive click per row on a frame alone, each on its own.

    Args:
        model: a ``SAM2Base``.
        features: the encoded frame.
        points_xy: (N, 2) float32, frame pixels, x first.
        size_hw: height and width of the frame in pixels.

    Returns:
        mask logits (N, M, h, w) of all candidates, predicted IoU (N, M) and presence
        logits (N, 1), all float32.
    """
    scale = np.array([size_hw[1], size_hw[0]], np.float32)
    coords = torch.from_numpy(points_xy / scale * np.float32(model.image_size))[:, None]
    coords = coords.to(features.maps[-1].device)
    labels = torch.ones(coords.shape[:2], dtype=torch.int32, device=coords.device)
    maps = features.pictures()
    embedding = maps[-1]
    if model.directly_add_no_mem_embed:
        embedding = embedding + model.no_mem_embed.permute(1, 2, 0)[..., None]
    sparse, dense = model.sam_prompt_encoder(points=(coords, labels), boxes=None, masks=None)
    logits, ious, _, scores = model.sam_mask_decoder(
        image_embeddings=embedding,
        image_pe=model.sam_prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=True,
        repeat_image=True,
        high_res_features=maps[:-1] or None,
    )
    return logits.float(), ious.float(), scores.float()


def _keep_good(
    logits: Tensor,
    ious: Tensor,
    scores: Tensor,
    size_hw: tuple[int, int],
    *,
    min_confidence: float,
    min_stability: float,
) -> list[tuple[int, Prediction]]:
    """Turn the candidates that reach both thresholds into masks of ``size_hw`` pixels.

    Only what is confident enough is drawn at full size, one mask at a time: 192 masks of
    a large frame would need gigabytes.

    Args:
        logits: (N, M, h, w) float32.
        ious: (N, M) float32.
        scores: (N, 1) float32.
        size_hw: height and width of the masks.
        min_confidence: least predicted IoU.
        min_stability: least stability, measured at full size.

    Returns:
        ``(row, prediction)`` in the order of the rows.
    """
    kept: list[tuple[int, Prediction]] = []
    for row, column in torch.nonzero(ious >= min_confidence).tolist():
        decoded = Decoded(
            logits[row : row + 1, column : column + 1],
            float(ious[row, column]),
            scores[row : row + 1],
        )
        # At the decoder's own size stability is nearly the same and costs nothing.
        inner, outer = (int((decoded.logits > level).sum()) for level in (1.0, -1.0))
        if inner < (min_stability - _STABILITY_SLACK) * outer:
            continue
        prediction = to_prediction(decoded, size_hw)
        if prediction.stability >= min_stability:
            kept.append((row, prediction))
    return kept
