"""Versions of a model: files that hold what training changed, named by their content.

The trunk is frozen, so a version is the mask decoders and the memory only, to be put on
top of the weights they were trained with (the *root*: the packaged ``mobile``, or a
SAM 2 checkpoint). Those weights are never written to. A version trained from another
version has the same root, so there are no chains to follow.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from samnb.models.checkpoints import file_version
from samnb.models.sam2 import Sam2Backend, Sam2Tracker
from samnb.models.tracker import MemoryTracker
from samnb.types import ModelError

_KEY: Final = "samnb_version"
_MOBILE: Final = re.compile(r"mobile-(\d+)@[0-9a-f]+")


class VersionTracker(Sam2Tracker):
    """A retrained model.

    Attributes:
        root: name of the model whose file holds everything that was not trained.
        file: the version's own weights.
    """

    root: str
    file: Path


def root_of(tracker: MemoryTracker) -> str:
    """Name of the model that a version of ``tracker`` is to be put on."""
    return tracker.root if isinstance(tracker, VersionTracker) else tracker.name


def copy_model(model: Any) -> Any:
    """Copy a ``SAM2Base`` but for its image encoders, which both share."""
    seeing = [model, *([model.eyes] if hasattr(model, "eyes") else [])]
    return copy.deepcopy(model, {id(one.image_encoder): one.image_encoder for one in seeing})


def write_version(
    model: nn.Module,
    names: Iterable[str],
    folder: Path,
    *,
    root: str,
    info: Mapping[str, Any] | None = None,
) -> Path:
    """Write the named weights as float16 and return the file, whose name ends in its hash.

    Equal weights and facts give an equal file: nothing in it depends on the clock.

    Args:
        model: a ``SAM2Base``.
        names: parameters by their name in the state dict.
        folder: where to; made when missing.
        root: see :class:`VersionTracker`.
        info: facts for the file's header.
    """
    state = model.state_dict()
    half = {n: state[n].detach().cpu().to(torch.float16).contiguous() for n in sorted(names)}
    header = {_KEY: json.dumps({"root": root, "info": dict(info or {})}, sort_keys=True)}
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "version.part"
    part.write_bytes(save(half, header))
    path = folder / f"{_family(root)}-{file_version([part])}.safetensors"
    part.replace(path)
    return path


def read_header(path: Path) -> dict[str, Any] | None:
    """The header of a version file: ``root`` and ``info``; None for other files.

    Raises:
        ModelError: the file cannot be read.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            text = (file.metadata() or {}).get(_KEY)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: expected a safetensors file, could not read it ({error})") from (
            error
        )
    return None if text is None else dict(json.loads(text))


def load_version(
    path: str | Path,
    root: Sam2Tracker | None = None,
    *,
    device: str | None = None,
    dtype: str | None = None,
) -> VersionTracker:
    """Load a version.

    Args:
        path: a file written by :func:`write_version`.
        root: the model it was trained from, or any other version of that. None loads the
            packaged ``mobile``; a version of a SAM 2 checkpoint needs it.
        device: where a root that is loaded here runs; the version runs where its root does.
        dtype: number format of a root that is loaded here.

    Raises:
        ModelError: not such a file, or another root than it was trained from.
    """
    place = Path(path)
    header = read_header(place)
    if header is None:
        raise ModelError(f"{place}: expected a version written by retraining, got other weights")
    wanted = str(header["root"])
    if root is None:
        root = _load_root(place, wanted, device, dtype)
    if root_of(root) != wanted:
        raise ModelError(f"{place}: expected to be put on {wanted}, got {root_of(root)}")
    backend = root.backend
    if not isinstance(backend, Sam2Backend):
        raise ModelError(f"root: expected a model of the sam2 package, got {root.name}")
    model = copy_model(backend.model)
    apply_weights(model, _read_weights(place), place)
    name = f"{_family(wanted)}@{file_version([place])}"
    tracker = VersionTracker(
        model, name, device=backend.device, dtype=backend.dtype, limits=root.limits
    )
    tracker.root, tracker.file = wanted, place
    return tracker


def apply_weights(model: Any, weights: Mapping[str, Tensor], where: Path) -> None:
    """Put weights into a model that has all of them in the same shape.

    Raises:
        ModelError: it has not.
    """
    state = model.state_dict()
    wrong = [n for n, w in weights.items() if n not in state or state[n].shape != w.shape]
    if wrong:
        raise ModelError(f"{where}: expected weights of this model, got {len(wrong)} others, "
                         f"first {wrong[0]}")  # fmt: skip
    model.load_state_dict({n: w.float() for n, w in weights.items()}, strict=False)


def _read_weights(path: Path) -> dict[str, Tensor]:
    with safe_open(path, framework="pt", device="cpu") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _family(root: str) -> str:
    return root.partition("@")[0]


def _load_root(path: Path, name: str, device: str | None, dtype: str | None) -> Sam2Tracker:
    from samnb.models.registry import load_model

    mobile = _MOBILE.fullmatch(name)
    if mobile is None:
        raise ModelError(
            f"{path}: expected root=, the model it was trained from ({name}); load that first"
        )
    root = load_model(f"mobile@{mobile[1]}", device=device, dtype=dtype)
    if not isinstance(root, Sam2Tracker):
        raise ModelError(f"{path}: expected {name} as its root, got {root.name}")
    return root
