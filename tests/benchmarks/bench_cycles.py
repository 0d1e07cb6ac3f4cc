"""Retraining cycles on one kind of clip: does effort per masklet fall?

In every cycle simulated annotators make masklets of new clips with the version in use, a
verifier passes or returns them, and the model is trained again; old and new version are
measured on clips that are held out from the beginning. Run it from the repository root::

    python -m tests.benchmarks.bench_cycles [--cycles 3] [--clips 2] [--steps 60]

By default the clips are hard (difficulty 0.9: look-alikes, occlusion, leaving and coming back).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from samnb.engine import stats
from samnb.engine.dataset import synthetic_clips
from samnb.engine.evaluation import EvalSettings
from samnb.engine.groundtruth import GroundTruth, make_truth
from samnb.engine.lineage import versions
from samnb.engine.retrain import retrain
from samnb.engine.session import Session
from samnb.engine.simulation import CAREFUL, SimulatedClock
from samnb.engine.workers import SimulatedAnnotator, SimulatedVerifier, simulated
from samnb.models.trainable import FinetuneSettings
from samnb.types import FrameMask

HELD_OUT_SEED = 900


def hold_out(session: Session, truth: GroundTruth) -> list[str]:
    """Put true masklets into the project as accepted ones; return their media."""
    ids = []
    for video in truth:
        media = session.add_media(video.path)
        ids.append(media.id)
        for thing in video.objects:
            rows = [(FrameMask(i, r.id), r) for i, r in sorted(thing.masks.items())]
            session.import_masklet(
                media.id, rows, source="truth", name=thing.name, is_accepted=True
            )
    return ids


def annotate(session: Session, truth: GroundTruth, clock: SimulatedClock, seed: int) -> None:
    """Have all objects of some videos annotated in Phase 3 and verified."""
    for video in truth:
        media = session.add_media(video.path)
        for thing in video.objects:
            session.add_item(media.id, thing.name, target_id=thing.target_id)
    rng = np.random.default_rng(seed)
    maker = SimulatedAnnotator(truth, CAREFUL, clock=clock, rng=rng)
    judge = SimulatedVerifier(truth, clock=clock, rng=rng)
    verifier = session.as_worker(simulated("vera"))
    while maker.work(session) + judge.work(verifier):
        session.refresh()


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, default in (("cycles", 3), ("clips", 2), ("frames", 12), ("steps", 60)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--held-out", type=int, default=3, help="clips to measure on")
    parser.add_argument("--objects", type=int, default=1)
    parser.add_argument("--difficulty", type=float, default=0.9)
    parser.add_argument("--model", default="mobile")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="samnb-cycles-"))
    clock = SimulatedClock()

    def clips(seed: int, n_clips: int) -> GroundTruth:
        return make_truth(
            folder / "clips",
            n_clips,
            seed=seed,
            n_objects=args.objects,
            n_frames=args.frames,
            difficulty=args.difficulty,
        )

    session = Session.open(
        folder / "cycles.samnb", worker=simulated("ann"), tracker=args.model, clock=clock
    )
    held_out = hold_out(session, clips(HELD_OUT_SEED, args.held_out))
    for cycle in range(args.cycles):
        began = time.perf_counter()
        annotate(session, clips(100 * cycle, args.clips), clock, cycle)
        made = time.perf_counter()
        result = retrain(
            session,
            FinetuneSettings(steps=args.steps),
            held_out=held_out,
            replay=synthetic_clips(2),
            evaluation=EvalSettings(max_rounds=3),
            seed=cycle,
        )
        spent = f"{made - began:.0f} s annotating, {time.perf_counter() - made:.0f} s training"
        sys.stdout.write(f"cycle {cycle + 1}: {result.status}: {result.reason} ({spent})\n")
        sys.stdout.flush()
    columns = ["base", "version", "status", "n_train", "old_jf", "new_jf", "old_clicks"]
    sys.stdout.write(f"\n{versions(session)[[*columns, 'new_clicks']].to_string(index=False)}\n")
    sys.stdout.write(f"\n{stats.effort(session).to_string(index=False)}\n")
    session.close()


if __name__ == "__main__":
    main()
