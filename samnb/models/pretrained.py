"""Loading what ``save_pretrained`` wrote, from a folder or the hub: one way to fail, one name.

Every adapter of a transformers model goes through here, so that each refuses the same
things: another kind of model, weights that are not there, a hub that cannot be reached.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from samnb.models.checkpoints import file_version
from samnb.types import ModelError

Rest = TypeVar("Rest")


def load_pretrained(
    source: str | Path,
    what: str,
    load: Callable[[str], tuple[Any, Rest]],
    *,
    has_licence: bool = False,
) -> tuple[Any, Rest, str]:
    """Load something from a local folder or from the hub, and name its version.

    Args:
        source: a folder written by ``save_pretrained``, or a hub name.
        what: what is expected, for the message.
        load: takes the folder or hub name; returns the model and what belongs to it, such as
            its processor or tokenizer.
        has_licence: the hub gives it only to those who accepted a licence.

    Returns:
        model, what belongs to it, and name and version for the log.

    Raises:
        ModelError: it cannot be loaded, or ``load`` refused it.
    """
    folder = Path(source).expanduser()
    is_local = folder.is_dir()
    place = str(folder) if is_local else str(source)
    try:
        model, rest = load(place)
    except ModelError as error:
        raise ModelError(f"{source}: {error}") from error
    # Hub client, file formats and configuration classes all raise errors of their own.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        accepted = " and the licence was accepted" if has_licence else ""
        raise ModelError(
            f"{source}: expected a folder or hub name of {what}, could not load it ({reason}); "
            f"where there is a network{accepted}, save model and processor with save_pretrained "
            "and load the folder"
        ) from error
    if is_local:
        version = file_version(sorted(folder.glob("*.safetensors")) or [folder / "config.json"])
    else:
        version = str(getattr(model.config, "_commit_hash", None) or "hub")[:8]
    return model, rest, f"{folder.name}@{version}"


def require_model_type(place: str, known: Collection[str]) -> str:
    """Return the kind of model that a folder or a hub name holds, by its ``config.json``.

    Raises:
        ModelError: it is none of ``known``, or a folder without a configuration that can be
            read.
        OSError: the hub cannot be reached or knows no such name.
    """
    folder = Path(place).expanduser()
    if folder.is_dir():
        found = _read_settings(folder).get("model_type")
    else:
        from transformers import AutoConfig

        found = AutoConfig.from_pretrained(place).model_type
    if found not in known:
        raise ModelError(f"expected model_type {' or '.join(known)}, got {found!r}")
    return str(found)


def _read_settings(folder: Path) -> Mapping[str, Any]:
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"expected a folder with a config.json, got none that can be read ({error})"
        ) from error
    return settings if isinstance(settings, dict) else {}


def require_all_weights(info: Mapping[str, Any]) -> None:
    """Refuse a model of which transformers made up weights that were not there.

    Args:
        info: what ``from_pretrained(..., output_loading_info=True)`` returned beside it.

    Raises:
        ModelError: some are missing.
    """
    missing = sorted(info["missing_keys"])
    if missing:
        raise ModelError(f"expected all weights, got {len(missing)} missing: {missing[:2]}")
