"""Models by name: the one place that knows which adapter a name belongs to."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from samnb.types import ModelError

if TYPE_CHECKING:
    from samnb.models.base import Tracker

DEFAULT = "mobile"
"""The model that ships with the package."""
_MOBILE = re.compile(r"mobile(?:-(?P<build>fast|quality)|@(?P<size>\d+))?")
_CHECKPOINT_SUFFIXES = (".pt", ".pth", ".safetensors")
_HELP = (
    "mobile (the default; also mobile-quality, or mobile@SIZE with SIZE in pixels), "
    "colour (no weights: follows regions of even colour, for tests and teaching), "
    "a SAM 2 checkpoint file (.pt or .safetensors), a folder of a transformers Sam2Video model, "
    "or a hub name: facebook/sam2-hiera-SIZE or facebook/sam2.1-hiera-SIZE with SIZE one of tiny, "
    "small, base-plus, large; the prefix 'transformers:' loads a hub name through transformers"
)


def load_model(
    name: str = DEFAULT, *, device: str | None = None, dtype: str | None = None
) -> Tracker:
    """Load a model by its name, its file or its folder.

    Args:
        name: ``mobile``, ``mobile-quality`` or ``mobile@384`` (the model that ships with the
            package, at an input size in pixels); ``colour``, a tracker without weights that
            follows regions of even colour, for tests and teaching; the path of a SAM 2
            checkpoint, or of a version of ``mobile`` that retraining wrote; the path of a
            folder that `transformers` saved; or a hub name such as ``facebook/sam2.1-hiera-tiny``,
            which the `sam2` package loads, and transformers with the prefix ``transformers:``.
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``mps``; None takes the fastest one present.
        dtype: ``float32`` (None), ``bfloat16`` or ``float16``.

    Raises:
        ModelError: no model has that name, a package or file is missing or cannot be used.
    """
    mobile = _MOBILE.fullmatch(name)
    if mobile:
        return _load_mobile(mobile["build"], mobile["size"], device, dtype)
    if name == "colour":
        return _load_colour()
    prefix, _, rest = name.partition(":")
    if prefix == "transformers" and rest:
        return _load_transformers(rest, device, dtype)
    path = Path(name).expanduser()
    if name and path.is_dir():
        return _load_transformers(str(path), device, dtype)
    if path.suffix in _CHECKPOINT_SUFFIXES:
        if not path.is_file():
            raise ModelError(f"{name}: expected a checkpoint file, found none there")
        return _load_file(path, device, dtype)
    if re.fullmatch(r"facebook/sam2(\.1)?-hiera-(tiny|small|base-plus|large)", name):
        return _load_sam2(name, device, dtype)
    raise ModelError(f"model: expected {_HELP}; got {name!r}")


def _load_mobile(
    build: str | None, size: str | None, device: str | None, dtype: str | None
) -> Tracker:
    # First, because it says best what to install where the sam2 package is missing.
    import_module("samnb.models.sam2")
    try:
        from samnb.models import mobile
    except ImportError as error:
        raise ModelError(
            f"mobile needs timm and safetensors, got '{error}'; "
            "install them with: pip install timm safetensors"
        ) from error
    if size is not None:
        pixels = int(size)
    else:
        pixels = mobile.QUALITY_SIZE if build == "quality" else mobile.FAST_SIZE
    try:
        weights = mobile.default_weights()
    except FileNotFoundError as error:
        raise ModelError(str(error)) from error
    return _build_mobile(weights, pixels, "mobile", device, dtype)


def _build_mobile(
    weights: Path, pixels: int, name: str, device: str | None, dtype: str | None
) -> Tracker:
    from samnb.models.checkpoints import file_version
    from samnb.models.mobile import build_mobile
    from samnb.models.sam2 import Sam2Tracker

    try:
        model = build_mobile(pixels, weights=weights)
    except ValueError as error:
        raise ModelError(str(error)) from error
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{weights}: expected weights of mobile, got others ({reason})") from error
    full_name = f"{name}-{pixels}@{file_version([weights])}"
    return Sam2Tracker(model, full_name, device=device, dtype=dtype)


def _load_file(path: Path, device: str | None, dtype: str | None) -> Tracker:
    """Tell by a safetensors file's header whether this project wrote it, and as what."""
    header = _header(path) if path.suffix == ".safetensors" else {}
    if "samnb_version" in header:
        from samnb.models.versions import load_version

        return load_version(path, device=device, dtype=dtype)
    if "samnb" in header:
        from samnb.models.mobile import FAST_SIZE

        return _build_mobile(path, FAST_SIZE, path.stem, device, dtype)
    return _load_sam2(str(path), device, dtype)


def _header(path: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError):
        return {}  # whoever reads the weights says what is wrong with the file


def _load_colour() -> Tracker:
    from samnb.models.colour import ColourTracker

    return ColourTracker()


def _load_sam2(source: str, device: str | None, dtype: str | None) -> Tracker:
    from samnb.models.sam2 import load_sam2

    return load_sam2(source, device=device, dtype=dtype)


def _load_transformers(source: str, device: str | None, dtype: str | None) -> Tracker:
    from samnb.models.transformers import load_transformers

    return load_transformers(source, device=device, dtype=dtype)
