"""A person at a desk of the concept loop, without threads, timers or a page."""

from __future__ import annotations

from samnb.engine.concepts.acts import Drawn
from samnb.events import FrameEdited
from samnb.widgets.concept_controller import ConceptController
from samnb.widgets.intents import Clicked, DraggedOver, Pressed
from samnb.widgets.surface import Acked, KeyPressed
from tests.engine.concepts.world import square


class Bench:
    """Keys in, snapshots out. The page acknowledges every drawing unless ``is_slow``."""

    def __init__(self, session, runners, later, clock, task="mv", **options):
        self.snapshots, self.tick, self.is_slow = [], 0, False
        self.later, self.clock, self.runners = later, clock, runners
        self.controller = ConceptController(
            session, self._show, task, runners=runners, later=later, clock=clock, **options
        )
        self.controller.start()
        self.ack()

    def _show(self, snapshot):
        self.snapshots.append(snapshot)
        self.tick += 1
        return self.tick

    @property
    def now(self):
        return self.snapshots[-1]

    @property
    def loop(self):
        return self.controller.session.concepts

    @property
    def banner(self):
        return self.now.banner.text if self.now.banner else ""

    @property
    def rows(self):
        """Words of the instances, by number."""
        return [row.words for row in self.now.correct.rows]

    def ack(self):
        self.controller.on_surface(Acked(self.tick))

    def press(self, *keys):
        for key in keys:
            self.controller.on_surface(KeyPressed(key))
            if not self.is_slow:
                self.ack()

    def click(self, x, y, *, is_right=False):
        self.controller.do(lambda: self.controller._reduce(Clicked(x, y, is_right)))

    def drag(self, *xy):
        self.controller.do(lambda: self.controller._reduce(DraggedOver(xy)))

    def do(self, action):
        self.controller.do(lambda: self.controller._reduce(Pressed(action)))

    def go(self, name, *arguments):
        """Call a method of the controller as the page would."""
        self.controller.do(lambda: getattr(self.controller, name)(*arguments))

    def accept(self):
        """Press the button in the banner."""
        self.now.banner.act()
        self.ack()

    def bodies(self, kind):
        """Bodies of one type in the log, oldest first."""
        events = self.controller.session.log.read()
        return [e.body for e in events if isinstance(e.body, kind)]

    def edits(self):
        return self.bodies(FrameEdited)


def propose(loop, media_id, phrase, squares, presence=0.9):
    """A pair with these squares proposed; returns its id."""
    (pair,) = loop.add_pairs(media_id, [phrase])
    drawn = [Drawn(square(at), model="squares@1") for at in squares]
    loop.propose_masks(pair.id, drawn, presence=presence, model="squares@1")
    return pair.id
