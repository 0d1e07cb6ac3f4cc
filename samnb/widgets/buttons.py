"""Buttons made from the key map: every key is also a button, and says its key."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets

from samnb.widgets.keys import Action, binding_of, printed


def label(action: Action) -> str:
    """A button's words and key: ``"Propagate forward · F"``."""
    binding = binding_of(action)
    return f"{binding.words} · {printed(binding.keys[0])}"


def action_button(action: Action, on_action: Callable[[Action], None]) -> ipywidgets.Button:
    """A button that asks for an action of the key map."""
    binding = binding_of(action)
    keys = " or ".join(printed(key) for key in binding.keys)
    tooltip = f"{binding.help[0].upper()}{binding.help[1:]} ({keys})"
    button = ipywidgets.Button(description=label(action), tooltip=tooltip)
    button.add_class("samnb-button").add_class(f"samnb-do-{action.value.replace('_', '-')}")
    button.on_click(lambda _button: on_action(action))
    return button


def mark_pressed(button: ipywidgets.Button, is_pressed: bool) -> None:
    """Show a button as the one of its group that holds."""
    (button.add_class if is_pressed else button.remove_class)("samnb-on")


def show_if(widget: ipywidgets.Widget, is_shown: bool) -> None:
    """Give a widget room on the page, or take it away."""
    widget.layout.display = None if is_shown else "none"
