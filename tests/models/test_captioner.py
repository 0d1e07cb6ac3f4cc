"""Captions by tiny checkpoints of three families, loaded like the real ones."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from samnb.models.captioner import load_captioner
from samnb.models.concepts import Captioner
from samnb.types import InputError, ModelError
from tests.models.writers import WORDS, write_blip, write_llava, write_vit_gpt2

IMAGE = np.random.default_rng(0).integers(0, 255, (24, 40, 3), np.uint8)
WRITERS = {"blip": write_blip, "llava": write_llava, "vit-gpt2": write_vit_gpt2}


@pytest.fixture(scope="module", params=list(WRITERS))
def folder(request, tmp_path_factory):
    return WRITERS[request.param](tmp_path_factory.mktemp("writers") / request.param)


@pytest.fixture(scope="module")
def captioner(folder):
    return load_captioner(folder, max_new_tokens=6, device="cpu")


def test_it_is_a_captioner_with_name_and_version(captioner, folder):
    assert isinstance(captioner, Captioner)
    name, version = captioner.name.split("@")
    assert name == folder.name
    assert version


def test_it_writes_only_new_words_the_same_each_time(captioner):
    text = captioner.caption(IMAGE)
    assert text
    assert text == captioner.caption(IMAGE.copy())
    found = re.findall(r"[a-z]+|[.,:]", text)
    assert 1 <= len(found) <= 6
    assert set(found) <= set(WORDS)


def test_it_takes_read_only_and_turned_pictures(captioner):
    turned = IMAGE[::-1]
    turned.flags.writeable = False
    assert captioner.caption(turned) == captioner.caption(np.ascontiguousarray(turned))


@pytest.mark.parametrize("image", [IMAGE[..., 0], IMAGE.astype(np.float32)])
def test_another_picture_is_refused(captioner, image):
    with pytest.raises(InputError, match=r"expected \(H, W, 3\) uint8"):
        captioner.caption(image)


def test_a_begun_caption_is_continued_and_only_the_rest_returned(folder):
    begun = load_captioner(folder, prompt="a red cup", max_new_tokens=3, device="cpu")
    text = begun.caption(IMAGE)
    assert "a red cup" not in text
    assert 1 <= len(re.findall(r"[a-z]+|[.,:]", text)) <= 3


def test_a_chat_model_is_shown_the_picture_and_asked_in_words(tmp_path, monkeypatch):
    captioner = load_captioner(
        write_llava(tmp_path / "llava"), prompt="describe the table", device="cpu"
    )
    seen = {}

    def generate(**inputs):
        seen.update(inputs)
        return inputs["input_ids"]

    monkeypatch.setattr(captioner._writer.model, "generate", generate)
    assert captioner.caption(IMAGE) == ""
    asked = captioner._processor.tokenizer.decode(seen["input_ids"][0])
    assert asked.count("<image>") == 4
    assert "describe the table" in asked
    assert seen["pixel_values"].shape == (1, 3, 32, 32)


def test_what_is_not_a_captioner_is_named(tmp_path):
    with pytest.raises(ModelError, match="expected a folder or hub name of an image-to-text model"):
        load_captioner(tmp_path / "nothing-there" / "at-all")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ModelError, match="image-to-text"):
        load_captioner(tmp_path)


def test_a_caption_has_a_length():
    from samnb.models.captioner import TransformersCaptioner

    with pytest.raises(InputError, match="max_new_tokens"):
        TransformersCaptioner(None, None, "x", max_new_tokens=0)
