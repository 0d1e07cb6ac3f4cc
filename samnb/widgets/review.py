"""The verifier's panel: one key per verdict, a note, and what happened to the item."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import ipywidgets

from samnb.engine.state import HistoryEntry, ItemState, Returned
from samnb.types import Proposal, Verdict
from samnb.widgets.buttons import action_button
from samnb.widgets.keys import Action
from samnb.widgets.lanes import STEP_WORDS, title

VERDICTS = (Action.SATISFACTORY, Action.UNSATISFACTORY, Action.REJECT, Action.SKIP)


@dataclass(frozen=True, slots=True)
class ReviewSnapshot:
    """All that the panel shows.

    Attributes:
        item: the object under review; None when nothing waits.
        is_open: whether this worker may answer now.
        why_not: why not, in words.
        n_waiting: objects that wait for a verifier.
    """

    item: ItemState | None = None
    is_open: bool = False
    why_not: str = ""
    n_waiting: int = 0


def clock_text(at_s: float) -> str:
    """Local time of day of a moment: ``17:03:12``."""
    return time.strftime("%H:%M:%S", time.localtime(at_s))


def describe(entry: HistoryEntry) -> str:
    """One line of an item's history, in words."""
    what = entry.what
    if isinstance(what, Proposal):
        edited = sum(mask.is_edited for mask in what.masks)
        text = f"handed in {len(what.masks)} frames, {edited} by hand"
    elif isinstance(what, Verdict):
        where = "" if what.frame_idx is None else f" (frame {what.frame_idx})"
        note = f": “{what.note}”" if what.note else ""
        text = f"{what.kind.value}{where}{note}"
    elif isinstance(what, Returned):
        text = what.reason
    return f"{clock_text(entry.at_s)} {entry.worker_id} {text}"


def history_html(entries: Sequence[HistoryEntry]) -> str:
    """The history as a list, newest first; every word of people is escaped."""
    if not entries:
        return '<p class="samnb-faint">No history yet.</p>'
    lines = "".join(f"<li>{html.escape(describe(e))}</li>" for e in reversed(entries))
    return f'<ul class="samnb-history">{lines}</ul>'


class Review:
    """Verdict buttons, note and history.

    Args:
        on_action: takes the action of a pressed button.
    """

    def __init__(self, on_action: Callable[[Action], None]) -> None:
        self._item_id: str | None = None
        self.heading = ipywidgets.HTML()
        self.buttons = [action_button(action, on_action) for action in VERDICTS]
        self.note = ipywidgets.Textarea(
            placeholder="What is wrong, and where? The annotator sees this.", rows=3
        ).add_class("samnb-text")
        self.history = ipywidgets.HTML()
        self.widget = ipywidgets.Box(
            [
                self.heading,
                ipywidgets.Box(self.buttons).add_class("samnb-stack"),
                ipywidgets.HTML("<b>Note</b>"),
                self.note,
                ipywidgets.HTML("<b>History</b>"),
                self.history,
            ]
        ).add_class("samnb-panel")

    def read_note(self) -> str:
        """Return what was written."""
        return str(self.note.value).strip()

    def show(self, snapshot: ReviewSnapshot) -> None:
        """Draw a snapshot. A note belongs to its object and goes with it."""
        item = snapshot.item
        item_id = item.item.id if item else None
        if item_id != self._item_id:
            self._item_id, self.note.value = item_id, ""
        if item is None:
            words = "Nothing waits for you."
            self.history.value = ""
        else:
            words = f"<b>{html.escape(title(item))}</b> · {STEP_WORDS[item.step]}"
            self.history.value = history_html(item.history)
        count = f"{snapshot.n_waiting} waiting for a verifier"
        waiting = f'<br><span class="samnb-faint">{count}</span>'
        reason = f"<br>{html.escape(snapshot.why_not)}" if snapshot.why_not else ""
        self.heading.value = f"{words}{reason}{waiting}"
        for button in self.buttons:
            button.disabled = not snapshot.is_open
