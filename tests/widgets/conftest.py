"""A controller without threads, timers or a page: everything happens when told."""

from __future__ import annotations

from collections import deque

import pytest

from samnb.masks import rle as rle_ops
from samnb.widgets.controller import Controller
from samnb.widgets.intents import Clicked, DraggedOver, Pressed
from samnb.widgets.jobs import Inline, inline
from samnb.widgets.studio import Studio
from samnb.widgets.surface import KeyPressed
from tests.engine.concepts.world import write_picture
from tests.squares import SquareSession, SquareTracker
from tests.widgets.concept_bench import Bench


class Held(Inline):
    """A runner whose work waits until the test says ``run``."""

    def __init__(self, on_error=None):
        super().__init__(on_error)
        self.waiting = deque()

    def post(self, work):
        self.waiting.append(work)

    def run(self):
        while self.waiting:
            super().post(self.waiting.popleft())


class Runners:
    """A runner factory; the runners named in ``held`` wait to be run."""

    def __init__(self, held=()):
        self.held = held
        self.made = {}

    def __call__(self, name, on_error):
        kind = Held if name in self.held else Inline
        self.made[name] = kind(on_error)
        return self.made[name]

    def run(self, name):
        self.made[f"samnb-{name}"].run()


class Later:
    """Timers that go off when told."""

    def __init__(self):
        self.waiting = []

    def __call__(self, delay_s, work):
        self.waiting.append((delay_s, work))

    def run(self):
        """Let everything that waits now happen."""
        due, self.waiting = self.waiting, []
        for _, work in due:
            work()


class HookedTracker(SquareTracker):
    """Calls ``at[position]()`` just before it answers for a propagated frame."""

    def __init__(self):
        super().__init__()
        self.at = {}

    def open(self, frames):
        tracker = self

        class Hooked(SquareSession):
            def propagate(self, **range_):
                for position, answers in super().propagate(**range_):
                    tracker.at.get(position, lambda: None)()
                    yield position, answers

        self.calls.append(("open", len(frames)))
        return Hooked(self, frames)


class Desk:
    """One person at a controller: gestures in, snapshots out."""

    def __init__(self, session, runners, later, clock):
        self.runners, self.later, self.clock = runners, later, clock
        self.snapshots = []
        self.note = ""
        self.controller = Controller(
            session,
            self.snapshots.append,
            read_note=lambda: self.note,
            runners=runners,
            later=later,
            clock=clock,
        )
        self.controller.start()

    @property
    def session(self):
        """That of the worker who sits there now."""
        return self.controller.session

    @property
    def now(self):
        """The snapshot on show."""
        return self.snapshots[-1]

    @property
    def banner(self):
        return self.now.banner.text if self.now.banner else ""

    @property
    def item_id(self):
        return self.now.view.item_id

    def click(self, x, y, *, is_right=False):
        self.controller.on_gesture(Clicked(x, y, is_right))

    def drag(self, *xy, is_right=False):
        self.controller.on_gesture(DraggedOver(xy, is_right))

    def press(self, *keys):
        for key in keys:
            self.controller.on_surface(KeyPressed(key))

    def do(self, *actions):
        for action in actions:
            self.controller.on_gesture(Pressed(action))

    def call(self, name, *arguments):
        """Call a method of the controller as the page would."""
        self.controller.do(lambda: getattr(self.controller, name)(*arguments))

    def accept(self):
        """Press the button in the banner."""
        self.now.banner.act()

    def mask(self, frame_idx, item_id=None):
        """The object's mask on a frame, as the log has it."""
        frame = self.session.item(item_id or self.item_id).frames[frame_idx]
        return rle_ops.decode(self.session.mask(frame.mask_id))

    def finish(self, x=10, y=10):
        """Click an object, follow it to the end and hand it in."""
        self.press("Home")
        self.click(x, y)
        item_id = self.item_id
        self.press("f", "Enter")
        return item_id


@pytest.fixture
def tracker():
    return HookedTracker()


@pytest.fixture
def media(open_project, frames_dir):
    return open_project("somebody").add_media(frames_dir)


@pytest.fixture
def sit_down(open_project, media, clock):
    """A person opens the studio's controller on the project; names in ``held`` are
    runners whose work waits."""
    desks = []

    def sit(worker="ana", held=()):
        runners = Runners(tuple(f"samnb-{name}" for name in held))
        desk = Desk(open_project(worker), runners, Later(), clock)
        desks.append(desk)
        return desk

    yield sit
    for desk in desks:
        desk.controller.close()


@pytest.fixture
def ana(sit_down):
    return sit_down("ana")


@pytest.fixture
def later():
    return Later()


@pytest.fixture
def open_studio(open_project, media, later):
    """Open the studio as widgets, whose page is this process."""
    studios = []

    def open_it(worker="ana", runners=inline, **options):
        studios.append(Studio(open_project(worker), runners=runners, later=later, **options))
        return studios[-1]

    yield open_it
    for studio in studios:
        studio.close()


@pytest.fixture
def studio(open_studio):
    return open_studio()


def is_shown(widget):
    """Whether a widget takes room on the page."""
    return widget.layout.display != "none"


@pytest.fixture
def picture(open_project, tmp_path):
    """A picture of the project; the session that added it opens the pairs."""
    session = open_project("maker")
    media = session.add_media(write_picture(tmp_path / "picture.png"))
    return session.concepts, media.id


@pytest.fixture
def bench(open_project, clock):
    """A person sits down at a desk of the concept loop."""
    benches = []

    def sit(worker="ana", task="mv", held=(), **options):
        runners = Runners(tuple(f"samnb-{name}" for name in held))
        benches.append(Bench(open_project(worker), runners, Later(), clock, task, **options))
        return benches[-1]

    yield sit
    for one in benches:
        one.controller.close()
