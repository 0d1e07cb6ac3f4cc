from __future__ import annotations

import pytest
import torch

from samnb.models.device import default_device, resolve_device, resolve_dtype
from samnb.types import ModelError


@pytest.mark.parametrize(
    ("has_cuda", "has_mps", "kind"),
    [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_the_fastest_device_present_is_the_default(monkeypatch, has_cuda, has_mps, kind):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: has_mps)
    assert default_device().type == kind


def test_a_device_may_be_named_or_given():
    assert resolve_device("cpu") == resolve_device(torch.device("cpu")) == torch.device("cpu")
    assert resolve_device(None) == default_device()


@pytest.mark.parametrize("name", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(ModelError, match=f"device: {name} cannot be used here .* default is"):
        resolve_device(name)


def test_dtypes_are_three():
    assert resolve_dtype(None) is resolve_dtype("float32") is torch.float32
    assert resolve_dtype("bfloat16") is resolve_dtype(torch.bfloat16) is torch.bfloat16
    for wrong in ("int8", torch.int8):
        with pytest.raises(ModelError, match="dtype: expected one of float32, bfloat16, float16"):
            resolve_dtype(wrong)
