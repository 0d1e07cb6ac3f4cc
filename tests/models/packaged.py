"""Running `mobile` with the `sam2` package's own code, to compare what is computed faster."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from sam2.modeling.memory_attention import MemoryAttention
from sam2.modeling.memory_encoder import MemoryEncoder
from sam2.modeling.sam.mask_decoder import MaskDecoder
from sam2.modeling.sam2_base import SAM2Base

from samnb.models.fastdecoder import FastMaskDecoder
from samnb.models.fastencoder import FastMemoryEncoder
from samnb.models.fastmemory import FastMemoryAttention
from samnb.models.faststeps import FastSteps
from samnb.models.tinyvit import TinyVitTrunk


@contextmanager
def package_code() -> Iterator[None]:
    """Inside, pictures, memories and masks go through the layers of `timm` and `sam2`."""
    with (
        patch.object(FastMemoryAttention, "forward", MemoryAttention.forward),
        patch.object(FastMemoryEncoder, "forward", MemoryEncoder.forward),
        patch.object(FastMaskDecoder, "predict_masks", MaskDecoder.predict_masks),
        patch.object(FastSteps, "forward_image", SAM2Base.forward_image),
        patch.object(FastSteps, "mixes_banks", False),
        patch.object(TinyVitTrunk, "_fold", lambda self: self.through_layers),
    ):
        yield
