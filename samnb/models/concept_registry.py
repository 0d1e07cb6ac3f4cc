"""Concept segmenters by name: the one place that knows which adapter a name belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from samnb.models.registry import load_model
from samnb.types import ModelError

if TYPE_CHECKING:
    from samnb.models.concepts import ConceptSegmenter

DEFAULT = "concept"
"""The segmenter that ships with the package."""
_HELP = (
    "concept (the default, taught on made-up pictures), a version of it that retraining wrote "
    "(.safetensors), a folder or hub name of a SAM 3 model such as facebook/sam3, or "
    "DETECTOR+TRACKER with a folder or hub name of OWLv2 or Grounding DINO and any tracker, "
    "such as google/owlv2-base-patch16-ensemble+mobile"
)


def load_concept_segmenter(name: str = DEFAULT, device: str | None = None) -> ConceptSegmenter:
    """Load a concept segmenter by its name, its file or its folder.

    Args:
        name: ``concept``, which needs no network and knows the synthetic world; the path of a
            version of it; a folder or hub name of a SAM 3 (``facebook/sam3``); or
            ``DETECTOR+TRACKER``, an open-vocabulary detector whose boxes prompt a tracker.
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``mps``; None takes the fastest one present.

    Raises:
        ModelError: no segmenter has that name, a package or file is missing or cannot be used.
    """
    if name == DEFAULT:
        from samnb.models.concept import default_weights

        return _load_own(default_weights(), device)
    path = Path(name).expanduser()
    if path.suffix == ".safetensors":
        if not path.is_file():
            raise ModelError(f"{name}: expected a weights file, found none there")
        return _load_own(path, device)
    if not path.is_dir() and "+" in name:
        from samnb.models.concept_detector import load_detector

        detector, _, tracker = name.rpartition("+")
        return load_detector(detector, load_model(tracker, device=device), device=device)
    if path.is_dir() or name.count("/") == 1:
        from samnb.models.concept_sam3 import load_sam3

        return load_sam3(
            name, make_tracker=lambda: load_model("mobile", device=device), device=device
        )
    raise ModelError(f"segmenter: expected {_HELP}; got {name!r}")


def _load_own(path: Path, device: str | None) -> ConceptSegmenter:
    from samnb.models.concept import load_segmenter
    from samnb.models.tracker import MemoryTracker

    tracker = load_model("mobile", device=device)
    if not isinstance(tracker, MemoryTracker):
        raise ModelError(f"mobile: expected a SAM 2, got {tracker.name}")
    return load_segmenter(path, tracker)
