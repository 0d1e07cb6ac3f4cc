"""What each wish means at correction: a table from intents to what is done with a pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

from samnb.widgets import intents as wants
from samnb.widgets.concept_correcting import Correcting
from samnb.widgets.concept_drafts import Row, RowKind
from samnb.widgets.concept_keys import Want
from samnb.widgets.intents import Intent, Pressed
from samnb.widgets.keys import Action
from samnb.widgets.snapshots import Banner

if TYPE_CHECKING:
    from samnb.widgets.concept_controller import ConceptController

Wish: TypeAlias = Intent | Pressed | Want


def draw(desk: ConceptController, wish: Wish, pair: Correcting) -> None:
    """Carry out a wish at the pair on the desk; on the page thread."""
    row = pair.row(desk.view.item_id)
    if row is not None and row.kind is RowKind.REMOVED and _changes(wish):
        act = _putter_back(desk, row.id)
        desk.tell(Banner("This instance is removed", offer="Put it back", act=act))
        return
    if not isinstance(wish, Pressed):
        desk.tell(None)
    if isinstance(wish, Want):
        _WANTS[wish](desk, pair, row)
    elif isinstance(wish, Pressed):
        _PRESSED[wish.action](desk, pair)
    else:
        _intent(desk, wish, pair, row)


def _changes(wish: Wish) -> bool:
    kinds = wants.SetPrompts | wants.PaintStroke | wants.Propagate | wants.MarkAbsent
    return isinstance(wish, kinds) or wish is Want.GROUP or wish is Want.REMOVE


def _putter_back(desk: ConceptController, row_id: str) -> Callable[[], None]:
    def act() -> None:
        desk.do(lambda: _put_back(desk, row_id))

    return act


def _put_back(desk: ConceptController, row_id: str) -> None:
    desk.put_back(row_id)
    desk.tell(None)


def _intent(desk: ConceptController, wish: Intent, pair: Correcting, row: Row | None) -> None:
    view = desk.view
    if isinstance(wish, wants.SetPrompts | wants.PaintStroke | wants.MarkAbsent | wants.NewObject):
        pair.is_sure_of_absence = False
    match wish:
        case wants.SetPrompts(row_id, frame_idx, prompts):
            _choose(desk, pair.set_prompts(row_id, frame_idx, prompts))
        case wants.PaintStroke(row_id, frame_idx, stroke):
            _choose(desk, pair.paint(row_id, frame_idx, stroke))
        case wants.SelectObject(row_id):
            _choose(desk, row_id)
        case wants.NewObject():
            desk.view = replace(view, item_id=None, prompts=())
            desk.tell(Banner("Click the next instance"))
        case wants.MarkAbsent(row_id, frame_idx):
            pair.clear_frame(row_id, frame_idx)
        case wants.Propagate(start, stop):
            if not pair.is_video:
                desk.tell(Banner("A picture has one frame: there is nowhere to follow"))
            elif row is None:
                desk.tell(Banner("Choose or make an instance first"))
            elif start not in row.masks:
                desk.tell(Banner("Give the instance a mask on this frame first"))
            else:
                pair.follow(row.id, start, stop)
        case wants.Cancel():
            desk.edits.cancel()


def _choose(desk: ConceptController, row_id: str) -> None:
    desk.view = replace(desk.view, item_id=row_id)


# -- wants -----------------------------------------------------------------------------


def _remove(desk: ConceptController, pair: Correcting, row: Row | None) -> None:
    if row is None:
        desk.tell(Banner("Choose an instance first"))
        return
    pair.remove(row.id)
    desk.view = replace(desk.view, item_id=None)
    act = _putter_back(desk, row.id)
    desk.tell(Banner(f"Instance {row.number} is removed", "done", "Put it back", act))


def _group(desk: ConceptController, pair: Correcting, row: Row | None) -> None:
    if row is None:
        desk.tell(Banner("Choose an instance first"))
        return
    pair.toggle_group(row.id)


def _apart(_desk: ConceptController, pair: Correcting, _row: Row | None) -> None:
    pair.toggle_apart(pair.hand_in_of(pair.rows()).has_group)


def _covered(_desk: ConceptController, pair: Correcting, _row: Row | None) -> None:
    pair.toggle_covered()


_WANTS: Final[dict[Want, Callable[[ConceptController, Correcting, Row | None], None]]] = {
    Want.REMOVE: _remove,
    Want.GROUP: _group,
    Want.APART: _apart,
    Want.COVERED: _covered,
}


# -- keys that the studio's reducer does not know to mean this here -------------------------


def _submit(desk: ConceptController, pair: Correcting) -> None:
    is_empty = pair.hand_in_of(pair.rows()).n_masks == 0 and not desk.edits.is_busy
    if is_empty and not pair.is_sure_of_absence:
        pair.is_sure_of_absence = True

        def act() -> None:
            desk.do(desk.hand_in)

        text = f"No mask is left. Hand in that there is no “{pair.work.phrase}” here?"
        desk.tell(Banner(text + " Enter again says yes.", offer="Yes, it is not here", act=act))
        return
    desk.tell(None)
    desk.hand_in()


def _undo(desk: ConceptController, pair: Correcting) -> None:
    if not pair.undo(desk.view.frame_idx, is_redo=False):
        desk.tell(Banner("Nothing to undo here; U takes back what you handed in last"))


def _redo(desk: ConceptController, pair: Correcting) -> None:
    if not pair.undo(desk.view.frame_idx, is_redo=True):
        desk.tell(Banner("Nothing to redo here"))


_PRESSED: Final[dict[Action, Callable[[ConceptController, Correcting], None]]] = {
    Action.SUBMIT: _submit,
    Action.UNDO: _undo,
    Action.REDO: _redo,
}
