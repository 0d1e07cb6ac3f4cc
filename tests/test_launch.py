import os
import signal
import socket
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from samnb import cli, launch
from samnb.launch import (
    LaunchError,
    open_voila,
    write_dashboard_notebook,
    write_desk_notebook,
    write_notebook,
)


def test_the_notebook_names_project_media_and_worker(tmp_path):
    (tmp_path / "clip.mp4").touch()
    path = write_notebook(
        tmp_path / "p.ipynb", tmp_path / "p.samnb",
        [tmp_path / "clip.mp4", Path("/elsewhere/b.mp4")], worker="ana", model="mobile",
    )  # fmt: skip
    (cell,) = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert "Session.open('p.samnb', worker='ana', tracker='mobile')" in cell.source
    assert "add_media('clip.mp4')" in cell.source, "files beside the notebook stay relative"
    assert "add_media('/elsewhere/b.mp4')" in cell.source
    compile(cell.source, "cell", "exec")


def test_without_a_model_the_project_chooses(tmp_path):
    path = write_notebook(tmp_path / "p.ipynb", tmp_path / "p.samnb", [], worker="ana")
    (cell,) = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert "Session.open('p.samnb', worker='ana')\n" in cell.source


def test_opening_again_keeps_the_user_s_own_cells(tmp_path):
    path = tmp_path / "p.ipynb"
    write_notebook(path, tmp_path / "p.samnb", [], worker="ana", model="mobile")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(v4.new_code_cell("mine = 1"))
    nbformat.write(notebook, path)
    write_notebook(path, tmp_path / "p.samnb", [], worker="bo", model="mobile")
    sources = [c.source for c in nbformat.read(path, as_version=4).cells]
    assert len(sources) == 3 and sources[-1] == "mine = 1"
    assert "worker='bo'" in sources[1]


def test_every_reviewer_s_desk_has_a_notebook(tmp_path):
    path = write_desk_notebook(
        tmp_path / "p-desk-ana.ipynb", tmp_path / "p.samnb",
        worker="ana", task="ev", model=None, is_demo=True,
    )  # fmt: skip
    (cell,) = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert "Session.open('p.samnb', worker='ana')" in cell.source
    assert "ConceptDesk(session, 'ev', note=NOTE)" in cell.source
    compile(cell.source, "cell", "exec")


def test_every_dashboard_has_a_notebook_for_its_worker(tmp_path):
    path = write_dashboard_notebook(
        tmp_path / "p-review-ana.ipynb", tmp_path / "p.samnb", "review",
        worker="ana", model="colour", is_demo=True,
    )  # fmt: skip
    (cell,) = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    call = "open_dashboard('review', 'p.samnb', worker='ana', model='colour', is_demo=True)"
    assert call in cell.source
    compile(cell.source, "cell", "exec")


def test_a_taken_port_is_refused_before_anything_is_started(tmp_path, monkeypatch):
    monkeypatch.setattr(launch.subprocess, "Popen", pytest.fail)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LaunchError, match=f"port {port} .*--port"):
            open_voila(tmp_path / "p.ipynb", port=port)


def test_ending_the_command_ends_its_server(monkeypatch, capsys):
    monkeypatch.setattr(cli, "build_parser", lambda: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    assert cli.main(["dashboard", "review", "--demo"]) == 1
    assert "interrupted" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before
