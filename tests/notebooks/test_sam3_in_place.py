"""The notebook of SAM 3's engine runs with a SAM 3 in place of the default segmenter."""

import asyncio
import warnings
from pathlib import Path

import nbformat
import pytest

from samnb.engine.concepts.stats import read_state
from samnb.store.db import Log
from tests.models.tiny_concepts import write_sam3_video

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "03_sam3_engine.ipynb"
LINE = 'SEGMENTER = "concept"'


@pytest.mark.timeout(2400)
def test_every_cell_runs_with_a_sam_3_in_the_file_format_of_the_real_one(tmp_path, monkeypatch):
    from nbclient import NotebookClient

    # Random weights, and a concept that is always there: otherwise nothing is proposed.
    folder = write_sam3_video(tmp_path / "model", presence=6.0)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1]))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    first = next(cell for cell in notebook.cells if LINE in cell.source)
    first.source = first.source.replace(LINE, f"SEGMENTER = {str(folder)!r}")
    with warnings.catch_warnings():
        # The kernel's client has its own opinions about event loops and sockets.
        warnings.simplefilter("ignore")
        client = NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": tmp_path}})
        asyncio.run(client.async_execute())
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    assert outputs and not [o for o in outputs if o.output_type == "error"]
    (project,) = tmp_path.glob("samnb-concepts-*/loop.samnb")
    log = Log(project)
    pairs = read_state(log).pairs.values()
    log.close()
    assert all("tiny-sam3-video" in p.proposal.model for p in pairs if p.proposal)
    assert any(p.masks for p in pairs)
