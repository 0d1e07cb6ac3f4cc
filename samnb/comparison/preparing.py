"""How a verifier comes to its leave before the comparison begins: earned, or given."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from samnb.comparison.engines import COMPUTE_TAG, Terms, demands, newest
from samnb.engine.concepts.arms import Verification, simulated_loop
from samnb.engine.concepts.trainers import VerifierTrainer, first_verifier
from samnb.engine.concepts.warmup import prepare_verification
from samnb.engine.concepts.world import ConceptWorld
from samnb.events.concepts import ConceptTask, RoutingMode, RoutingSwitched
from samnb.models.concepts import ConceptSegmenter, ConceptVerifier
from samnb.types import InputError

GIVEN: Final = "given for a demonstration, not earned"
"""The reason in the log of a leave without evidence."""


def prepare(
    target: str | Path,
    world: ConceptWorld,
    segmenter: ConceptSegmenter,
    terms: Terms,
    *,
    trainer: VerifierTrainer | None = None,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> Verification:
    """Have people answer everything about other pictures of the same kind, in a project of its
    own, and find out by that what a verifier may decide: the concept engine's one-time cost.

    The verifier that ships is checked as it is. Where it cannot ask the segmenter, one learns
    from some of the pictures and is checked on the others.

    A warm-up that is finished is read from its log.

    Args:
        target: the warm-up's project file.
        world: pictures that the comparison does not use.
        segmenter: proposes the masks.
        terms: how people work; the budget does not bind here.
        trainer: trains a verifier, instead of taking the one that ships.
        on_progress: called before each step.
    """
    skill, targets = demands(terms)
    shipped = None if trainer is not None else first_verifier(segmenter)
    with simulated_loop(target, terms.seed) as (loop, _):
        verifier = shipped or newest(loop, segmenter, trainer)
        switches = loop.state.routing.values()
    if verifier is not None and switches and {s.verifier for s in switches} == {verifier.name}:
        return Verification(verifier, tuple(switches))
    began = time.perf_counter()
    made = prepare_verification(
        target, world, segmenter, skill=skill, targets=targets, trainer=trainer,
        verifier=shipped, seed=terms.seed, on_progress=on_progress,
    )  # fmt: skip
    with simulated_loop(target, terms.seed) as (loop, _):
        first = next(iter(loop.session.state.media.values()))
        spent = f"{time.perf_counter() - began:.3f}"
        loop.session.add_known_media(first, {COMPUTE_TAG: spent})
    return made


def give_leave(
    verifier: ConceptVerifier | None, terms: Terms, segmenter: ConceptSegmenter
) -> Verification:
    """Let a verifier decide from ``terms.leave_above`` on, without evidence and so without a
    bound; the audit goes on, and a verifier found to have drifted loses its leave.

    Args:
        verifier: None takes the one that ships.
        terms: the confidence, and the share that is audited.
        segmenter: what the verifier asks.

    Raises:
        InputError: no confidence, or no verifier that can ask this segmenter.
    """
    above = terms.leave_above
    if above is None or not 0 <= above <= 1:
        raise InputError(f"leave_above: expected 0 to 1, got {above}")
    verifier = verifier or first_verifier(segmenter)
    if verifier is None:
        raise InputError(f"verifier: expected one that can ask {segmenter.name}, got none")
    _, targets = demands(terms)
    allowed = {ConceptTask.MV: targets.mv, ConceptTask.EV: targets.ev}
    switch = RoutingSwitched(
        ConceptTask.MV, RoutingMode.ON, verifier.name, audit_rate=terms.audit_rate,
        thresholds=(("accept", above), ("reject", above)), seed=terms.seed, reason=GIVEN,
    )  # fmt: skip
    return Verification(
        verifier, [replace(switch, task=t, target_error=e) for t, e in allowed.items()]
    )
