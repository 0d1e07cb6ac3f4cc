"""From a seed to a clip: what is there, where it goes, how hard it is to follow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage

from samnb.synthetic.clip import Clip, ClipObject
from samnb.synthetic.hard import ALL_KINDS, DOMAINS
from samnb.synthetic.motion import Camera, Track, make_camera, make_path, make_track, wander
from samnb.synthetic.scene import Scene, Thing, sprite_size
from samnb.synthetic.sprites import Look, Pen, curve, draw_kind
from samnb.synthetic.textures import COLOURS, pattern, shifted
from samnb.synthetic.themes import THEMES, Theme
from samnb.types import InputError

MAX_OBJECTS = 40
MIN_VISIBLE_PX = 60
"""Every object shows at least so many pixels of a 240 x 320 frame at the beginning."""

_ATTEMPTS = 12
_PLACES = {**THEMES, **DOMAINS}


def make_clip(
    seed: int,
    *,
    size_hw: tuple[int, int] = (240, 320),
    n_frames: int = 24,
    n_objects: int = 2,
    difficulty: float = 0.5,
    fps: float = 6.0,
    theme: str | None = None,
) -> Clip:
    """Make up a clip: things in a photo-like place, with exact masks, phrases and a caption.

    The scenes are drawn, not filmed: surfaces and places come from photographs and from
    noise, outlines, light and shadow are computed. They are ground truth for trying out
    methods and for teaching small models, and no substitute for real video when a result
    is to be reported.

    Args:
        seed: equal seeds and arguments give equal clips.
        size_hw: height and width in pixels, each from 64.
        n_frames: how many frames, from 1.
        n_objects: how many things to track, 1..40; all are seen in the first frame.
        difficulty: 0 is slow, rigid and apart before a nearly still camera; towards 1 there
            are faster motion, bending, growing and shrinking, look-alikes, things in front,
            leaving and coming back, camera motion, flicker and noise.
        fps: frames per second; motion is defined per second.
        theme: a key of :data:`samnb.synthetic.themes.THEMES`, or of
            :data:`samnb.synthetic.hard.DOMAINS`, where things are hard to outline: ``glassware``,
            ``wire`` or ``bark``; None draws one of the former.

    Raises:
        InputError: an argument is out of range.
    """
    _check(size_hw, n_frames, n_objects, difficulty, fps, theme)
    name = theme or str(np.random.default_rng([seed, 0]).choice(sorted(THEMES)))
    for attempt in range(_ATTEMPTS):
        rng = np.random.default_rng([seed, 1, attempt])
        clip = _compose(rng, seed, name, size_hw, n_frames, n_objects, difficulty, fps)
        first = np.bincount(clip.labels(0).ravel(), minlength=256)
        needed = MIN_VISIBLE_PX * size_hw[0] * size_hw[1] / (240 * 320 * max(1, n_objects / 4))
        if min(first[o.obj_id] for o in clip.objects) >= needed:
            break
    return clip


def _check(
    size_hw: tuple[int, int],
    n_frames: int,
    n_objects: int,
    difficulty: float,
    fps: float,
    theme: str | None,
) -> None:
    if min(size_hw) < 64 or max(size_hw) > 4096:
        raise InputError(f"size_hw: expected sides of 64..4096, got {size_hw}")
    if n_frames < 1:
        raise InputError(f"n_frames: expected 1 or more, got {n_frames}")
    if not 1 <= n_objects <= MAX_OBJECTS:
        raise InputError(f"n_objects: expected 1..{MAX_OBJECTS}, got {n_objects}")
    if not 0 <= difficulty <= 1:
        raise InputError(f"difficulty: expected 0..1, got {difficulty}")
    if not fps > 0:
        raise InputError(f"fps: expected a rate above 0, got {fps}")
    if theme is not None and theme not in _PLACES:
        raise InputError(f"theme: expected one of {sorted(_PLACES)}, got {theme!r}")


def _compose(
    rng: np.random.Generator,
    seed: int,
    name: str,
    size_hw: tuple[int, int],
    n_frames: int,
    n_objects: int,
    difficulty: float,
    fps: float,
) -> Clip:
    theme = _PLACES[name]
    height, width = size_hw
    margin = 1.10 + 0.25 * difficulty
    place_hw = (round(height * margin), round(width * margin))
    place = np.clip(theme.paint(rng, place_hw) * 255, 0, 255).astype(np.uint8)
    times = np.arange(n_frames) / fps
    camera = make_camera(rng, times, size_hw, place_hw, difficulty)
    things = _cast(rng, theme, n_objects, difficulty)
    crowd = 1 / np.sqrt(max(1.0, len(things) / 4))
    seen_from = camera.xy[0] - np.array([width, height]) / 2
    starts = _starts(rng, len(things), seen_from, size_hw)
    drawn: list[Thing] = []
    for thing, start in zip(things, starts, strict=True):
        half = height * crowd * rng.uniform(0.11, 0.19) * (1 - 0.35 * difficulty * rng.random())
        if thing.is_distractor:
            half *= 0.9
        drawn.append(
            _thing(rng, theme, thing, start, half, times, place_hw, camera, size_hw, difficulty)
        )
    order = _order(rng, things, drawn)
    if rng.random() < 0.2 + 0.8 * difficulty and difficulty > 0.1:
        targets = [d for d, t in zip(drawn, things, strict=True) if not t.is_distractor]
        order.append(_occluder(rng, theme, targets, times, height))
    grain = rng.normal(0.5, 1.0 + 4 * difficulty, (height + 32, width + 32)).astype(np.float32)
    scene = Scene(size_hw, PilImage.fromarray(place), camera, tuple(order), grain, seed)
    return Clip(f"clip-{seed:06d}", scene, things, theme.where, fps)


def _cast(
    rng: np.random.Generator, theme: Theme, n_objects: int, difficulty: float
) -> list[ClipObject]:
    """Choose what is there: objects that differ, then look-alikes of some of them."""
    things: list[ClipObject] = []
    colours = [str(c) for c in rng.permutation(theme.colours or sorted(COLOURS))]
    for i in range(n_objects):
        category = str(rng.choice(theme.categories))
        kinds = ALL_KINDS[category].patterns
        look = str(rng.choice(kinds)) if rng.random() < 0.6 else kinds[0]
        twin = things[int(rng.integers(len(things)))] if things else None
        if twin is not None and rng.random() < 0.25:
            things.append(ClipObject(i + 1, twin.category, twin.colour, twin.pattern))
        else:
            things.append(ClipObject(i + 1, category, colours[i % len(colours)], look))
    n_alike = int(rng.binomial(3, 0.75 * difficulty)) if n_objects < MAX_OBJECTS - 3 else 0
    for i in range(n_alike):
        model = things[int(rng.integers(n_objects))]
        colour = model.colour if rng.random() < difficulty else str(rng.choice(colours))
        number = n_objects + i + 1
        things.append(ClipObject(number, model.category, colour, model.pattern, True))
    return things


def _starts(
    rng: np.random.Generator,
    n: int,
    corner_xy: npt.NDArray[np.float64],
    size_hw: tuple[int, int],
) -> list[npt.NDArray[np.float64]]:
    """Choose where things begin: inside the first frame, and far from each other."""
    height, width = size_hw
    found: list[npt.NDArray[np.float64]] = []
    for _ in range(n):
        tries = rng.uniform([0.15, 0.16], [0.85, 0.84], (12, 2)) * [width, height] + corner_xy
        gaps = [min((np.hypot(*(t - f)) for f in found), default=1.0) for t in tries]
        found.append(tries[int(np.argmax(gaps))])
    return found


def _thing(
    rng: np.random.Generator,
    theme: Theme,
    thing: ClipObject,
    start_xy: npt.NDArray[np.float64],
    half: float,
    times: npt.NDArray[np.float64],
    place_hw: tuple[int, int],
    camera: Camera,
    size_hw: tuple[int, int],
    difficulty: float,
) -> Thing:
    kind = ALL_KINDS[thing.category]
    is_grounded = theme.horizon is not None and kind.motion in ("roll", "drive", "slide", "swim")
    seen = np.array(size_hw[::-1]) / 2
    # What the camera shows all the time; who stays in there leaves only on purpose.
    (left, top), (right, bottom) = camera.xy.max(0) - 0.9 * seen, camera.xy.min(0) + 0.9 * seen
    if theme.horizon is not None:
        ground = theme.horizon * place_hw[0]
        top, bottom = (ground, bottom) if is_grounded else (top, 0.75 * place_hw[0])
    if is_grounded:
        start_xy = np.array([start_xy[0], rng.uniform(0.7 * top + 0.3 * bottom, bottom)])
    speed = size_hw[1] * (0.06 + 0.28 * difficulty) * rng.uniform(0.7, 1.3)
    outside = None
    if len(times) > 8 and rng.random() < 0.55 * difficulty:
        centre = camera.xy[len(times) // 2]
        side = -1 if start_xy[0] < centre[0] else 1
        outside = np.array([centre[0] + side * (seen[0] + 1.5 * half), start_xy[1]])
    region = (float(left), float(top), float(right), float(bottom))
    path = make_path(rng, times, region, start_xy, speed, is_level=is_grounded, leaves_to=outside)
    depth = None
    if is_grounded and theme.horizon is not None:
        near = (path[:, 1] / place_hw[0] - theme.horizon) / (1 - theme.horizon)
        depth = (0.55 + 0.65 * np.clip(near, 0, 1)).astype(np.float32)
        path = path - np.stack([np.zeros(len(path)), 0.7 * half * depth], -1)
    track = make_track(
        rng, times, path, half, kind.motion, difficulty, has_front=kind.has_front, depth=depth
    )
    main = COLOURS[thing.colour]
    others = [c for c in sorted(COLOURS) if c != thing.colour and c not in _TOO_NEAR[thing.colour]]
    second = "white" if thing.colour != "white" and rng.random() < 0.5 else str(rng.choice(others))
    look = Look(thing.pattern, shifted(main, rng), shifted(COLOURS[second], rng))
    sprite, outline = draw_kind(kind, look, sprite_size(half * 1.15), rng)
    shadow = theme.shadow if is_grounded or theme.horizon is None else 0.0
    form = "contact" if is_grounded else "cast"
    return Thing(thing.obj_id, sprite, track, shadow, form, outline)


_TOO_NEAR: dict[str, tuple[str, ...]] = {
    "red": ("orange", "pink", "brown"),
    "orange": ("red", "yellow", "brown"),
    "yellow": ("orange", "white"),
    "green": (),
    "blue": ("purple",),
    "purple": ("blue", "pink"),
    "pink": ("red", "purple"),
    "white": ("yellow", "gray"),
    "brown": ("red", "orange"),
    "gray": ("white",),
}
"""Second colours that would blur what a thing is named after."""


def _order(rng: np.random.Generator, things: list[ClipObject], drawn: list[Thing]) -> list[Thing]:
    """Sort from back to front: on the ground by how low things stand, else by chance."""
    keys = []
    for thing, item in zip(things, drawn, strict=True):
        if item.shadow_kind == "contact":
            keys.append((0, float(item.track.xy[:, 1].mean())))
        else:  # a look-alike is in front a little more often than not
            keys.append((1, rng.random() + 0.5 * thing.is_distractor * rng.random()))
    return [drawn[i] for i in sorted(range(len(drawn)), key=lambda i: keys[i])]


def _occluder(
    rng: np.random.Generator,
    theme: Theme,
    targets: list[Thing],
    times: npt.NDArray[np.float64],
    height: int,
) -> Thing:
    """Put something in the way of a target, about where it will be in the middle."""
    target = targets[int(rng.integers(len(targets)))]
    when = int(len(times) * rng.uniform(0.4, 0.7))
    x, y = target.track.xy[min(when, len(times) - 1)]
    size = 96
    pen = Pen(size, pattern("mottled", size, theme.occluder_colour, (0, 0, 0), rng))
    if theme.occluder == "post":
        sway = rng.uniform(-0.25, 0.25, 6)
        left = [(-0.62 + s, -1.3 + 0.52 * i) for i, s in enumerate(sway)]
        right = [(0.62 + s, -1.3 + 0.52 * i) for i, s in enumerate(sway)]
        pen.fill([*left, *right[::-1]], puff=0.8)
        half_wh = np.array([0.07 * height * rng.uniform(0.8, 1.3), 1.3 * height])
        y = height * 0.55
    else:
        t = np.linspace(0, 2 * np.pi, 9, endpoint=False)
        reach = rng.uniform(0.6, 0.95, 9)
        pen.fill(
            curve([*zip((reach * np.cos(t)).tolist(), (reach * np.sin(t)).tolist(), strict=True)])
        )
        half_wh = height * rng.uniform(0.11, 0.18, 2)
    n = len(times)
    drift = 0.0 if theme.occluder == "post" else 0.03 * height
    xy = np.array([x, y]) + drift * np.stack([wander(rng, times, 0.2), wander(rng, times, 0.2)], -1)
    still = Track(xy, np.tile(half_wh, (n, 1)), np.zeros(n), np.zeros((n, 2)))
    return Thing(0, pen.finish(0.05), still)
