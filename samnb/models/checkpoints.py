"""Checkpoint files of SAM 2: where they are, which configuration fits, reading them safely.

Official checkpoints are ``{"model": state_dict}`` pickles, read with ``weights_only=True`` so that
no code runs; ``.safetensors`` files hold the state dict alone.
"""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from samnb.types import ModelError

SUFFIXES = (".pt", ".pth", ".safetensors")
"""What checkpoint files are called."""
_SIZES = {"tiny": "t", "small": "s", "base-plus": "b+", "large": "l"}
HUB_CHECKPOINTS: Mapping[str, tuple[str, str]] = {
    f"facebook/{release}-hiera-{size}": (
        f"configs/{release}/{release}_hiera_{letter}.yaml",
        f"{release}_hiera_{size.replace('-', '_')}.pt",
    )
    for release in ("sam2", "sam2.1")
    for size, letter in _SIZES.items()
}
"""Configuration and file name of every official checkpoint, by hub name."""
# Trunk width and number of blocks of the four released sizes (SAM 2 paper, appendix on Hiera).
_TRUNKS = {(96, 12): "t", (96, 16): "s", (112, 24): "b+", (144, 48): "l"}
# What the released video predictor switches on by default; hole filling is left out, because it
# needs a compiled extension that the wheels do not have.
_INFERENCE = {
    "binarize_mask_from_pts_for_mem_enc": True,
    "sam_mask_decoder_extra_args": {
        "dynamic_multimask_via_stability": True,
        "dynamic_multimask_stability_delta": 0.05,
        "dynamic_multimask_stability_thresh": 0.98,
    },
}
_TRUSTED = ("sam2.", "samnb.")


def find_checkpoint(
    source: str | Path, config: str | Path | None
) -> tuple[Path, str | Path | None]:
    """Find a checkpoint file on disk or on the hub, and its configuration if it has a sure one.

    Raises:
        ModelError: there is no such file, or the hub cannot be reached and has not been before.
    """
    if str(source) in HUB_CHECKPOINTS:
        known, file_name = HUB_CHECKPOINTS[str(source)]
        return _from_hub(str(source), file_name), config or known
    path = Path(source).expanduser()
    if path.suffix not in SUFFIXES:
        raise ModelError(f"{source}: expected a file ending in {', '.join(SUFFIXES)} or a hub name")
    if not path.is_file():
        raise ModelError(f"{source}: expected a checkpoint file, found none there")
    beside = path.with_suffix(".yaml")
    if config is None and beside.is_file():
        return path, beside
    return path, config


def _from_hub(repo: str, file_name: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repo, file_name, local_files_only=True))
    except OSError:
        pass
    try:
        return Path(hf_hub_download(repo, file_name))
    # Whatever the hub's client raises (it changed more than once), the remedy is the same.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{repo}: expected it in the hub cache or on the hub, got neither ({reason}); where "
            f"there is a network, download {file_name} from the hub repository {repo}, put it "
            f"anywhere and load it by path: load_model('path/to/{file_name}')"
        ) from error


def file_version(paths: Sequence[Path]) -> str:
    """First eight hexadecimal digits of the SHA-256 of the files' bytes, in their order."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()[:8]


def read_state(path: Path) -> dict[str, Tensor]:
    """Read the state dict of a checkpoint file onto the processor; runs no code from the file.

    Raises:
        ModelError: the file cannot be read or holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        held = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, SafetensorError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{path}: expected a checkpoint, could not read it ({reason})") from error
    state = held.get("model", held) if isinstance(held, dict) else held
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"{path}: expected {{'model': state_dict}}, got {type(held).__name__}")
    return state


def infer_config(shapes: Mapping[str, Sequence[int]]) -> str:
    """Name the official configuration that weights of these shapes belong to.

    Args:
        shapes: shape of every tensor by its name in the state dict.

    Raises:
        ModelError: not a SAM 2 with one of the four released Hiera trunks.
    """
    patch = shapes.get("image_encoder.trunk.patch_embed.proj.weight")
    found = (re.match(r"image_encoder\.trunk\.blocks\.(\d+)\.", name) for name in shapes)
    n_blocks = len({match[1] for match in found if match})
    letter = _TRUNKS.get((patch[0], n_blocks)) if patch is not None else None
    if letter is None:
        have = f"width {patch[0]} and {n_blocks} blocks" if patch is not None else "no Hiera trunk"
        raise ModelError(
            "weights: expected a released SAM 2 trunk (width, blocks: "
            f"{', '.join(str(k) for k in _TRUNKS)}), got {have}; for another model pass config=, "
            "or put its YAML file beside the checkpoint under the same name"
        )
    # 2.1 embeds absence into the spatial memory, 2.0 does not.
    release = "sam2.1" if "no_obj_embed_spatial" in shapes else "sam2"
    return f"configs/{release}/{release}_hiera_{letter}.yaml"


def build_model(path: Path, config: str | Path | None = None) -> Any:
    """Build a ``SAM2Base`` on the processor and load a checkpoint into it.

    Args:
        path: the checkpoint file.
        config: a YAML file or the name of one in the `sam2` package; None infers it. The file
            names the classes to build; only those of `sam2` and of this project are accepted.

    Raises:
        ModelError: the file cannot be read, there is no such configuration, or weights and
            configuration do not fit.
    """
    from hydra.utils import instantiate
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    state = read_state(path)
    if config is None:
        config = infer_config({name: tuple(value.shape) for name, value in state.items()})
    place = Path(config).expanduser()
    if not place.is_file():
        place = Path(str(files("sam2"))) / config
    if not place.is_file():
        raise ModelError(
            f"config: expected a YAML file or a name in the sam2 package, got {config}"
        )
    try:
        settings: Any = OmegaConf.to_container(OmegaConf.load(place), resolve=True)
    except (OSError, ValueError, YAMLError, OmegaConfBaseException) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{place}: expected a YAML file, could not read it ({reason})") from error
    tree = settings.get("model") if isinstance(settings, dict) else None
    if not isinstance(tree, dict):
        raise ModelError(f"{place}: expected a mapping under 'model', got {type(tree).__name__}")
    _check_targets(tree, place)
    tree = {**_INFERENCE, **tree, "_target_": "sam2.modeling.sam2_base.SAM2Base"}
    tree["compile_image_encoder"] = False
    model = instantiate(tree, _recursive_=True)
    expected = model.state_dict()
    missing, extra = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    wrong = [
        f"{k} {tuple(state[k].shape)} for {tuple(v.shape)}"
        for k, v in expected.items()
        if k in state and state[k].shape != v.shape
    ]
    if missing or extra or wrong:
        raise ModelError(
            f"{path}: expected the weights of {config}, got {len(missing)} missing "
            f"{missing[:2]}, {len(extra)} unknown {extra[:2]}, {len(wrong)} of another shape "
            f"{wrong[:2]}"
        )
    model.load_state_dict(state)
    return model.eval()


def _check_targets(tree: Any, place: Path) -> None:
    """Refuse a configuration that would build anything but model parts."""
    if isinstance(tree, dict):
        target = tree.get("_target_")
        if target is not None and not str(target).startswith(_TRUSTED):
            raise ModelError(
                f"{place}: expected classes of {' or '.join(_TRUSTED)} only, got {target}"
            )
        for value in tree.values():
            _check_targets(value, place)
    elif isinstance(tree, list):
        for value in tree:
            _check_targets(value, place)
