"""With whose eyes ``concept`` looks at pictures.

What it learns to read are features and masks of one encoder and one decoder. A tracker's own
change with every training of the tracker, and see as few pixels as a video allows. The eyes that
answer clicks on pictures (:mod:`samnb.models.eyes`) see more of them and stay as they are, so a
tracker that has such eyes lends them, and only follows what was found in videos.
"""

from __future__ import annotations

import hashlib

from torch import nn

from samnb.models.backend import Backend
from samnb.models.mobile import SIGHT
from samnb.models.tracker import MemoryTracker


def sight_of(tracker: MemoryTracker) -> Backend:
    """Return what encodes pictures and answers clicks: the tracker's eyes, or else itself."""
    eyes = tracker.backend.eyes
    return tracker.backend if eyes is None else eyes


def sight_name(tracker: MemoryTracker) -> str:
    """Name what :func:`sight_of` returns, with its size and a digest of its weights.

    Equal names mean equal features. A tracker without eyes looks with all it has, and has a
    version already.
    """
    eyes = tracker.backend.eyes
    if eyes is None:
        return tracker.name
    model = getattr(eyes, "model", None)
    seen = hashlib.blake2b(digest_size=4)
    if isinstance(model, nn.Module):
        for name, value in model.state_dict().items():
            if name.startswith(SIGHT):  # what else such a model has is not used, and random
                seen.update(name.encode())
                seen.update(value.detach().cpu().contiguous().numpy().tobytes())
    return f"eyes-{eyes.size}@{seen.hexdigest()}"
