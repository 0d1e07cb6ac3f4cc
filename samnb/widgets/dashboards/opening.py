"""The one call that a dashboard's notebook makes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from samnb.engine.session import Session
from samnb.store.db import Log
from samnb.types import InputError, LogError, SamnbError, Worker, WorkerKind
from samnb.widgets.dashboards.page import Dashboard, Refusal

DASHBOARDS: Final = ("annotate", "review", "statistics", "engine")
PROJECT_VARIABLE: Final = "SAMNB_PROJECT"
"""Names the project where a notebook does not."""
DEMO: Final = Path("samnb-demo") / "dashboards.samnb"
"""Where the demo's project is made, below the folder of the notebook."""
DEMO_AGO_S: Final = 3 * 3600.0
"""How long ago the simulated people of a new demo began."""
REMEDY: Final = (
    "Give the path of a project file. “samnb studio clip.mp4 --project my.samnb” makes one from "
    "your own media; “samnb dashboard … --demo” shows an example."
)


def open_dashboard(
    name: str,
    project: str | Path | None = None,
    *,
    worker: str = "me",
    model: str | None = None,
    is_demo: bool = False,
) -> Dashboard:
    """Return a dashboard to leave as the last line of a cell.

    Where the project cannot be opened, the page says why instead.

    Args:
        name: "annotate", "review", "statistics" or "engine".
        project: project file or database URL. None takes the one that the environment
            variable SAMNB_PROJECT names, else makes the demo's below the present folder.
        worker: who works; statistics and engine have no use for it.
        model: name of the model for clicks and propagation; None for the project's own.
        is_demo: the project is the demo's, made when missing; the page says so.

    Raises:
        InputError: an unknown name.
    """
    if name not in DASHBOARDS:
        raise InputError(f"name: expected one of {', '.join(DASHBOARDS)}, got {name!r}")
    target = project or os.environ.get(PROJECT_VARIABLE) or None
    note = ""
    try:
        if is_demo or target is None:
            target = make_demo_project(Path(target or DEMO))
            note = demo_note()
        if "://" not in str(target) and not Path(target).expanduser().is_file():
            raise LogError(f"{target}: no such project file")
        return _open(name, target, worker, model, note)
    except SamnbError as error:
        return Refusal(name.capitalize(), str(target or ""), error, REMEDY)


def make_demo_project(path: Path) -> Path:
    """Make the demo's project unless it is there, and return its path."""
    from samnb.widgets.dashboards import demo

    path.parent.mkdir(parents=True, exist_ok=True)
    demo.make_demo(path, start_s=time.time() - DEMO_AGO_S)
    return path


def demo_note() -> str:
    """What pages say about the demo."""
    from samnb.widgets.dashboards.demo import NOTE

    return NOTE


def _open(name: str, target: str | Path, worker: str, model: str | None, note: str) -> Dashboard:
    where = str(target) if "://" in str(target) else Path(target).name
    if name == "statistics":
        from samnb.widgets.dashboards.statistics import Statistics

        return Statistics(Log(target), where=where, note=note)
    if name == "engine":
        from samnb.widgets.dashboards.engine import WORKER, EngineRoom

        machine = Worker(WORKER, WorkerKind.MODEL, "engine page")
        session = Session.open(target, worker=machine, tracker=model)
        return EngineRoom(session, where=where, note=note)
    session = Session.open(target, worker=worker, tracker=model)
    if name == "review":
        from samnb.widgets.dashboards.review import Review

        return Review(session, where=where, note=note)
    from samnb.widgets.dashboards.annotate import Annotate

    return Annotate(session, where=where, note=note)
