"""What the studio shows, as frozen records, and the words it uses: pure functions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from samnb.engine.phases import PHASES, Phase, phase_of
from samnb.engine.state import ItemState
from samnb.types import Step, Verdict
from samnb.widgets.intents import View
from samnb.widgets.keys import Desk
from samnb.widgets.lanes import STEP_WORDS, css_colour, title
from samnb.widgets.review import ReviewSnapshot
from samnb.widgets.stage import StageSnapshot
from samnb.widgets.timeline import TimelineSnapshot


@dataclass(frozen=True, slots=True)
class Banner:
    """One thing to tell, with one thing to do about it.

    Attributes:
        kind: "error", "info" or "done".
        offer: words of a button; empty for none.
        act: what the button does.
    """

    text: str
    kind: str = "info"
    offer: str = ""
    act: Callable[[], None] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a propagation is; ``text`` says it in words."""

    done: int
    total: int
    text: str


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """One line of the object list.

    Attributes:
        step: phase and step in a few words.
        phase: the phase in full.
    """

    item_id: str
    obj_id: int
    name: str
    colour: str
    step: str
    phase: str
    is_chosen: bool
    is_hidden: bool


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a verifier said about an object that came back.

    Attributes:
        frame_idx: the frame that was on the verifier's screen.
    """

    text: str
    frame_idx: int | None


@dataclass(frozen=True, slots=True)
class StudioSnapshot:
    """All that the studio shows.

    Attributes:
        phase: under which the chosen object, or the next new one, is annotated.
        no_propagation: why nothing can be propagated; empty when it can.
        feedback: what a verifier said about the chosen object.
    """

    view: View = field(default_factory=View)
    stage: StageSnapshot = field(default_factory=StageSnapshot)
    timeline: TimelineSnapshot = field(default_factory=TimelineSnapshot)
    review: ReviewSnapshot = field(default_factory=ReviewSnapshot)
    objects: tuple[ObjectRow, ...] = ()
    media: tuple[tuple[str, str], ...] = ()
    media_id: str | None = None
    worker: str = ""
    saved: str = ""
    counts: str = ""
    hint: str = ""
    banner: Banner | None = None
    progress: Progress | None = None
    phase: Phase = PHASES[3]
    no_propagation: str = ""
    feedback: Feedback | None = None
    can_undo: bool = False
    can_redo: bool = False
    can_reopen: bool = False


def object_rows(
    items: Sequence[ItemState], chosen: str | None, hidden: Collection[str]
) -> tuple[ObjectRow, ...]:
    """The object list in the order of object numbers."""
    return tuple(
        ObjectRow(
            s.item.id,
            s.item.obj_id,
            title(s),
            css_colour(s.item.obj_id),
            f"P{s.item.phase} · {'came back' if feedback_of(s) else STEP_WORDS[s.step]}",
            phase_of(s.item).name,
            s.item.id == chosen,
            s.item.id in hidden,
        )
        for s in items
    )


def feedback_of(item: ItemState) -> Feedback | None:
    """The verdict that an object came back with; None once something else happened to it."""
    verdict = item.history[-1].what if item.history else None
    if item.step is not Step.TRACK or not isinstance(verdict, Verdict):
        return None
    note = f": “{verdict.note}”" if verdict.note else ", without a note"
    return Feedback(f"{verdict.worker_id} found it {verdict.kind.value}{note}", verdict.frame_idx)


def progress_of(done: int, total: int, elapsed_s: float) -> Progress:
    """Say how far a propagation is and, after a frame, how long it will take."""
    if done == 0:
        return Progress(0, total, f"Starting … {total} frames to go")
    each_s = elapsed_s / done
    left = f"{each_s:.1f} s a frame, {(total - done) * each_s:.0f} s left"
    return Progress(done, total, f"{done} of {total} frames · {left}")


NO_MEDIA = (
    "<h3>No media yet</h3><p>Type the path of a video, an image or a folder of frames "
    "in the field on the right and press <b>Add</b>, or in a cell:</p>"
    '<p><code>studio.session.add_media("clip.mp4")</code></p>'
)
NOTHING_TO_VERIFY = (
    "<h3>Nothing to verify</h3><p>No finished object waits for you. Your own objects wait "
    "for somebody else: nobody verifies what they made.</p>"
)


def hint(view: View, item: ItemState | None) -> str:
    """The next sensible thing to do, in one sentence."""
    if view.is_running:
        return "Following the objects. You can look at other frames meanwhile; Esc stops it."
    if view.desk is Desk.VERIFY:
        return "Space plays it. Right on all frames: Y. Needs work: R. No clear target: X."
    if item is None:
        return "Left click an object to begin. Drag draws a box around it instead."
    if item.step is not Step.TRACK:
        return f"{title(item)} is {STEP_WORDS[item.step]}; reopen it to change it."
    have = {idx for idx, frame in item.frames.items() if frame.mask_id is not None}
    if not have:
        return "Left click the object; right click what does not belong to it."
    if len(view.frames) > 1 and not have.issuperset(view.frames):
        if not phase_of(item.item).has_tracker:
            return f"{phase_of(item.item).name}: D goes on; make the mask on every frame."
        return "Mask right? F follows the object to the end, B to the start. If not, click again."
    if view.suspicious:
        return "K jumps to the next doubtful frame. Correct it, propagate on, then press Enter."
    return "All frames have an answer. Enter hands the object to a verifier."
