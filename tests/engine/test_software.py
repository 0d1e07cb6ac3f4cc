"""The log says with which versions people worked."""

from __future__ import annotations

import platform

from samnb import __version__
from samnb.engine.cards.card import make_card
from samnb.engine.session import Session
from samnb.engine.software import PACKAGES, software_here
from samnb.events import WorkerJoined
from samnb.exports.commands import _open_known
from samnb.types import Worker

OLD = (("samnb", "0.0.9"), ("torch", "1.0"))


def joined(session):
    return [e.body for e in session.log.read() if isinstance(e.body, WorkerJoined)]


def test_what_is_installed_is_named(monkeypatch):
    found = dict(software_here())
    assert found["samnb"] == __version__ and found["python"] == platform.python_version()
    assert found.keys() - {"samnb", "python"} <= {name for names in PACKAGES for name in names}
    assert "torch" in found


def test_a_session_notes_its_versions_once(tmp_path):
    for _ in range(2):
        Session.open(tmp_path / "p.samnb", worker="ana").close()
    session = Session.open(tmp_path / "p.samnb", worker="ana")
    assert joined(session) == [WorkerJoined(Worker("ana"), software_here())]
    session.as_worker("bo")
    assert joined(session)[1:] == [WorkerJoined(Worker("bo"), software_here())]


def test_other_versions_are_noted_but_not_by_who_only_reads(tmp_path):
    Session.open(tmp_path / "p.samnb", worker="ana", software=OLD).close()
    reader = _open_known(tmp_path / "p.samnb")
    assert [b.software for b in joined(reader)] == [OLD]
    reader.close()
    session = Session.open(tmp_path / "p.samnb", worker="ana")
    assert [b.software for b in joined(session)] == [OLD, software_here()]
    assert dict(make_card(session).facts.used)["samnb"] == ("0.0.9", __version__)
    assert f"annotated with samnb 0.0.9 and {__version__}" in session.card().methods


def test_a_log_that_does_not_say_is_told_so(tmp_path):
    session = Session.open(tmp_path / "p.samnb", worker="ana", software=())
    assert "Which versions of samnb and other packages the workers used." in str(session.card())
    session.as_worker("ana").close()
    other = Session.open(tmp_path / "p.samnb", worker="bo", software=OLD)
    assert "packages some of the workers used." in str(other.card())
    assert "| worked with | samnb 0.0.9, torch 1.0 |" in str(other.card())
