"""A project works with the version it promoted, and says so when it cannot."""

import pytest

from samnb.engine.promotion import choose_model, versions_folder
from samnb.engine.session import Session
from samnb.engine.tracking import ModelSlot
from samnb.events import ModelPromoted
from samnb.models import registry
from samnb.types import ModelError
from tests.engine.scene import ColourTracker


@pytest.fixture
def path(tmp_path):
    return tmp_path / "p.samnb"


@pytest.fixture
def loaded(monkeypatch):
    """Names that were loaded; a name that is in ``refused`` cannot be."""
    names, refused = [], []

    def load(name):
        names.append(name)
        if name in refused:
            raise ModelError("expected root=, the model it was trained from")
        return ColourTracker()

    monkeypatch.setattr(registry, "load_model", load)
    return names, refused


def promote(path, *files, at_hand=True):
    """Write promotions into the project's log and, where at hand, their files."""
    session = Session.open(path, tracker="colour")
    for file in files:
        promoted = ModelPromoted("run", file.removesuffix(".safetensors"), "mobile", file, "better")
        session.commit(lambda _state, body=promoted: [body])
        if at_hand:
            place = versions_folder(session.log.url)
            place.mkdir(exist_ok=True)
            (place / file).touch()
    session.close()


def open_project(path):
    return Session.open(path)


def test_a_project_that_promoted_nothing_takes_the_default_and_says_nothing(path, loaded):
    session = open_project(path)
    assert session.model_note == "" and loaded[0] == []
    assert session.tracker.name and loaded[0] == ["mobile"]
    session.close()


def test_the_version_promoted_last_is_taken_up_when_the_model_is_first_needed(path, loaded):
    promote(path, "mobile-1.safetensors", "mobile-2.safetensors")
    session = open_project(path)
    assert "mobile-2, promoted by this project" in session.model_note
    assert loaded[0] == [], "nothing is loaded to say so"
    assert session.tracker is session.tracker
    assert loaded[0] == [str(path.with_name("p.models") / "mobile-2.safetensors")]
    session.close()


def test_other_workers_on_the_session_share_the_choice(path, loaded):
    promote(path, "mobile-2.safetensors")
    session = open_project(path)
    assert session.as_worker("bo").tracker is session.tracker
    assert len(loaded[0]) == 1
    session.close()


def test_a_version_whose_file_is_gone_gives_way_with_a_warning(path, loaded):
    promote(path, "mobile-1.safetensors", at_hand=False)
    session = open_project(path)
    with pytest.warns(UserWarning, match=r"promoted mobile-1, but .*p\.models.* is not there"):
        assert session.tracker.name == "colour@1"
    assert loaded[0] == ["mobile"] and "put the file back" in session.model_note
    session.close()


def test_a_version_that_cannot_be_loaded_gives_way_with_a_warning(path, loaded):
    promote(path, "tiny-1.safetensors")
    names, refused = loaded
    refused.append(str(path.with_name("p.models") / "tiny-1.safetensors"))
    session = open_project(path)
    with pytest.warns(UserWarning, match="expected root=, the model it was trained from"):
        assert session.tracker.name == "colour@1"
    assert names == [refused[0], "mobile"]
    session.close()


def test_a_model_named_by_the_caller_wins_and_nothing_is_said(path, loaded):
    promote(path, "mobile-1.safetensors")
    session = Session.open(path, tracker="colour")
    assert session.tracker.name and loaded[0] == ["colour"] and session.model_note == ""
    session.close()


def test_a_database_says_how_to_get_at_its_version(path, monkeypatch):
    promote(path, "mobile-1.safetensors")
    session = Session.open(path, tracker="colour")
    monkeypatch.setattr(session.log, "url", "postgresql://host/db")
    choice = choose_model(session.log)
    assert choice.is_fallback and "use_promoted(session, folder=...)" in choice.note
    session.close()


def test_a_slot_keeps_the_model_it_is_given():
    tracker = ColourTracker()
    slot = ModelSlot(tracker)
    assert slot.get() is tracker and slot.note == ""
