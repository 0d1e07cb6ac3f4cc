"""The vision-language verifier on a tiny random LLaVA in the real file format."""

import threading

import numpy as np
import pytest
import torch
from transformers import LlamaConfig

from samnb.masks.views import mv_view
from samnb.models.verifier_examples import EvExample, MvExample
from samnb.models.verifier_prompts import EV_ORDER, MV_ORDER, ev_prompt, mv_prompt
from samnb.models.verifier_vlm import VlmVerifier, letter_ids, load_vlm_verifier
from samnb.types import EvAnswer, InputError, ModelError, MvAnswer
from tests.models.writers import word_tokenizer, write_blip, write_llava

pytest.importorskip("peft")
from samnb.models.verifier_lora import LoraSettings, finetune_vlm

# One third party's use of another's old name; nothing here can change it.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

LETTERS = ["A", "B", "C", "D", "E", "F"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint whose vocabulary has the letters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.models.writers.WORDS", [*LETTERS, "cup", "box", "zero", "red"])
        # The questions are longer than the captions that the writer was made for.
        patch.setattr(
            "tests.models.writers.LlamaConfig",
            lambda **given: LlamaConfig(**{**given, "max_position_embeddings": 1024}),
        )
        return write_llava(tmp_path_factory.mktemp("vlm") / "tiny")


@pytest.fixture(scope="module")
def verifier(folder):
    return load_vlm_verifier(folder, device="cpu")


@pytest.fixture
def picture():
    image = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    mask = np.zeros((60, 80), np.bool_)
    mask[20:40, 20:50] = True
    return image, mask


def test_probabilities_are_the_softmax_over_the_letters_logits(verifier, picture):
    image, mask = picture
    prompt = mv_prompt("cup")
    with torch.inference_mode():
        logits = verifier.model(**verifier.inputs(mv_view(image, mask), prompt)).logits[0, -1]
    ids = [verifier.processor.tokenizer.convert_tokens_to_ids(x) for x in LETTERS[:5]]
    expected = logits[ids].double().softmax(0).numpy()
    assert verifier.verify_masks(image, "cup", [mask])[0] == pytest.approx(expected, abs=1e-6)


def test_each_mask_is_judged_by_itself(verifier, picture):
    image, mask = picture
    other = np.roll(mask, 25, axis=1)
    both = verifier.verify_masks(image, "cup", [mask, other])
    assert both.shape == (2, 5) and both.sum(axis=1) == pytest.approx([1, 1])
    assert np.array_equal(both[1], verifier.verify_masks(image, "cup", [other])[0])
    assert verifier.verify_masks(image, "cup", []).shape == (0, 5)


def test_an_empty_mask_is_rejected_without_asking(verifier, picture):
    image, mask = picture
    found = verifier.verify_masks(image, "cup", [np.zeros_like(mask)])
    assert found[0, MV_ORDER.index(MvAnswer.REJECT)] == 1.0


def test_boxes_change_the_answer_on_exhaustivity(verifier, picture):
    image, mask = picture
    none, one = (verifier.verify_exhaustive(image, "cup", m) for m in ([], [mask]))
    assert none.shape == (6,) and none.sum() == pytest.approx(1)
    assert not np.allclose(none, one)


def test_the_order_of_letters_moves_probabilities_to_their_options(folder, verifier, picture):
    """The model knows letters only, so option k gets what the letter at its place gets."""
    image, mask = picture
    turned = load_vlm_verifier(folder, mv_order=MV_ORDER[::-1], device="cpu")
    turned_prompt = mv_prompt("cup", MV_ORDER[::-1])
    with torch.inference_mode():
        logits = turned.letter_logits(mv_view(image, mask), turned_prompt, 5)
    expected = logits.double().softmax(0).numpy()[::-1]
    assert turned.verify_masks(image, "cup", [mask])[0] == pytest.approx(expected, abs=1e-6)


def test_the_prompt_lists_every_option_under_its_letter():
    text = ev_prompt("red cup", 0, EV_ORDER)
    assert "zero boxes" in text and 'Label: "red cup"' in text
    assert [line[:2] for line in text.splitlines() if line[1:2] == "."] == [
        f"{letter}." for letter in LETTERS
    ]
    assert text.index("B. Reject. ") < text.index("C. Reject but unseparated")
    assert "2 red boxes" in ev_prompt("cup", 2) and "1 red box," in ev_prompt("cup", 1)
    assert mv_prompt('a "b"\nc').count('"') == 2


def test_a_temperature_softens(folder, verifier, picture):
    image, mask = picture
    soft = load_vlm_verifier(folder, mv_temperature=50.0, device="cpu")
    spread = [np.ptp(v.verify_masks(image, "cup", [mask])[0]) for v in (verifier, soft)]
    assert spread[1] < spread[0] / 5


def test_an_order_must_name_every_option_once(folder):
    with pytest.raises(InputError, match="each of"):
        load_vlm_verifier(folder, ev_order=[EvAnswer.ACCEPT] * 6, device="cpu")


def test_a_vocabulary_without_the_letters_is_refused():
    with pytest.raises(ModelError, match="one token for the letter A"):
        letter_ids(word_tokenizer("<image>"), "tiny")


def test_a_model_that_cannot_be_asked_is_refused(tmp_path, verifier):
    blip = write_blip(tmp_path / "blip")
    with pytest.raises(ModelError, match="chat template"):
        load_vlm_verifier(blip, device="cpu")
    with pytest.raises(ModelError, match="could not load"):
        load_vlm_verifier(tmp_path / "nothing")


def examples(picture):
    image, mask = picture
    load = lambda: image  # noqa: E731
    return [
        MvExample("a", load, "cup", mask, MvAnswer.REJECT),
        EvExample("a", load, "cup", (), EvAnswer.ACCEPT),
    ]


@pytest.mark.parametrize("shuffle", [False, True])
def test_fine_tuning_learns_saves_and_leaves_the_base_alone(folder, picture, tmp_path, shuffle):
    image, mask = picture
    base = load_vlm_verifier(folder, device="cpu")
    before = base.verify_masks(image, "cup", [mask])
    settings = LoraSettings(steps=60, lr=3e-2, batch=2, shuffle_letters=shuffle, dropout=0.0)
    done = finetune_vlm(base, examples(picture), folder=tmp_path / "adapter", settings=settings)
    assert done.status == "done" and len(done.curve) == 60
    assert np.array_equal(base.verify_masks(image, "cup", [mask]), before)
    if not shuffle:  # letters drawn anew cannot be learned by heart
        tuned = done.verifier.verify_masks(image, "cup", [mask])[0]
        # A tiny random network gives way slowly; what counts is that it does.
        assert tuned[MV_ORDER.index(MvAnswer.REJECT)] > before[0, 2] + 0.02
    again = load_vlm_verifier(folder, adapter=tmp_path / "adapter", device="cpu")
    assert again.name == done.verifier.name and again.name.startswith(f"{base.name}+adapter@")
    assert again.verify_masks(image, "cup", [mask]) == pytest.approx(
        done.verifier.verify_masks(image, "cup", [mask]), abs=1e-6
    )


def test_fine_tuning_can_be_cancelled(verifier, picture, tmp_path):
    cancel, seen = threading.Event(), []

    def progress(done, total, loss):
        seen.append((done, total))
        cancel.set()

    found = finetune_vlm(
        verifier, examples(picture), folder=tmp_path / "x", settings=LoraSettings(steps=5),
        on_progress=progress, cancel=cancel,
    )  # fmt: skip
    assert found.status == "cancelled" and found.verifier is None and seen == [(1, 5)]
    assert not (tmp_path / "x").exists()


def test_something_else_than_an_adapter_is_refused(folder, tmp_path):
    with pytest.raises(ModelError, match="expected an adapter"):
        load_vlm_verifier(folder, adapter=tmp_path, device="cpu")


def test_nothing_to_learn_from_is_said(verifier, picture, tmp_path):
    image, mask = picture
    blind = MvExample("a", lambda: image, "cup", np.zeros_like(mask), MvAnswer.REJECT)
    with pytest.raises(InputError, match="at least one"):
        finetune_vlm(verifier, [blind], folder=tmp_path)
    assert isinstance(verifier, VlmVerifier)
