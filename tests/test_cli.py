import json

import pytest

from samnb import cli, launch
from samnb.engine.session import Session
from samnb.types import LogError


@pytest.fixture
def project(tmp_path):
    path = tmp_path / "p.samnb"
    Session.open(path, worker="ana").close()
    return path


def test_every_command_has_help(capsys):
    for words in (
        ["studio"],
        ["desk"],
        ["dashboard"],
        ["import"],
        ["export"],
        ["eval"],
        ["eval", "vos"],
        ["stats"],
        ["card"],
        ["train"],
        ["run"],
    ):
        with pytest.raises(SystemExit) as stopped:
            cli.main([*words, "--help"])
        assert stopped.value.code == 0
        assert "usage: " in capsys.readouterr().out


def test_a_wrong_command_line_exits_with_2(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["export", "nonsense", "--project", "x", "--out", "y"])
    assert stopped.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


def test_a_refusal_is_one_line_and_exits_with_1(capsys, tmp_path):
    assert cli.main(["stats", "--project", str(tmp_path / "nope.samnb")]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "no such project file" in err


def test_stats_as_json_is_one_object(capsys, project):
    assert cli.main(["stats", "--project", str(project), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["masklets"] == [] and data["workers"][0]["worker"] == "ana"


def test_stats_as_text_prints_the_definitions(capsys, project):
    assert cli.main(["stats", "--project", str(project)]) == 0
    assert "time per frame" in capsys.readouterr().out


def test_the_studio_opens_a_project_given_like_a_file(monkeypatch, project):
    seen = {}

    def stop(notebook, project, media, **settings):
        seen.update(notebook=notebook, project=project, media=media, **settings)
        raise LogError("enough seen")

    monkeypatch.setattr(launch, "write_notebook", stop)
    assert cli.main(["studio", str(project), "--worker", "bo"]) == 1
    assert (seen["project"], seen["media"]) == (project, [])
    assert seen["model"] is None and seen["worker"] == "bo"


def test_the_studio_opens_one_project_at_a_time(capsys, project):
    assert cli.main(["studio", str(project), "--project", str(project)]) == 1
    assert "expected one project" in capsys.readouterr().err


def test_the_studio_refuses_a_bad_file_before_it_starts_a_server(capsys, tmp_path):
    assert cli.main(["studio", str(tmp_path / "none.mp4"), "--project", str(tmp_path / "p")]) == 1
    assert "none.mp4" in capsys.readouterr().err


def test_a_desk_opens_for_a_worker_and_a_task(monkeypatch, project):
    seen = {}

    def stop(notebook, project, **settings):
        seen.update(notebook=notebook, project=project, **settings)
        raise LogError("enough seen")

    monkeypatch.setattr(launch, "write_desk_notebook", stop)
    assert cli.main(["desk", str(project), "--worker", "bo b", "--task", "correct"]) == 1
    assert seen["notebook"].name == "p-desk-bo-b.ipynb" and seen["project"] == project
    assert (seen["worker"], seen["task"], seen["is_demo"]) == ("bo b", "correct", False)


def test_a_desk_needs_a_project_that_is_there(capsys, tmp_path):
    assert cli.main(["desk"]) == 1
    assert "expected a project file, or --demo" in capsys.readouterr().err
    assert cli.main(["desk", str(tmp_path / "nope.samnb")]) == 1
    assert "--demo makes one" in capsys.readouterr().err


def test_a_dashboard_opens_for_a_worker(monkeypatch, project):
    seen = {}

    def stop(notebook, project, name, **settings):
        seen.update(notebook=notebook, project=project, name=name, **settings)
        raise LogError("enough seen")

    monkeypatch.setattr(launch, "write_dashboard_notebook", stop)
    command = ["dashboard", "review", "--project", str(project), "--worker", "bo b"]
    assert cli.main(command) == 1
    assert seen["notebook"].name == "p-review-bo-b.ipynb" and seen["project"] == project
    assert (seen["name"], seen["worker"], seen["is_demo"]) == ("review", "bo b", False)


def test_a_dashboard_page_can_be_dark(monkeypatch, project):
    seen = {}

    def stop(_notebook, **settings):
        seen.update(settings)
        raise LogError("enough seen")

    monkeypatch.setattr(launch, "open_voila", stop)
    assert cli.main(["dashboard", "statistics", "--project", str(project), "--dark"]) == 1
    assert seen["theme"] == "dark"


def test_a_dashboard_needs_a_project_that_is_there(capsys, tmp_path):
    assert cli.main(["dashboard", "engine"]) == 1
    assert "expected --project, or --demo" in capsys.readouterr().err
    assert cli.main(["dashboard", "engine", "--project", str(tmp_path / "nope.samnb")]) == 1
    assert "--demo makes one" in capsys.readouterr().err
