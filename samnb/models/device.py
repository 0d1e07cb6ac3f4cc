"""Where models run and in which number format; the one place that asks torch what there is."""

from __future__ import annotations

import torch

from samnb.types import ModelError

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def default_device() -> torch.device:
    """The fastest device present: CUDA, else Apple's MPS, else the processor."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def resolve_device(device: str | torch.device | None) -> torch.device:
    """Turn a name such as ``"cuda:1"`` into a device; None is :func:`default_device`.

    Raises:
        ModelError: torch does not know the name, or the device is not in this machine.
    """
    if device is None:
        return default_device()
    try:
        found = torch.device(device)
        # Only an allocation tells whether the device is really there.
        torch.zeros(1, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ModelError(
            f"device: {device} cannot be used here ({str(error).splitlines()[0]}); "
            f"this machine's default is {default_device()}"
        ) from error
    return found


def resolve_dtype(dtype: str | torch.dtype | None) -> torch.dtype:
    """Turn ``"bfloat16"`` and its like into a dtype; None is float32.

    Raises:
        ModelError: not one of float32, bfloat16 and float16.
    """
    if dtype is None:
        return torch.float32
    found = _DTYPES.get(dtype) if isinstance(dtype, str) else dtype
    if found is None or found not in _DTYPES.values():
        raise ModelError(f"dtype: expected one of {', '.join(_DTYPES)}, got {dtype}")
    return found
