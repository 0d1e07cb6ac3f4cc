"""A project with pairs at every desk, on one made-up picture."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from samnb.engine.concepts.acts import Drawn
from samnb.engine.session import Session

SIZE_WH = (320, 200)
RED, YELLOW, BLUE = (60, 60), (160, 120), (260, 60)
"""Centres of three discs, in media pixels."""
RADIUS = 24


def disc(xy):
    """A disc's mask, (H, W) bool."""
    y, x = np.mgrid[: SIZE_WH[1], : SIZE_WH[0]]
    return (x - xy[0]) ** 2 + (y - xy[1]) ** 2 <= RADIUS**2


def write_picture(path):
    shade = np.linspace(90, 140, SIZE_WH[0])[None, :, None] * np.ones((SIZE_WH[1], 1, 3))
    picture = Image.fromarray(shade.astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for (x, y), colour in ((RED, "#dc3c32"), (YELLOW, "#f0c828"), (BLUE, "#2850dc")):
        draw.ellipse((x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS), fill=colour)
    picture.save(path)
    return path


def fill(project):
    """Two pairs for MV, two for EV and one for correction; returns their ids by phrase."""
    session = Session.open(project.path, worker="maker", tracker="colour")
    loop = session.concepts
    media = session.add_media(write_picture(project.folder / "discs.png"))
    loop.set_rules(apart="pair")
    pairs = {}
    for phrase, masks, presence in (
        ("red disc", [RED, YELLOW], 0.5),
        ("blue disc", [BLUE], 0.9),
        ("green disc", [], 0.5),
        ("striped disc", [], 0.9),
        ("disc", [RED, YELLOW], 0.9),
    ):
        (pair,) = loop.add_pairs(media.id, [phrase])
        drawn = [Drawn(disc(xy), model="by hand") for xy in masks]
        loop.propose_masks(pair.id, drawn, presence=presence, model="by hand")
        pairs[phrase] = pair.id
    for name, act, answer in (("bo", "answer_mv", "accept"), ("eve", "answer_ev", "reject")):
        getattr(session.as_worker(name).concepts, act)(pairs["disc"], answer)
    session.close()
    return pairs
