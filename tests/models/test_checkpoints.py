"""Checkpoint files: found, read without running them, matched with their configuration."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from samnb.models.checkpoints import (
    HUB_CHECKPOINTS,
    build_model,
    file_version,
    find_checkpoint,
    infer_config,
    read_state,
)
from samnb.types import ModelError
from tests.models.tiny import tiny_config, write_sam2


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_sam2(tmp_path_factory.mktemp("tiny"))


@pytest.mark.parametrize("name", HUB_CHECKPOINTS)
def test_the_shapes_of_every_official_model_name_its_configuration(name):
    config, _ = HUB_CHECKPOINTS[name]
    tree = OmegaConf.load(Path(str(files("sam2"))) / config)
    with torch.device("meta"):
        # Built without any memory: only the shapes are wanted. Drop-path rates are read back from
        # a tensor, which has no values here.
        model = _build_on_meta(tree.model)
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert infer_config(shapes) == config


def _build_on_meta(tree):
    linspace = torch.linspace
    torch.linspace = lambda *args, **kwargs: linspace(*args, **{**kwargs, "device": "cpu"})
    try:
        return instantiate(tree, _recursive_=True)
    finally:
        torch.linspace = linspace


def test_hub_names_are_the_eight_official_ones():
    assert len(HUB_CHECKPOINTS) == 8
    assert HUB_CHECKPOINTS["facebook/sam2.1-hiera-base-plus"] == (
        "configs/sam2.1/sam2.1_hiera_b+.yaml",
        "sam2.1_hiera_base_plus.pt",
    )
    for config, _ in HUB_CHECKPOINTS.values():
        assert (Path(str(files("sam2"))) / config).is_file()


@pytest.mark.parametrize(
    ("shapes", "have"),
    [
        ({}, "no Hiera trunk"),
        ({"image_encoder.trunk.patch_embed.proj.weight": (16, 3, 7, 7)}, "width 16 and 0 blocks"),
    ],
)
def test_shapes_of_another_model_are_refused(shapes, have):
    with pytest.raises(ModelError, match=f"expected a released SAM 2 trunk .* got {have}"):
        infer_config(shapes)


def test_a_yaml_file_beside_the_checkpoint_is_its_configuration(checkpoint):
    assert find_checkpoint(checkpoint, None) == (checkpoint, checkpoint.with_suffix(".yaml"))
    assert find_checkpoint(checkpoint, "other.yaml") == (checkpoint, "other.yaml")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("no/such.pt", "expected a checkpoint file, found none there"),
        ("model.onnx", r"expected a file ending in \.pt, \.pth, \.safetensors or a hub name"),
    ],
)
def test_what_is_no_checkpoint_is_refused(source, message):
    with pytest.raises(ModelError, match=message):
        find_checkpoint(source, None)


def test_an_unreachable_hub_says_which_file_to_download(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        ModelError,
        match=r"download sam2\.1_hiera_tiny\.pt from the hub repository facebook/sam2\.1-hiera-t",
    ):
        find_checkpoint("facebook/sam2.1-hiera-tiny", None)


def test_a_file_in_the_hub_cache_needs_no_network(monkeypatch, tmp_path):
    asked = []

    def download(repo, name, **kwargs):
        asked.append((repo, name, kwargs))
        return str(tmp_path / name)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    path, config = find_checkpoint("facebook/sam2-hiera-large", None)
    assert path == tmp_path / "sam2_hiera_large.pt"
    assert config == "configs/sam2/sam2_hiera_l.yaml"
    assert asked == [("facebook/sam2-hiera-large", path.name, {"local_files_only": True})]


def test_reading_runs_no_code_from_the_file(tmp_path):
    class Harm:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "harmed"),))

    torch.save({"model": Harm()}, tmp_path / "bad.pt")
    with pytest.raises(ModelError, match="expected a checkpoint, could not read it"):
        read_state(tmp_path / "bad.pt")
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize("name", ["cut.pt", "cut.safetensors"])
def test_a_truncated_file_is_refused(tmp_path, name):
    whole = write_sam2(tmp_path, suffix=Path(name).suffix).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=f"{name}: expected a checkpoint, could not read it"):
        read_state(tmp_path / name)


def test_a_file_of_something_else_is_refused(tmp_path):
    torch.save({"model": {"epoch": 3}}, tmp_path / "log.pt")
    with pytest.raises(ModelError, match=r"expected \{'model': state_dict\}, got dict"):
        read_state(tmp_path / "log.pt")


def test_weights_that_do_not_fit_are_named(checkpoint, tmp_path):
    state = read_state(checkpoint)
    state["no_mem_embed"] = torch.zeros(1, 1, 3)
    state["odd"] = state.pop("no_obj_ptr")
    torch.save({"model": state}, tmp_path / "odd.pt")
    with pytest.raises(ModelError) as raised:
        build_model(tmp_path / "odd.pt", checkpoint.with_suffix(".yaml"))
    assert "1 missing ['no_obj_ptr'], 1 unknown ['odd'], 1 of another shape" in str(raised.value)
    assert "no_mem_embed (1, 1, 3) for (1, 1, 64)" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: 3", "expected a mapping under 'model', got int"),
        ("[1, 2", "expected a YAML file, could not read it"),
        ("model: {part: {_target_: os.system}}", "expected classes of .* only, got os.system"),
        ("model: {parts: [{_target_: os.system}]}", "expected classes of .* only, got os.system"),
    ],
)
def test_configurations_that_cannot_be_used_are_refused(checkpoint, tmp_path, text, message):
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(ModelError, match=message):
        build_model(checkpoint, tmp_path / "own.yaml")


def test_an_unknown_configuration_is_refused(checkpoint):
    with pytest.raises(ModelError, match="config: expected a YAML file or a name in the sam2"):
        build_model(checkpoint, "configs/none.yaml")


def test_a_model_gets_what_the_released_predictor_switches_on(checkpoint):
    model = build_model(checkpoint, checkpoint.with_suffix(".yaml"))
    assert model.binarize_mask_from_pts_for_mem_enc
    assert model.sam_mask_decoder.dynamic_multimask_via_stability
    assert model.image_size == tiny_config()["image_size"]
    assert not model.training


def test_the_version_follows_the_bytes(tmp_path):
    for name, text in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(text)
    a, b, c = (file_version([tmp_path / name]) for name in "abc")
    assert a == b != c
    assert len(a) == 8
    assert file_version([tmp_path / "a", tmp_path / "c"]) not in (a, c)
