"""What fine-tuning on verified masklets is worth: held-out J&F, forgetting, minutes.

The default model learns from a few clips of one domain, and is measured on others of the same
domain and on places it did not learn from (other clips than those that it rehearses). Run it
from the repository root::

    python -m tests.benchmarks.bench_finetune [--theme wire] [--seeds 0,1] [--clips 6]

The domain is one where things are hard to outline (:mod:`samnb.synthetic.hard`) rather than hard
to follow: bicycles, hangers, glasses and scissors before a shed. Each seed learns from other
clips; what is measured on is the same for all. All clips are made up with exact masks, so this
is the trainer alone, without annotators.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from samnb.engine.dataset import synthetic_clips
from samnb.engine.evaluation import EvalSettings, evaluate
from samnb.models.finetune import finetune
from samnb.models.registry import load_model
from samnb.models.trainable import FinetuneSettings, LabelledClip

TRAIN_SEED, HELD_OUT_SEED, BASE_SEED, REPLAY_SEED = 41, 42, 43, 44


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--theme", default="wire", help="a place or domain of samnb.synthetic")
    parser.add_argument("--difficulty", type=float, default=0.3)
    for name, default in (("clips", 6), ("held-out", 6), ("base", 6), ("replay", 6)):
        parser.add_argument(f"--{name}", type=int, default=default, help="clips")
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=1, help="frames prompted at most")
    parser.add_argument("--model", default="mobile")
    fields = FinetuneSettings()
    for name in ("steps", "min_frames", "max_frames", "decoder_lr", "memory_lr", "pull",
                 "replay_share", "stills_share", "stills"):  # fmt: skip
        value = getattr(fields, name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    parser.add_argument("--seeds", default="0,1", help="default: %(default)s")
    args = parser.parse_args()

    def clips(count: int, seed: int, theme: str | None) -> list[LabelledClip]:
        return synthetic_clips(
            count, seed=seed, n_frames=args.frames, difficulty=args.difficulty, theme=theme
        )

    model = load_model(args.model)
    parts = {
        "held out": clips(args.held_out, HELD_OUT_SEED, args.theme),
        "base": clips(args.base, BASE_SEED, None),
    }
    how = EvalSettings(max_rounds=args.rounds)
    before = {name: evaluate(model, part, how) for name, part in parts.items()}
    sys.stderr.write(f"before {json.dumps(before)}\n")
    settings = FinetuneSettings(
        steps=args.steps, min_frames=args.min_frames, max_frames=args.max_frames,
        decoder_lr=args.decoder_lr, memory_lr=args.memory_lr, pull=args.pull,
        replay_share=args.replay_share, stills_share=args.stills_share, stills=args.stills,
    )  # fmt: skip
    runs = []
    for seed in (int(s) for s in args.seeds.split(",")):
        began = time.perf_counter(), time.process_time()
        trained = finetune(
            model,
            clips(args.clips, TRAIN_SEED + 100 * seed, args.theme),
            folder=Path(tempfile.mkdtemp(prefix="samnb-finetune-")),
            settings=settings,
            seed=seed,
            replay=clips(args.replay, REPLAY_SEED + 100 * seed, None),
            on_progress=_tell,
        )
        if trained.tracker is None:
            return
        wall_s, cpu_s = time.perf_counter() - began[0], time.process_time() - began[1]
        after = {name: evaluate(trained.tracker, part, how) for name, part in parts.items()}
        runs.append(
            {
                "seed": seed,
                "wall_s": round(wall_s, 1),
                "cpu_s": round(cpu_s, 1),
                "gain": _points(after["held out"], before["held out"]),
                "forgotten": _points(before["base"], after["base"]),
                "after": after,
            }
        )
        sys.stderr.write(f"{json.dumps(runs[-1])}\n")
    result = {"settings": vars(args), "before": before, "runs": runs}
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


def _tell(done: int, total: int, loss: float) -> None:
    sys.stderr.write(f"{done}/{total} {loss:.3f}\n")


def _points(one: dict[str, float], other: dict[str, float]) -> float:
    """How much higher the J&F of one is, in points."""
    return round(100 * (one["jf"] - other["jf"]), 1)


if __name__ == "__main__":
    main()
