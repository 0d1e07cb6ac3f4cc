"""Fixtures of the browser tests; the machinery is in ``rig``."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.browser.rig import (
    HEIGHT,
    N_FRAMES,
    PATIENCE_S,
    WIDTH,
    Hand,
    Project,
    box_xyxy,
    disc_xy,
)
from tests.chromium import find_chromium


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """A folder of frames with two things in clear colours."""
    folder = tmp_path_factory.mktemp("clip") / "clip"
    folder.mkdir()
    shade = np.linspace(60, 110, WIDTH)[None, :, None] * np.ones((HEIGHT, 1, 3))
    for n in range(N_FRAMES):
        picture = Image.fromarray(shade.astype(np.uint8))
        draw = ImageDraw.Draw(picture)
        x, y = disc_xy(n)
        draw.ellipse((x - 25, y - 25, x + 25, y + 25), fill=(220, 60, 50))
        draw.rectangle(box_xyxy(n), fill=(240, 200, 40))
        picture.save(folder / f"{n:03d}.png")
    return folder


@pytest.fixture
def make_project(tmp_path):
    def make(*media, tracker="ColourTracker()"):
        return Project(tmp_path, list(media), tracker)

    return make


@pytest.fixture(scope="session")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture
def open_studio(chromium):
    """Open a page and return a hand on its studio, once the stage listens."""
    contexts = []

    def open_(url, *, width=1280, height=900, is_lab=False):
        context = chromium.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_S * 1000)
        page.goto(url)
        if is_lab:
            page.locator(".jp-CodeCell .cm-content").first.click()
            page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]")
            page.keyboard.press("Shift+Enter")
        page.wait_for_selector(".samnb-stage .samnb-surface[data-tool]", state="visible")
        return Hand(page)

    yield open_
    for context in contexts:
        context.close()
