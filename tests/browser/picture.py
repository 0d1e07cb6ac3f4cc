"""Take the README's picture: the studio at work on a real clip.

    python -m tests.browser.picture CLIP --out notebooks/studio.png

The clip is *Dog eating* by Coverr (https://www.pexels.com/video/dog-eating-854132/), CC0, 640 x
360; https://videos.pexels.com/video-files/854132/854132-sd_640_360_25fps.mp4 has it. Nothing is
drawn by hand: four clicks, the default model, and a second worker who verifies one masklet.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from samnb import Session
from samnb.types import Point
from tests.browser.rig import Hand, Project, voila
from tests.chromium import find_chromium

SIZE_WH = (640, 360)
ANNOTATION_FPS = 3.0
OBJECTS = {
    "puppy": {0: [(367, 167), (493, 93), (245, 268)]},
    "leaf": {0: [(55, 347)]},
}
"""Clicks by object and frame, media pixels."""


def annotate(path: Path, clip: Path, model: str) -> None:
    """Fill a project as a person would; Bo verifies the leaf and looks no further."""
    session = Session.open(path, worker="ana", tracker=model, annotation_fps=ANNOTATION_FPS)
    media = session.add_media(clip)
    items = {name: session.add_item(media.id, name) for name in OBJECTS}
    for name, frames in OBJECTS.items():
        for frame_idx, clicks in frames.items():
            session.set_prompts(items[name].id, frame_idx, [Point(*xy) for xy in clicks])
    session.propagate(media.id)
    session.submit(items["leaf"].id)
    bo = session.as_worker("bo")
    bo.judge(items["leaf"].id, "satisfactory")
    session.refresh()
    grid = session.annotation_frames(media.id)
    session.look(media.id, items["puppy"].id, grid[len(grid) // 5])
    session.close()


def take(folder: Path, clip: Path, out: Path, model: str, theme: str) -> None:
    """Open the studio on the project in a browser and save what it shows."""
    place = folder / "studio"
    place.mkdir()
    copy = place / clip.name
    shutil.copy(clip, copy)
    project = Project(place, [], model)
    project.write_cell(
        "from samnb import Session, Studio\n"
        f"session = Session.open({project.path.name!r}, worker='ana', tracker={model!r})\n"
        "studio = Studio(session)\n"
        "studio"
    )
    annotate(project.path, copy, model)
    with voila(folder) as page_of, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(page_of(project, theme), timeout=300_000)
        hand = Hand(page, SIZE_WH)
        hand.wait_for_picture()
        hand.settled_pixels()
        page.screenshot(path=str(out), clip=_studio_box(page))
        hand.leave()
        browser.close()


def _studio_box(page: object) -> dict[str, float]:
    """The studio from the top of the page to its last line, with the page's margin."""
    height = page.evaluate(  # type: ignore[attr-defined]
        "() => Math.ceil(Math.max(...[...document.querySelectorAll('.samnb-studio *')]"
        ".map(e => e.getBoundingClientRect()).filter(r => r.height).map(r => r.bottom)))"
    )
    return {"x": 0, "y": 20, "width": 1280, "height": float(height) - 8}


def main() -> None:
    """Read the command line and take the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--out", type=Path, default=Path("notebooks/studio.png"))
    parser.add_argument("--model", default="mobile")
    parser.add_argument("--theme", default="light", choices=["light", "dark"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="samnb-picture-") as folder:
        take(Path(folder), args.clip.resolve(), args.out.resolve(), args.model, args.theme)
    sys.stdout.write(f"wrote {args.out}\n")


if __name__ == "__main__":
    main()
