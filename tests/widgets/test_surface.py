"""Messages of the browser become records, or nothing."""

import pathlib

import pytest

from samnb.widgets import surface
from samnb.widgets.surface import (
    Acked,
    Dragged,
    KeyPressed,
    Sized,
    StrokeMade,
    Surface,
    ViewMoved,
    parse,
)

HERE = pathlib.Path(surface.__file__).parent
MODS = {"shift": False, "ctrl": True, "alt": False}


@pytest.mark.parametrize(
    ("content", "record"),
    [
        (
            {"kind": "stroke", "uv": [[0.5, 0.25]], "button": 2, "is_click": True,
             "is_erase": True, **MODS},
            StrokeMade(((0.5, 0.25),), 2, True, True, ctrl=True),
        ),
        (
            {"kind": "view", "uv": [0.1, 0.2], "factor": 1.5, "du": 0.01, "dv": 0},
            ViewMoved((0.1, 0.2), 1.5, (0.01, 0.0)),
        ),
        ({"kind": "key", "key": "Shift+z"}, KeyPressed("Shift+z")),
        ({"kind": "drag", "uv": [0, 1]}, Dragged((0.0, 1.0))),
        ({"kind": "drop", "uv": [0, 1]}, Dragged((0.0, 1.0), is_done=True)),
        (
            {"kind": "size", "width": 900, "ratio": 2, "is_dark": True, "view": "v1", "room": 720},
            Sized(900, 2.0, True, "v1", 720),
        ),
        ({"kind": "ack", "tick": 3}, Acked(3)),
        ({"kind": "stroke", "uv": [[0.5]]}, None),
        ({"kind": "size", "width": None, "ratio": 1, "is_dark": False, "view": ""}, None),
        ({"kind": "from a later release"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_parse(content, record):
    assert parse(content) == record


def test_the_page_gets_keyboard_and_surface_as_one_module():
    code = Surface._esm
    assert code.index("function guardKeys(") < code.index("function render(")
    assert code.count("export default") == 1


@pytest.mark.parametrize("path", sorted(HERE.glob("*.js")), ids=lambda path: path.name)
def test_no_script_is_over_150_lines(path):
    assert len(path.read_text("utf-8").splitlines()) < 150
