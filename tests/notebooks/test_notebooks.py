"""Notebooks are documents that run: each one, from the first cell to the last."""

import asyncio
import warnings
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted([*FOLDER.glob("*.ipynb"), *FOLDER.glob("dashboards/*.ipynb")])


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The dashboards' folder: the first of them makes the demo, the others find it there."""
    return tmp_path_factory.mktemp("dashboards")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs_to_the_end(path, tmp_path, shared, monkeypatch):
    from nbclient import NotebookClient

    folder = shared if path.parent.name == "dashboards" else tmp_path
    monkeypatch.delenv("SAMNB_PROJECT", raising=False)

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(path, as_version=4)
    with warnings.catch_warnings():
        # The kernel's client has its own opinions about event loops and sockets.
        warnings.simplefilter("ignore")
        client = NotebookClient(notebook, timeout=900, resources={"metadata": {"path": folder}})
        asyncio.run(client.async_execute())
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    assert outputs and not [o for o in outputs if o.output_type == "error"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_small_and_shows_no_error_no_dead_widget_and_no_class(path):
    assert path.stat().st_size < 1_500_000
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error"]
    assert "widgets" not in notebook.metadata
    assert not [o for o in outputs if any("widget" in mime for mime in o.get("data", ()))]
    assert not any(line.startswith("class ") for cell in code for line in cell.source.splitlines())
