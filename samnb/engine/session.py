"""The only door to a project: everything a worker can do, as methods.

A :class:`Session` is one worker's view of one log. Widgets, notebooks, simulated
annotators and the command line all go through it. Methods are synchronous and safe
to call from several threads; each commits its events before it returns.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from samnb.engine import masklets, queue
from samnb.engine.core import Clock, new_id
from samnb.engine.drawing import Drawing
from samnb.engine.flow import require_other_worker, require_step
from samnb.engine.masklets import PropagationResult
from samnb.engine.promotion import choose_model
from samnb.engine.software import Software
from samnb.engine.state import ItemState, ProjectState
from samnb.engine.tracking import ModelSlot
from samnb.events import Body, Judged, ProjectCreated, Reopened, Submitted
from samnb.models.base import Tracker
from samnb.store.db import Log
from samnb.store.media import FrameCache
from samnb.types import (
    FlowError,
    FrameMask,
    InputError,
    Item,
    Proposal,
    Rle,
    Role,
    Step,
    Verdict,
    VerdictKind,
    Worker,
)

if TYPE_CHECKING:
    from samnb.engine.cards.card import ProjectCard
    from samnb.engine.concepts.session import ConceptSession

LEASE_S: Final = 600.0
"""How long a claimed item is kept for its worker without a sign of life."""


class Session(Drawing):
    """One worker at one project. Make it with :meth:`open`."""

    @classmethod
    def open(
        cls,
        target: str | Path,
        *,
        worker: str | Worker = "me",
        tracker: Tracker | str | None = None,
        annotation_fps: float = 6.0,
        round_limit: int = 5,
        clock: Clock = time.time,
        ids: Callable[[], str] = new_id,
        cache: FrameCache | None = None,
        software: Software | None = None,
    ) -> Session:
        """Open a project file or database, making it when it is not there.

        Args:
            target: path of the project file, or a database URL.
            worker: who acts; a plain name stands for a person.
            tracker: a model or its name, see :func:`samnb.models.load_model`. None takes the
                version that the project promoted last, else ``mobile``; where that version
                cannot be used there is a warning, and ``model_note`` says why.
            annotation_fps: frames to annotate per second, for a new project.
            round_limit: drop a masklet found unsatisfactory this often; 0 for never.
            clock: wall-clock time in seconds since the epoch.
            ids: source of fresh ids.
            cache: decoded frames, to share between sessions.
            software: ``(package, version)`` to note in the log as what the worker works with;
                None takes the installed ones.

        Raises:
            LogError: not a samnb project, or it cannot be opened.
        """
        if annotation_fps <= 0:
            raise InputError(f"annotation_fps: expected a rate above 0, got {annotation_fps}")
        who = worker if isinstance(worker, Worker) else Worker(worker)
        name = str(target) if "://" in str(target) else Path(target).stem
        log = Log(target)
        return cls(
            log,
            worker=who,
            project=ProjectCreated(name, annotation_fps, round_limit),
            model=ModelSlot(partial(choose_model, log) if tracker is None else tracker),
            clock=clock,
            ids=ids,
            cache=cache,
            software=software,
        )

    def as_worker(self, worker: str | Worker) -> Session:
        """Return a second session on the same log for another worker; frames and the
        loaded model are shared. Closing it leaves the log to this one."""
        who = worker if isinstance(worker, Worker) else Worker(worker)
        project = self.state.project or ProjectCreated("")
        return Session(
            self.log,
            worker=who,
            project=project,
            model=self._model,
            clock=self.clock,
            ids=self.new_id,
            cache=self._cache,
            owns_log=False,
            software=self.software,
        )

    @cached_property
    def concepts(self) -> ConceptSession:
        """The door to the concept loop: pairs of media and phrases in the same log."""
        from samnb.engine.concepts.session import ConceptSession

        return ConceptSession(self)

    # -- propagation -----------------------------------------------------------

    def propagate(
        self,
        media_id: str,
        item_ids: Sequence[str] | None = None,
        *,
        start: int | None = None,
        stop: int | None = None,
        cancel: threading.Event | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> PropagationResult:
        """Track objects from frame ``start`` to frame ``stop``, both included.

        Every finished frame is committed at once. ``stop`` before ``start`` runs
        backward in time. Frames edited by hand keep their masks.

        Args:
            media_id: the medium.
            item_ids: the objects; None for all that have a prompt and are being tracked.
            start: frame number; None for the earliest frame with a prompt.
            stop: frame number; None for the last annotation frame.
            cancel: set it from another thread to stop after the current frame.
            on_progress: called with (frames done, frames in all).

        Raises:
            FlowError: nothing to track, or the model is busy.
            ModelError: the model failed; finished frames are kept.
        """
        return masklets.propagate(self, media_id, item_ids, start, stop, cancel, on_progress)

    # -- verification ----------------------------------------------------------

    def missing_frames(self, item_id: str) -> tuple[int, ...]:
        """Annotation frames on which the object has no answer yet."""
        state = self.item(item_id)
        have = {idx for idx, frame in state.frames.items() if frame.mask_id is not None}
        return tuple(i for i in self.annotation_frames(state.item.media_id) if i not in have)

    def submit(self, item_id: str, *, allow_missing: bool = False) -> Proposal:
        """Hand the masklet to verification as it stands.

        Args:
            item_id: the item.
            allow_missing: submit although some annotation frames have no answer.

        Raises:
            FlowError: wrong step, no mask at all, or frames without an answer.
        """
        state = self.item(item_id)
        missing = self.missing_frames(item_id)
        grid = self.annotation_frames(state.item.media_id)
        proposal_id = self.new_id()

        def make(project: ProjectState) -> list[Body]:
            state = project.items[item_id]
            require_step(state, Step.TRACK, "submit")
            if len(missing) == len(grid):
                raise FlowError("nothing to submit: click the object first, then propagate")
            if missing and not allow_missing:
                raise FlowError(
                    f"{len(missing)} of {len(grid)} frames have no answer yet, first {missing[0]}: "
                    "propagate there (forward or backward) or mark the object absent"
                )
            return [Submitted(masklets.proposal_of(state, proposal_id, self.worker.id, grid,
                                                   project))]  # fmt: skip

        self.commit(make)
        return self.item(item_id).proposals[-1]

    def judge(
        self,
        item_id: str,
        kind: VerdictKind | str,
        note: str = "",
        frame_idx: int | None = None,
        *,
        seconds_s: float | None = None,
    ) -> Verdict:
        """Answer for the item's newest proposal: satisfactory, unsatisfactory or reject.

        Raises:
            FlowError: nothing to verify, or this worker had a hand in it.
        """
        kind = VerdictKind(kind)

        def make(project: ProjectState) -> list[Body]:
            state = project.items[item_id]
            require_step(state, Step.VERIFY, "verify")
            require_other_worker(state, self.worker.id)
            queue.require_claim(state, self.worker.id, self.clock())
            proposal = state.proposals[-1]
            return [
                Judged(
                    Verdict(proposal.id, item_id, self.worker.id, kind, note, frame_idx, seconds_s)
                )
            ]

        self.item(item_id)
        self.commit(make)
        return self.item(item_id).verdicts[-1]

    def reopen(self, item_id: str, reason: str = "") -> None:
        """Take an item out of verification or its end, back to tracking."""

        def make(project: ProjectState) -> list[Body]:
            state = project.items[item_id]
            if state.step is Step.TRACK or state.is_deleted:
                raise FlowError("nothing to reopen: the item is being tracked or was deleted")
            return [Reopened(item_id, reason)]

        self.item(item_id)
        self.commit(make)

    def next(
        self, role: Role | str, media_id: str | None = None, *, but: Collection[str] = ()
    ) -> ItemState | None:
        """Claim the next item for a role, or return None when nothing waits.

        The claim is a lease of ten minutes; others are not handed the item meanwhile.
        Items whose ids are in ``but`` are left out: those this worker has skipped.
        """
        return queue.take_next(self, Role(role), media_id, LEASE_S, but)

    def renew(self, item_id: str, role: Role | str) -> None:
        """Keep a claimed item for another ten minutes, once half of the lease has gone by.

        Nothing is written while more than that is left, or when the item has moved on, was
        given back or is somebody else's by now.
        """
        queue.renew(self, item_id, Role(role), LEASE_S)

    def release(self, item_id: str) -> None:
        """Give a claimed item back without an answer."""
        queue.release(self, item_id)

    # -- account ---------------------------------------------------------------

    def card(
        self,
        *,
        is_pseudonymous: bool = True,
        licence: str | None = None,
        has_file_check: bool = False,
    ) -> ProjectCard:
        """Describe the project from its log: a dataset card and a methods text.

        Args:
            is_pseudonymous: people are numbered, not named; models keep their names.
            licence: of the data, as dataset hubs name it ("cc-by-4.0"); the log knows none.
            has_file_check: also say which media are not at their recorded place on this
                machine; without it the same log gives the same card everywhere.
        """
        from samnb.engine.cards.card import make_card, missing_media

        missing = missing_media(self.refresh()) if has_file_check else None
        return make_card(self, is_pseudonymous=is_pseudonymous, licence=licence, missing=missing)

    # -- import ----------------------------------------------------------------

    def import_masklet(
        self,
        media_id: str,
        masks: Sequence[tuple[FrameMask, Rle]],
        *,
        source: str,
        name: str = "",
        is_accepted: bool = False,
        is_auto: bool = False,
        obj_id: int | None = None,
        edited_frame_count: int | None = None,
    ) -> Item:
        """Take a finished masklet from a file into the project.

        Args:
            media_id: a medium of the project; its file need not be at hand.
            masks: per frame the answer and its mask.
            source: name of the file, for the history.
            name: name of the object.
            is_accepted: the file's format promises verified masklets.
            is_auto: the masklet was proposed automatically.
            obj_id: object number; None for the next free one.
            edited_frame_count: what the file says about hand edits, if it does.
        """
        return masklets.import_masklet(
            self, media_id, masks, source, name, is_accepted, is_auto, obj_id, edited_frame_count
        )
