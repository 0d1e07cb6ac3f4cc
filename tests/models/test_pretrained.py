import json
from types import SimpleNamespace

import pytest

from samnb.models.pretrained import load_pretrained, require_all_weights, require_model_type
from samnb.types import ModelError


def model(commit=None):
    return SimpleNamespace(config=SimpleNamespace(_commit_hash=commit))


def test_a_folder_is_named_by_its_weights(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"one")
    first = load_pretrained(tmp_path, "a model", lambda _place: (model(), "rest"))
    assert first[1] == "rest" and first[2].startswith(f"{tmp_path.name}@")
    (tmp_path / "a.safetensors").write_bytes(b"two")
    assert load_pretrained(tmp_path, "a model", lambda _place: (model(), None))[2] != first[2]


def test_a_hub_name_is_named_by_its_commit():
    found = load_pretrained("me/cat", "a model", lambda _place: (model("0123456789ab"), None))
    assert found[2] == "cat@01234567"


def test_what_a_library_raises_becomes_one_error_with_a_remedy():
    def load(place):
        raise OSError(f"no {place}\nand a long story")

    with pytest.raises(ModelError, match=r"me/cat: .*a cat, could not load it \(no me/cat\); where "
                                         r"there is a network and the licence"):  # fmt: skip
        load_pretrained("me/cat", "a cat", load, has_licence=True)


def test_a_refusal_keeps_its_reason(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ModelError, match=rf"{tmp_path}: expected model_type a or b, got 'bert'$"):
        load_pretrained(
            tmp_path, "a model", lambda place: (require_model_type(place, ("a", "b")), None)
        )


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_configuration_that_says_nothing_is_refused(tmp_path, text):
    if text:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelError, match="expected"):
        require_model_type(str(tmp_path), ("a",))


def test_made_up_weights_are_refused():
    require_all_weights({"missing_keys": set()})
    with pytest.raises(ModelError, match=r"expected all weights, got 3 missing: \['a', 'b'\]"):
        require_all_weights({"missing_keys": {"b", "c", "a"}})
