"""Messages of the browser become records, or nothing."""

import pytest

from samnb.widgets.surface import Acked, Dragged, KeyPressed, Sized, StrokeMade, ViewMoved, parse

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
