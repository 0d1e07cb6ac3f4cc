"""Real servers, a real browser, and a hand that waits for what it sees."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 180.0
"""Longest wait for anything; a machine that does much else may need it."""
WIDTH, HEIGHT = 320, 200
N_FRAMES = 24


def wait_until(is_so, what):
    """Return ``is_so()`` as soon as it is truthy."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = is_so()
        if found:
            return found
        time.sleep(0.05)  # between two looks
    raise AssertionError(f"waited {PATIENCE_S:g} s for {what}")


def disc_xy(frame_idx):
    """Centre of the red disc; it moves to the right."""
    return 50 + 8 * frame_idx, 70


def box_xyxy(frame_idx):
    """The yellow box; it moves up."""
    return 230, 150 - 3 * frame_idx, 280, 180 - 3 * frame_idx


class Project:
    """A project file and a notebook that opens the studio on it."""

    def __init__(self, folder: Path, media: list[Path], tracker: str) -> None:
        self.folder, self.path = folder, folder / "project.samnb"
        self.notebook = folder / "studio.ipynb"
        names = ", ".join(repr(str(m)) for m in media)
        cell = (
            "from samnb import Session, Studio\n"
            "from samnb.models.colour import ColourTracker\n"
            f"session = Session.open('project.samnb', worker='ana', tracker={tracker})\n"
            f"studio = Studio(session{', ' + names if names else ''})\n"
            "studio"
        )
        notebook = nbformat.v4.new_notebook()
        notebook.cells = [
            nbformat.v4.new_code_cell(cell),
            nbformat.v4.new_code_cell("'a cell of the user'"),
        ]
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, self.notebook)

    def rows(self, kind: str) -> list[dict]:
        """Bodies of the log's events of one kind, oldest first, straight from SQLite."""
        if not self.path.exists():
            return []
        with sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=30) as db:
            try:
                found = db.execute(
                    "SELECT body, worker_id FROM events WHERE kind = ? ORDER BY seq", (kind,)
                ).fetchall()
            except sqlite3.OperationalError:  # the table is just being made
                return []
        return [{**json.loads(body), "by": worker} for body, worker in found]

    def wait_for(self, kind: str, count: int = 1) -> list[dict]:
        """Wait until the log has ``count`` events of a kind."""

        def enough():
            rows = self.rows(kind)
            return rows if len(rows) >= count else None

        return wait_until(enough, f"{count} events {kind!r} in the log")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(project, arguments, port, probe):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    log = project.folder / "server.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=project.folder, env=env, stdout=out, stderr=out
        )

    def is_up():
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{probe}", timeout=5):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    try:
        wait_until(is_up, f"the server; it said: {log.read_text()}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def voila(project, theme="light"):
    port = free_port()
    arguments = ["voila", project.notebook.name, "--no-browser", f"--port={port}"]
    arguments += [f"--theme={theme}", "--Voila.ip=127.0.0.1"]
    with serving(project, arguments, port, "/voila/static/none") as base:
        yield base


@contextmanager
def lab(project):
    port, token = free_port(), secrets.token_hex(8)
    arguments = ["jupyterlab", "--no-browser", f"--ServerApp.port={port}", "--allow-root"]
    arguments += [f"--IdentityProvider.token={token}", "--LabApp.news_url="]
    with serving(project, arguments, port, f"/api/status?token={token}") as base:
        yield f"{base}/lab/tree/{project.notebook.name}?token={token}"


class Hand:
    """Mouse and keyboard on an open studio; positions are media pixels."""

    def __init__(self, page) -> None:
        self.page = page
        self.surface = page.locator(".samnb-stage .samnb-surface")

    def wait_for_picture(self) -> None:
        """Wait until the frame itself is drawn: the canvas is not one even colour."""
        script = """() => {
            const c = document.querySelector('.samnb-stage canvas');
            if (!c || !c.width) return false;
            const data = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            const seen = new Set();
            for (let i = 0; i < data.length; i += 4 * 97) seen.add(data[i] * 65536 + data[i + 1] * 256 + data[i + 2]);
            return seen.size > 8;
        }"""  # noqa: E501
        self.page.wait_for_function(script, timeout=PATIENCE_S * 1000)

    def at(self, x: float, y: float, size=(WIDTH, HEIGHT)) -> tuple[float, float]:
        """Page position of a media pixel while the whole picture is shown."""
        box = self.surface.bounding_box()
        scale = min(box["width"] / size[0], box["height"] / size[1])
        left = box["x"] + (box["width"] - size[0] * scale) / 2
        top = box["y"] + (box["height"] - size[1] * scale) / 2
        return left + x * scale, top + y * scale

    def click(self, x: float, y: float, button: str = "left", size=(WIDTH, HEIGHT)) -> None:
        self.page.mouse.click(*self.at(x, y, size), button=button)

    def drag(self, *points, size=(WIDTH, HEIGHT)) -> None:
        self.page.mouse.move(*self.at(*points[0], size))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(*point, size), steps=6)
        self.page.mouse.up()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def wait_for_text(self, selector: str, text: str) -> None:
        from playwright.sync_api import expect

        expect(self.page.locator(selector).first).to_contain_text(text, timeout=PATIENCE_S * 1000)
