"""Real servers, a real browser, and a hand that waits for what it sees.

Servers are started once and shared: what a test owns is a project in a folder of its own,
and the page with its kernel.
"""

from __future__ import annotations

import json
import os
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
import numpy as np

from tests.browser.contrast import FAINT_TEXTS
from tests.browser.gate import waits

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 300.0
"""Longest wait for anything; a machine that does much else may need it."""
ANSWERED_S = 10.0
"""After so long an answer has led on, or was not taken."""
WIDTH, HEIGHT = 320, 200
N_FRAMES = 24


def wait_until(is_so, what, every_s=0.05):
    """Return ``is_so()`` as soon as it is truthy; ``what`` is asked for only in failure.

    ``every_s`` lies between two looks: those that cost the page much must be rare.
    """
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = is_so()
        if found:
            return found
        time.sleep(every_s)
    raise AssertionError(f"waited {PATIENCE_S:g} s for {what() if callable(what) else what}")


def disc_xy(frame_idx):
    """Centre of the red disc; it moves to the right."""
    return 50 + 8 * frame_idx, 70


def box_xyxy(frame_idx):
    """The yellow box; it moves up."""
    return 230, 150 - 3 * frame_idx, 280, 180 - 3 * frame_idx


class Project:
    """A project file and a notebook that opens the studio on it."""

    def __init__(self, folder: Path, media: list[Path], model: str, name: str = "project") -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.path = folder, folder / f"{name}.samnb"
        self.notebook = folder / f"{name}.ipynb"
        self.gate = folder / "shut"
        names = "".join(f", {str(m)!r}" for m in media)
        cell = (
            "from samnb import Session, Studio\n"
            "from tests.browser.gate import Gated\n"
            f"session = Session.open({self.path.name!r}, worker='ana', tracker=Gated({model!r}))\n"
            f"studio = Studio(session{names})\n"
            "studio"
        )
        self.write_cell(cell)

    def write_cell(self, cell: str) -> None:
        """Write the notebook with this cell and one of the user's."""
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

    def wait_at_gate(self) -> None:
        """Wait until a propagation stands before the gate: cancelled later, it ends no sooner."""
        wait_until(waits(self.gate).exists, "a propagation that stands before the gate")

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
def voila(folder: Path):
    """Serve every notebook below a folder; yields a function from a project to its page."""
    port = free_port()
    command = [sys.executable, "-m", "voila", ".", "--no-browser", f"--port={port}"]
    command += ["--Voila.ip=127.0.0.1"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    log = folder / "voila.log"
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=out)
    base = f"http://127.0.0.1:{port}"

    def is_up():
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{base}/voila/static/none", timeout=5):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def page_of(project, theme="light"):
        where = project.notebook.relative_to(folder).as_posix()
        return f"{base}/voila/render/{where}?theme={theme}"

    try:
        wait_until(is_up, lambda: f"Voila; it said: {log.read_text()}")
        yield page_of
    finally:
        process.terminate()
        process.wait(60)


class Hand:
    """Mouse and keyboard on an open studio; positions are media pixels."""

    def __init__(self, page, size=(WIDTH, HEIGHT)) -> None:
        self.page, self.size = page, size
        self.surface = page.locator(".samnb-stage .samnb-surface")

    def pixels(self) -> np.ndarray:
        """What is drawn, frame and masks and points, made small: (N, 4) int."""
        return np.array(self.page.evaluate(_PIXELS), int).reshape(-1, 4)

    def wait_for_picture(self) -> None:
        """Wait until the frame itself is drawn: the canvas is not one even colour."""
        wait_until(lambda: len({*map(tuple, self.pixels())}) > 8, "a picture", every_s=0.3)

    def settled_pixels(self):
        """The canvas once two looks in a row show the same: nothing is on its way any more."""
        last = [self.pixels()]

        def is_still():
            last.append(self.pixels())
            return np.array_equal(last[-1], last[-2])

        wait_until(is_still, "a canvas that stands still", every_s=0.5)
        return last[-1]

    def wait_for_change(self, since: np.ndarray, least: float, most: float = 1.0) -> None:
        """Wait until so large a share of the pixels differs from those of ``since``."""

        def is_so():
            return least <= self.share_changed(since) <= most

        wait_until(is_so, f"a change of {least:.4f} to {most:.4f}", every_s=0.3)

    def share_changed(self, since: np.ndarray) -> float:
        """Share of pixels in [0, 1] that look otherwise than when ``since`` was taken."""
        now = self.pixels()
        if now.shape != since.shape:
            return 1.0
        return float((np.abs(now - since).max(axis=1) > 12).mean())

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Page position of a media pixel while the whole picture is shown."""
        self.surface.scroll_into_view_if_needed()
        box = self.surface.bounding_box()
        scale = min(box["width"] / self.size[0], box["height"] / self.size[1])
        left = box["x"] + (box["width"] - self.size[0] * scale) / 2
        top = box["y"] + (box["height"] - self.size[1] * scale) / 2
        return left + x * scale, top + y * scale

    def click(self, x: float, y: float, button: str = "left") -> None:
        self.page.mouse.click(*self.at(x, y), button=button)

    def drag(self, *points) -> None:
        self.page.mouse.move(*self.at(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(*point), steps=6)
        self.page.mouse.up()

    def faint_texts(self) -> list[str]:
        """Texts of the studio whose contrast is below 4.5, the least that WCAG 2.1 AA asks."""
        return self.page.evaluate(FAINT_TEXTS, 4.5)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def wait_for_text(self, selector: str, text: str) -> None:
        from playwright.sync_api import expect

        expect(self.page.locator(selector).first).to_contain_text(text, timeout=PATIENCE_S * 1000)

    def answer(self, key: str, selector: str, text: str) -> None:
        """Press a key that answers, and wait for the text that it leads to.

        A key that came before the picture does not count and the page says so; like a person one
        presses it again.
        """
        from playwright.sync_api import TimeoutError as NotYet

        led_to = self.page.locator(selector).filter(has_text=text).first
        for _ in range(round(PATIENCE_S / ANSWERED_S)):
            self.press(key)
            try:
                led_to.wait_for(timeout=ANSWERED_S * 1000)
            except NotYet:
                if not self.page.locator(".samnb-banner", has_text="before the picture").count():
                    break
            else:
                return
        self.wait_for_text(selector, text)

    def leave(self) -> None:
        """Go away as a person does, so that Voila ends the page's kernel."""
        self.page.goto("about:blank")
        self.page.close()


_PIXELS = """() => {
    const c = document.querySelector('.samnb-stage canvas');
    if (!c || !c.width) return [];
    const small = document.createElement('canvas');
    [small.width, small.height] = [96, 54];
    const pen = small.getContext('2d');
    pen.drawImage(c, 0, 0, 96, 54);
    return [...pen.getImageData(0, 0, 96, 54).data];
}"""
