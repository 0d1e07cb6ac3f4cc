"""The small verifier that ships: usable from the first pair on, and where training begins.

It was taught on drawn pictures, and asks the default segmenter or a version of it. Like that
segmenter it knows the drawn world; on photographs it is a beginning, and its answers decide
nothing before people's answers have shown what they are worth.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Final

from samnb.models.concept_registry import DEFAULT
from samnb.models.concepts import ConceptSegmenter
from samnb.models.verifier_aids import segmenter_aids
from samnb.models.verifier_mirror import MirrorVerifier
from samnb.models.verifier_small import SmallVerifier, load_verifier
from samnb.types import ModelError

WEIGHTS_ENV: Final = "SAMNB_VERIFIER_WEIGHTS"
"""Environment variable that names another weights file than the packaged one."""
TWICE_TEMPERATURE: Final = 0.93
"""Of two looks, fitted for an earlier version of the verifier that ships, on the zero-box answers
about 60 drawn pictures of seeds that nothing is measured on."""


def shipped_weights() -> Path:
    """Path of the weights: the file named by `SAMNB_VERIFIER_WEIGHTS`, else the packaged one.

    Raises:
        ModelError: that file does not exist.
    """
    override = os.environ.get(WEIGHTS_ENV)
    path = Path(override) if override else Path(__file__).parent / "weights/verifier.safetensors"
    if not path.is_file():
        source = f"{WEIGHTS_ENV} names" if override else "the package should contain"
        raise ModelError(f"verifier weights: {source} {path}, which does not exist")
    return path


def has_foundation(segmenter: ConceptSegmenter | None) -> bool:
    """Whether the verifier that ships can ask this segmenter: the default one or a version."""
    return segmenter is not None and segmenter.name.partition("@")[0] == DEFAULT


def load_foundation(segmenter: ConceptSegmenter, path: Path | None = None) -> SmallVerifier:
    """Load the verifier that ships, or another file of its kind.

    Args:
        segmenter: the default segmenter or a version of it, which the verifier asks.
        path: the file; None takes :func:`shipped_weights`.

    Raises:
        ModelError: the file cannot be read, or the segmenter is another.
    """
    return load_verifier(path or shipped_weights(), segmenter_aids(segmenter))


def load_looking_twice(segmenter: ConceptSegmenter, path: Path | None = None) -> MirrorVerifier:
    """Load the same, to look at each picture and at its mirror image.

    Args:
        segmenter: see :func:`load_foundation`. A copy of it looks into the mirror, for a
            segmenter remembers the last picture that it saw.
        path: likewise.

    Raises:
        ModelError: likewise.
    """
    other = copy.copy(segmenter)
    return MirrorVerifier(
        load_foundation(segmenter, path),
        load_foundation(other, path),
        temperature=TWICE_TEMPERATURE,
    )
