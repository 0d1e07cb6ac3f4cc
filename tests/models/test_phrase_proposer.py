"""A language model as proposer: what it is asked, and how its answer is read."""

from __future__ import annotations

import pytest

from samnb.models.concepts import PhraseProposer
from samnb.models.generation import parse_list
from samnb.models.phrase_proposer import load_phrase_proposer
from samnb.types import InputError, ModelError
from tests.models.writers import write_gpt2

CHAT = "{% for m in messages %}describe {{ m['content'] }}{% endfor %} :"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_gpt2(tmp_path_factory.mktemp("gpt2") / "tiny")


@pytest.fixture
def proposer(folder):
    return load_phrase_proposer(folder, n=3, max_new_tokens=12, device="cpu")


def answering(proposer, monkeypatch, text):
    """Let the model answer with a text; return the list of what it was asked."""
    asked = []
    tokenizer = proposer._tokenizer

    def generate(**inputs):
        asked.append(tokenizer.decode(inputs["input_ids"][0]))
        return inputs["input_ids"]

    monkeypatch.setattr(proposer._writer.model, "generate", generate)
    monkeypatch.setattr(
        proposer._writer, "_tokenizer", type("Says", (), {"decode": lambda *a, **k: text})()
    )
    return asked


def test_it_is_a_proposer_and_writes_the_same_each_time(proposer):
    assert isinstance(proposer, PhraseProposer)
    assert proposer.name.startswith("tiny@")
    found = proposer.propose("red cup")
    assert found == proposer.propose("red cup")
    assert len(found) <= 3
    assert "red cup" not in found


def test_its_answer_is_a_list_without_the_phrase_itself(proposer, monkeypatch):
    asked = answering(proposer, monkeypatch, "1. Red cup\n2. Blue cup\n3. Red mug\n4. A red dog\n")
    assert proposer.propose("red cup") == ("blue cup", "red mug", "a red dog")
    assert "red cup" in asked[0]


def test_a_chat_template_wraps_the_question(tmp_path, monkeypatch):
    folder = write_gpt2(tmp_path / "chat", chat_template=CHAT)
    proposer = load_phrase_proposer(folder, prompt="list things : {phrase}", device="cpu")
    asked = answering(proposer, monkeypatch, "cat")
    assert proposer.propose("red dog") == ("cat",)
    assert asked == ["describe list things : red dog :"]


def test_a_prompt_has_a_place_for_the_phrase(folder):
    with pytest.raises(InputError, match="phrase"):
        load_phrase_proposer(folder, prompt="say something")
    with pytest.raises(InputError, match="1 or more"):
        load_phrase_proposer(folder, n=0)


def test_what_is_not_a_language_model_is_named(tmp_path):
    with pytest.raises(ModelError, match="expected a folder or hub name of a text-generation"):
        load_phrase_proposer(tmp_path / "nothing" / "there")


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("1. red mug\n2) blue cup\n(3) glass", ("red mug", "blue cup", "glass")),
        ("- Red mug\n* blue cup.\n\u2022 'glass'", ("red mug", "blue cup", "glass")),
        ("red mug, blue cup; glass", ("red mug", "blue cup", "glass")),
        ("1. red mug 2. blue cup 3. glass", ("red mug", "blue cup", "glass")),
        ("red mug\nRed mug\n\n...\n42", ("red mug",)),
        ("these are all the things that look alike\ncup", ("cup",)),
        ("", ()),
    ],
)
def test_an_answer_is_read_as_a_list(text, phrases):
    assert parse_list(text) == phrases


def test_a_list_ends_at_its_limit():
    assert parse_list("a cup, a dog, a cat", limit=2) == ("a cup", "a dog")
