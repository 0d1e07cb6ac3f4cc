"""The door to the concept loop: everything a worker can do to pairs, as methods.

``session.concepts`` shares the log, the media, the clock and the worker of its
:class:`~samnb.engine.session.Session`. A round of the loop, in the order in which the
methods are called::

    loop = session.concepts
    loop.add_pairs(media_id, ["red cup", "dog"])
    loop.propose(segmenter)                     # masks for every phrase
    loop.verify(verifier)                       # a model answers MV and EV
    work = loop.next("ev")                      # what a person is asked, least certain first
    loop.answer_ev(work.pair_id, "accept")
    loop.undo()                                 # the last answer of this worker

Each method commits its events before it returns and is safe to call from several
threads; subscribers are called after every append, also after those of others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from samnb.engine import routing
from samnb.engine.concepts import acts, policy, proposing, queue, verifying
from samnb.engine.concepts.acts import Drawn
from samnb.engine.concepts.core import ConceptCore
from samnb.engine.concepts.proposing import Proposed
from samnb.engine.concepts.queue import LEASE_S, Work
from samnb.engine.concepts.state import ConceptState, PairState
from samnb.engine.concepts.verifying import Router, Verified
from samnb.engine.drift import DriftReport
from samnb.engine.routing import RoutingPolicy
from samnb.events import Body
from samnb.events.concepts import (
    Apart,
    ConceptRulesSet,
    ConceptStep,
    ConceptTask,
    PairClaimed,
    PairOrigin,
    PairReleased,
    RoutingSwitched,
)
from samnb.language.ontology import Ontology
from samnb.models.concepts import ConceptSegmenter, ConceptVerifier
from samnb.models.verifier_weighing import Weighing
from samnb.types import EvAnswer, MvAnswer

if TYPE_CHECKING:
    pass

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (pairs done, pairs in all)."""


class ConceptSession(ConceptCore):
    """One worker at the pairs of one project. Reach it as ``session.concepts``.

    State, subscriptions and pixels are those of :class:`ConceptCore`.
    """

    # -- rules -----------------------------------------------------------------

    def set_rules(
        self,
        *,
        n_reviewers: int | None = None,
        n_negative: int | None = None,
        apart: Apart | str | None = None,
        has_confirmation: bool | None = None,
    ) -> ConceptRulesSet:
        """Change how pairs are reviewed from here on; what is None stays.

        Args:
            n_reviewers: people asked for MV, EV with masks and correction: 1, or 3 as for
                SA-Co Gold (3 of 3 keep a mask, 1 of 3 sends to correction, three versions).
            n_negative: people asked for EV without any mask.
            apart: "task" (each person has one type of task, as in the paper), "pair"
                (nobody meets a pair in two tasks) or "off" (you work alone).
            has_confirmation: videos get one more round after correction.

        Raises:
            InputError: fewer than one reviewer.
        """
        return acts.set_rules(self, n_reviewers, n_negative, apart, has_confirmation)

    def switch_routing(self, switch: RoutingSwitched) -> None:
        """Allow a verifier to decide, return it to advice, or switch it off.

        Pairs decided before keep their decision.
        """
        self.commit(lambda state: [] if state.routing.get(switch.task) == switch else [switch])

    def choose_routing(
        self,
        task: ConceptTask | str,
        verifier: str,
        *,
        target: float = routing.TARGET,
        delta: float = routing.DELTA,
        audit_rate: float = routing.AUDIT_RATE,
        seed: int = 0,
        people_error: float = 0.0,
        absent_target: float | None = None,
        reject_target: float | None = None,
    ) -> RoutingPolicy:
        """Set thresholds from what people checked, and switch routing on where the bound
        allows it; see :mod:`samnb.engine.routing`. EV about pairs without any mask is apart
        from EV about pairs with masks: each has thresholds and a promise of its own.

        Args:
            task: "mv" or "ev".
            verifier: name and version of a model that has answered.
            target: allowed share of wrong answers among what is decided automatically.
            delta: chance that the bound does not hold.
            audit_rate: share of decisions that people go on checking.
            seed: of the audit's choice.
            people_error: share of people's answers that are wrong themselves, as far as
                known beforehand; thresholds then begin where that leaves them a chance, and
                end where the verifier is as right as people.
            absent_target: the target of EV about pairs without masks; None is ``target``.
            reject_target: the target of EV's Reject, which sends pairs to people: a wrong one
                costs their time and leaves no error. None is that of Accept.

        Raises:
            FlowError: the verifier has answered nothing yet.
        """
        return policy.choose_routing(
            self, ConceptTask(task), verifier, target, delta, audit_rate, seed, people_error,
            absent_target, reject_target,
        )  # fmt: skip

    def guard_routing(self, task: ConceptTask | str) -> DriftReport | None:
        """Return a verifier to advice when its audited slice says that it has drifted.
        Happens by itself after every audited answer; None where nothing is switched on."""
        return policy.guard_routing(self, ConceptTask(task))

    # -- pairs and proposals ---------------------------------------------------

    def add_pairs(
        self,
        media_id: str,
        phrases: Sequence[str],
        *,
        origin: PairOrigin | str = PairOrigin.USER,
        parent_phrase: str = "",
        source: str = "",
        is_held_out: bool = False,
    ) -> tuple[PairState, ...]:
        """Ask a medium for phrases; a phrase it is asked for already is found again.

        Args:
            media_id: a picture or video of the project.
            phrases: noun phrases; surrounding spaces are cut off.
            origin: "user", "mined" or "hard_negative".
            parent_phrase: the positive that hard negatives were made from.
            source: who or what proposed the phrases.
            is_held_out: measure on these pairs, never train on them; so are all later
                pairs of the medium.

        Raises:
            InputError: no such medium, or an empty phrase.
        """
        return acts.add_pairs(
            self, media_id, phrases, PairOrigin(origin), parent_phrase, source, is_held_out
        )

    def propose(
        self,
        segmenter: ConceptSegmenter | str,
        pair_ids: Collection[str] | None = None,
        *,
        threshold: float = proposing.THRESHOLD,
        ev: ConceptVerifier | None = None,
        mv: ConceptVerifier | None = None,
        ontology: Ontology | None = None,
        weighing: Weighing | None = None,
        on_progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Proposed:
        """Have masks proposed, one medium at a time; each is committed when it is done.

        A phrase of a video of which a masklet holds the whole scene is dropped.

        Args:
            segmenter: the model, or its name for
                :func:`samnb.models.load_concept_segmenter`.
            pair_ids: which pairs; None for all that have no proposal yet. A pair that has
                one begins a new round.
            threshold: what score times presence has to exceed.
            ev: on pictures, takes the place of the segmenter's presence score.
            mv: on pictures, strikes out masks that it would reject.
            ontology: on pictures, knows wider phrases ("canoe", "boat" for "red canoe"),
                which are asked where a phrase of a caption finds nothing; the masks keep the
                narrow phrase, and MV judges by it.
            weighing: of the segmenter's opinion and MV's, see
                :func:`samnb.models.verifier_weighing.fit_weighing`; None lets MV strike out
                alone.
            on_progress: called with (pairs done, pairs in all).
            cancel: set it from another thread to stop after the present medium.
        """
        aids = proposing.Aids(ev, mv, ontology, weighing)
        return proposing.propose(self, segmenter, pair_ids, threshold, aids, on_progress, cancel)

    def propose_masks(
        self, pair_id: str, drawn: Sequence[Drawn], *, presence: float = 1.0, model: str = ""
    ) -> PairState:
        """Put masks forward by hand or from elsewhere; none suspects a negative."""
        return proposing.propose_masks(self, pair_id, drawn, presence, model)

    def verify(
        self,
        verifier: ConceptVerifier | str,
        tasks: Collection[ConceptTask | str] = (ConceptTask.MV, ConceptTask.EV),
        pair_ids: Collection[str] | None = None,
        *,
        router: Router | None = None,
        is_past: bool = False,
        on_progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Verified:
        """Have a model answer MV and EV as a worker in the same queue.

        Its answers are advice; they decide where routing is switched on for this verifier
        and its confidence suffices. People then see the audit slice alone, and everything
        of held-out media, which no model ever decides.

        Args:
            verifier: the model; "small-verifier" for the one that ships, which asks the
                default segmenter, or the file of a version of it; or the folder or hub name
                of a vision-language model.
            tasks: "mv", "ev" or both.
            pair_ids: which pairs; None for all that wait at such a step.
            router: who decides; None takes the policies in force, see ``choose_routing``.
            is_past: answer, as advice, what people have answered already: evidence for
                ``choose_routing`` from pairs that the model was not trained on.
            on_progress: called with (pairs done, pairs in all).
            cancel: set it from another thread to stop after the present medium.
        """
        wanted = tuple(ConceptTask(t) for t in tasks)
        return verifying.verify(
            self, verifier, wanted, pair_ids, router, is_past, on_progress, cancel
        )

    # -- people ----------------------------------------------------------------

    def next(
        self,
        task: ConceptTask | str,
        media_id: str | None = None,
        *,
        but: Collection[str] = (),
        lease_s: float = LEASE_S,
    ) -> Work | None:
        """Claim the next pair for a task, or return None when nothing waits for this
        worker: the least certain first, audits mixed in unmarked.

        Args:
            task: "mv", "ev", "correct" or "confirm".
            media_id: only pairs of this medium.
            but: pairs to leave out: those this worker has skipped.
            lease_s: how long others leave it alone.
        """
        return acts.take_next(self, ConceptTask(task), media_id, but, lease_s)

    def renew(
        self, pair_id: str, task: ConceptTask | str, *, lease_s: float = LEASE_S
    ) -> float | None:
        """Keep a claimed pair for longer, because this worker is still at it.

        Returns:
            until when, by the session's clock; None when the pair was moved on, or went to
            somebody else after the lease had run out.
        """
        wanted, who = ConceptTask(task), self.session.worker.id

        def make(state: ConceptState) -> list[Body]:
            pair, now_s = state.pairs[pair_id], self.session.clock()
            if pair.step.value != wanted.value or queue.free_slots(state, pair, who, now_s) < 1:
                return []
            return [PairClaimed(pair_id, wanted, now_s + lease_s)]

        self.pair(pair_id)
        kept = [e.body for e in self.commit(make)]
        return next((b.until_s for b in kept if isinstance(b, PairClaimed)), None)

    def waiting(self, task: ConceptTask | str, media_id: str | None = None) -> int:
        """How many pairs wait for this worker at a task."""
        now_s = self.session.clock()
        who = self.session.worker.id
        return len(queue.waiting(self.state, ConceptTask(task), who, now_s, media_id))

    def release(self, pair_id: str) -> None:
        """Give a claimed pair back without an answer."""
        who = self.session.worker.id

        def make(state: ConceptState) -> list[Body]:
            claim = state.pairs[pair_id].claims.get(who)
            return [PairReleased(pair_id, claim.task)] if claim else []

        self.pair(pair_id)
        self.commit(make)

    def answer_mv(
        self, pair_id: str, answers: Mapping[str, MvAnswer | str] | MvAnswer | str
    ) -> PairState:
        """Verify the masks of a pair.

        Args:
            pair_id: the pair.
            answers: option by mask key for every mask of the :class:`Work`; or one
                option for all of them.

        Raises:
            FlowError: the pair is elsewhere in the loop, or this worker may not.
            InputError: a mask without an answer, or an answer for a mask not asked about.
        """
        return acts.answer_mv(self, pair_id, answers)

    def answer_ev(self, pair_id: str, answer: EvAnswer | str) -> PairState:
        """Say whether the accepted masks, none or more, are all there is.

        Raises:
            FlowError: the pair is elsewhere in the loop, or this worker may not.
        """
        return acts.answer_ev(self, pair_id, EvAnswer(answer))

    def correct(
        self,
        pair_id: str,
        *,
        drawn: Sequence[Drawn] = (),
        removed: Collection[str] = (),
        is_instance_exhaustive: bool | None = None,
        is_pixel_exhaustive: bool = True,
        clicks: int = 0,
    ) -> PairState:
        """Complete a pair by hand, at correction or at the confirmation after it.

        Masks that are neither removed nor the parent of an edit are kept. Nothing left
        says that the phrase names nothing here.

        Args:
            pair_id: the pair.
            drawn: new masks, and edits that name their ``parent``.
            removed: keys of masks to take away.
            is_instance_exhaustive: every instance has a mask of its own; None says so
                unless there is a group mask.
            is_pixel_exhaustive: the masks cover all that the phrase names.
            clicks: clicks it took.

        Raises:
            FlowError: the pair is elsewhere in the loop, or this worker may not.
            InputError: an unknown key, or a mask of another size than the medium.
        """
        return acts.correct(
            self, pair_id, drawn, removed, is_instance_exhaustive, is_pixel_exhaustive, clicks
        )

    def reject(self, pair_id: str, reason: str = "") -> PairState:
        """Say, in whatever task the pair is at, that it cannot be masked.

        Raises:
            FlowError: the pair is at no task, or this worker may not.
        """
        return acts.reject(self, pair_id, reason)

    def undo(self) -> PairState | None:
        """Take back this worker's last answer, with what models made of it since.

        Returns:
            the pair as it stands again, or None when there is nothing to undo.

        Raises:
            FlowError: somebody else has answered about the pair since.
        """
        return acts.undo(self)

    def reopen(self, pair_id: str, step: ConceptStep | str, reason: str = "") -> PairState:
        """Send a pair back to an earlier step, so that people answer anew.

        Raises:
            FlowError: it is not beyond that step, or has no proposal yet.
        """
        return acts.reopen(self, pair_id, ConceptStep(step), reason)

    def send_to_correction(self, pair_id: str, reason: str = "") -> PairState:
        """Have people complete a pair by hand without MV and EV before it.

        Raises:
            FlowError: it is not at MV or EV.
        """
        return acts.send_to_correction(self, pair_id, reason)
