"""Models by name."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

import samnb.models
from samnb.models.registry import load_model
from samnb.types import ModelError
from tests.models.clip import Clip, clicks
from tests.models.tiny import write_sam2, write_transformers


def test_the_path_of_a_checkpoint_loads_it(tmp_path):
    assert load_model(str(write_sam2(tmp_path)), device="cpu").name.startswith("tiny@")


@pytest.mark.parametrize("prefix", ["", "transformers:"])
def test_the_path_of_a_transformers_folder_loads_it(tmp_path, prefix):
    tracker = load_model(prefix + str(write_transformers(tmp_path)), device="cpu")
    assert tracker.name.startswith("tiny-transformers@")


@pytest.fixture
def mobile_weights(tmp_path, monkeypatch):
    """The default model with random weights, so that this test needs no trained ones."""
    from samnb.models import mobile

    path = tmp_path / "mobile.safetensors"
    mobile.save_weights(mobile.build_architecture(64).state_dict(), path)
    monkeypatch.setenv(mobile.WEIGHTS_ENV, str(path))
    return path


@pytest.mark.parametrize(
    ("name", "size"),
    [("mobile", 256), ("mobile-fast", 256), ("mobile-quality", 448), ("mobile@64", 64)],
)
def test_the_default_model_comes_in_sizes(mobile_weights, name, size):
    tracker = load_model(name, device="cpu")
    assert tracker.name.startswith(f"mobile-{size}@")
    assert tracker.backend.size == size


def test_the_default_model_tracks(mobile_weights):
    session = load_model("mobile@64", device="cpu").open(Clip(3))
    session.set_prompts(1, 0, clicks((9, 20, 1)))
    assert [position for position, _ in session.propagate(start=0, stop=2)] == [0, 1, 2]


def test_weights_of_the_default_model_load_by_path(mobile_weights, tmp_path):
    other = mobile_weights.rename(tmp_path / "trained.safetensors")
    tracker = load_model(str(other), device="cpu")
    assert tracker.name.startswith("trained-256@")
    assert tracker.backend.size == 256


def test_a_version_loads_by_path_on_top_of_the_default_model(mobile_weights, tmp_path):
    from samnb.models.versions import write_version

    root = load_model("mobile@64", device="cpu")
    path = write_version(root.backend.model, ["no_mem_embed"], tmp_path / "own", root=root.name)
    assert load_model(str(path), device="cpu").root == root.name


def test_a_file_that_only_claims_to_be_the_default_model_is_refused(tmp_path):
    path = tmp_path / "odd.safetensors"
    save_file({"odd": torch.zeros(2)}, path, metadata={"samnb": "{}"})
    with pytest.raises(
        ModelError, match=r"odd\.safetensors: expected weights of mobile, got others"
    ):
        load_model(str(path), device="cpu")


def test_an_impossible_size_is_refused(mobile_weights):
    with pytest.raises(ModelError, match="image_size: expected a multiple of 32"):
        load_model("mobile@100")


def test_missing_weights_of_the_default_model_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("SAMNB_MOBILE_WEIGHTS", str(tmp_path / "none.safetensors"))
    with pytest.raises(ModelError, match=r"none\.safetensors, which does not exist"):
        load_model("mobile")


@pytest.mark.parametrize("name", ["", "sam", "mobile@", "mobile-huge", "facebook/sam-vit-base"])
def test_an_unknown_name_lists_what_there_is(name):
    with pytest.raises(ModelError) as raised:
        load_model(name)
    for word in (
        "mobile-quality",
        "colour",
        ".safetensors",
        "transformers",
        "facebook/sam2.1-hiera-SIZE",
    ):
        assert word in str(raised.value)
    assert str(raised.value).endswith(f"got {name!r}")


def test_a_checkpoint_that_is_not_there_is_said_so():
    with pytest.raises(ModelError, match=r"none\.pt: expected a checkpoint file, found none"):
        load_model("none.pt")


@pytest.mark.parametrize(
    ("package", "name", "remedy"),
    [
        ("sam2", "mobile", "pip install torch rf-sam-2"),
        ("timm", "mobile", "pip install timm"),
        ("transformers", "transformers:a/b", r"pip install 'samnb\[transformers\]'"),
    ],
)
def test_a_missing_package_is_named_with_its_remedy(monkeypatch, package, name, remedy):
    for module in [m for m in sys.modules if m.startswith("samnb.models.") and m.count(".") == 2]:
        if module.rsplit(".", 1)[1] in ("sam2", "mobile", "tinyvit", "transformers"):
            monkeypatch.delitem(sys.modules, module)
            monkeypatch.delattr(samnb.models, module.rsplit(".", 1)[1])
    monkeypatch.setitem(sys.modules, package, None)
    for module in [m for m in sys.modules if m.startswith(package + ".")]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModelError, match=remedy):
        load_model(name)


def test_importing_the_registry_loads_no_framework():
    code = "import sys, samnb.models.registry as r; print('torch' in sys.modules, r.DEFAULT)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "mobile"]
