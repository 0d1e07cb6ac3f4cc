"""Retraining cycles on one kind of clip: does effort per masklet fall?

In every cycle simulated annotators make masklets of new clips with the version in use, a
verifier passes or returns them, and the model is trained again on all that were accepted so
far; old and new version are measured on clips that are held out from the beginning, and on
clips of other places for what is forgotten. Run it from the repository root::

    python -m tests.benchmarks.bench_cycles [--cycles 3] [--theme glassware] [--steps 80]

The clips are of things that the default model outlines badly (:mod:`samnb.synthetic.hard`), and
not hard to follow otherwise.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from samnb.engine import stats
from samnb.engine.dataset import synthetic_clips
from samnb.engine.evaluation import EvalSettings
from samnb.engine.groundtruth import GroundTruth, make_truth
from samnb.engine.retrain import RetrainResult, retrain
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


def effort_row(
    cycle: int, model: str, held_out: Mapping[str, float], base: Mapping[str, float]
) -> dict[str, object]:
    """What a held-out masklet costs with the version in use after a cycle."""
    return {
        "after cycle": cycle,
        "model": model,
        "held-out J&F": held_out["jf"],
        "clicks": held_out["clicks"],
        "time_s": held_out["time_s"],
        "reached": held_out["reached"],
        "other places J&F": base.get("jf", float("nan")),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, default in (("cycles", 3), ("clips", 2), ("frames", 8), ("steps", 80)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--held-out", type=int, default=3, help="clips to measure on")
    parser.add_argument("--replay", type=int, default=4, help="clips of other places; every "
                        "second is measured, the others are rehearsed")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=3, help="prompted frames when measured")
    parser.add_argument("--objects", type=int, default=2)
    parser.add_argument("--theme", default="glassware", help="a place or domain of samnb.synthetic")
    parser.add_argument("--difficulty", type=float, default=0.3)
    usual = FinetuneSettings()
    for name in ("decoder_lr", "memory_lr", "replay_share", "stills_share", "pull"):
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=float, default=getattr(usual, name))
    parser.add_argument("--model", default="mobile")
    parser.add_argument("--folder", type=Path, help="where the project goes; a new one else")
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp(prefix="samnb-cycles-"))
    folder.mkdir(parents=True, exist_ok=True)
    clock = SimulatedClock()

    def clips(seed: int, n_clips: int) -> GroundTruth:
        return make_truth(
            folder / "clips",
            n_clips,
            seed=seed,
            n_objects=args.objects,
            n_frames=args.frames,
            difficulty=args.difficulty,
            theme=args.theme,
        )

    session = Session.open(
        folder / "cycles.samnb", worker=simulated("ann"), tracker=args.model, clock=clock
    )
    held_out = hold_out(session, clips(HELD_OUT_SEED, args.held_out))
    rows: list[dict[str, object]] = []
    for cycle in range(1, args.cycles + 1):
        began = time.perf_counter()
        annotate(session, clips(100 * cycle, args.clips), clock, cycle)
        made = time.perf_counter()
        result: RetrainResult = retrain(
            session,
            FinetuneSettings(
                steps=args.steps, decoder_lr=args.decoder_lr, memory_lr=args.memory_lr,
                replay_share=args.replay_share, stills_share=args.stills_share, pull=args.pull,
            ),
            held_out=held_out,
            replay=synthetic_clips(
                args.replay, n_frames=args.frames, difficulty=args.difficulty
            ),
            evaluation=EvalSettings(max_rounds=args.rounds),
            seed=cycle,
        )  # fmt: skip
        if not rows:
            rows.append(effort_row(0, result.over, result.old, result.old_replay))
        kept = result.status == "promoted"
        rows.append(
            effort_row(
                cycle,
                result.model if kept else result.over,
                result.new if kept else result.old,
                result.new_replay if kept else result.old_replay,
            )
        )
        spent = f"{made - began:.0f} s annotating, {time.perf_counter() - made:.0f} s training"
        sys.stdout.write(f"cycle {cycle}: {result.status}: {result.reason} ({spent})\n")
        sys.stdout.flush()
    table = pd.DataFrame(rows).to_string(index=False, float_format="{:.3f}".format)
    sys.stdout.write(f"\nheld out, with the version in use\n{table}\n")
    effort = stats.effort(session).to_string(index=False, float_format="{:.2f}".format)
    sys.stdout.write(f"\nwhat annotators spent on new clips, by version\n{effort}\n")
    session.close()


if __name__ == "__main__":
    main()
