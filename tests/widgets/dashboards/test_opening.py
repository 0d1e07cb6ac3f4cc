"""The call that a dashboard's notebook makes."""

from __future__ import annotations

import pytest

from samnb.engine.session import Session
from samnb.types import InputError, WorkerKind
from samnb.widgets.dashboards import opening
from samnb.widgets.dashboards.opening import DASHBOARDS, PROJECT_VARIABLE, open_dashboard
from samnb.widgets.dashboards.page import Refusal


@pytest.fixture
def project(tmp_path):
    path = tmp_path / "p.samnb"
    Session.open(path, worker="ana").close()
    return path


@pytest.fixture
def opened():
    pages = []
    yield pages.append
    for page in pages:
        page.close()


@pytest.mark.parametrize("name", DASHBOARDS)
def test_each_page_opens_on_an_empty_project(name, project, opened):
    page = open_dashboard(name, project, worker="bo")
    opened(page)
    assert not isinstance(page, Refusal), page.banner.words.value
    assert "p.samnb" in page.heading.value and not page.note.value


def test_the_engine_signs_as_a_model(project, opened):
    page = open_dashboard("engine", project, worker="bo")
    opened(page)
    worker = page.session.worker
    assert (worker.id, worker.kind) == ("engine", WorkerKind.MODEL)


def test_a_project_that_is_not_there_is_refused_on_the_page(tmp_path):
    page = open_dashboard("review", tmp_path / "nope.samnb")
    assert isinstance(page, Refusal) and "no such project file" in page.banner.words.value
    assert not (tmp_path / "nope.samnb").exists(), "nothing is made by a typo"


def test_a_file_that_is_no_project_is_refused_on_the_page(tmp_path):
    path = tmp_path / "p.samnb"
    path.write_text("no database")
    page = open_dashboard("statistics", path)
    assert isinstance(page, Refusal) and "cannot be used" in page.banner.words.value


def test_an_unknown_page_is_refused():
    with pytest.raises(InputError, match="'boss'"):
        open_dashboard("boss")


def test_the_environment_names_a_project(project, monkeypatch, opened):
    monkeypatch.setenv(PROJECT_VARIABLE, str(project))
    page = open_dashboard("statistics")
    opened(page)
    assert "p.samnb" in page.heading.value


def test_without_a_project_the_demo_is_made(tmp_path, monkeypatch, opened):
    made = []

    def make(path, **_):
        made.append(path)
        Session.open(path, worker="demo").close()

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(PROJECT_VARIABLE, raising=False)
    monkeypatch.setattr("samnb.widgets.dashboards.demo.make_demo", make)
    page = open_dashboard("statistics")
    opened(page)
    assert made == [opening.DEMO] and "made-up" in page.note.value
