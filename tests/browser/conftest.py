"""Fixtures of the browser tests; the machinery is in ``rig``."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.browser import rig
from tests.browser.rig import HEIGHT, N_FRAMES, PATIENCE_S, ROOT, WIDTH, Hand, Project
from tests.chromium import find_chromium


@pytest.fixture(scope="package")
def root(tmp_path_factory):
    """The folder that the servers serve; every project has one of its own in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield tmp_path_factory.mktemp("served")


@pytest.fixture(scope="package")
def clip(tmp_path_factory):
    """A folder of frames with two things in clear colours."""
    folder = tmp_path_factory.mktemp("clip") / "clip"
    folder.mkdir()
    shade = np.linspace(60, 110, WIDTH)[None, :, None] * np.ones((HEIGHT, 1, 3))
    for n in range(N_FRAMES):
        picture = Image.fromarray(shade.astype(np.uint8))
        draw = ImageDraw.Draw(picture)
        x, y = rig.disc_xy(n)
        draw.ellipse((x - 25, y - 25, x + 25, y + 25), fill=(220, 60, 50))
        draw.rectangle(rig.box_xyxy(n), fill=(240, 200, 40))
        picture.save(folder / f"{n:03d}.png")
    return folder


@pytest.fixture(scope="package")
def make_project(root):
    count = itertools.count(1)

    def make(*media, model="colour", beside=None, name="project"):
        folder = beside.folder if beside else root / f"p{next(count)}"
        return Project(folder, list(media), model, name)

    return make


@pytest.fixture(scope="package")
def voila(root):
    """A running Voila: a function from a project to its page."""
    with rig.voila(root) as page_of:
        yield page_of


# Playwright's loop counts as running for as long as it is open; other tests start their own.
@pytest.fixture(scope="package")
def chromium():
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_S * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            timeout=PATIENCE_S * 1000,
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def open_studio(chromium):
    """Open a page and return a hand on its studio, once the stage listens."""
    hands = []

    def open_(url, *, width=1280, height=900, size=(WIDTH, HEIGHT), run_cell=False):
        context = chromium.new_context(viewport={"width": width, "height": height})
        page = context.new_page()
        page.set_default_timeout(PATIENCE_S * 1000)
        page.goto(url)
        if run_cell:
            page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]")
            page.locator(".jp-CodeCell .cm-content").first.click()
            page.keyboard.press("Shift+Enter")
        page.wait_for_selector(".samnb-stage .samnb-surface[data-tool]", state="visible")
        hands.append(Hand(page, size))
        return hands[-1]

    yield open_
    for hand in hands:
        if not hand.page.is_closed():
            hand.leave()
        hand.page.context.close()
