"""What fine-tuning on verified masklets is worth: held-out J&F, forgetting, minutes.

The default model learns from a few clips of one place, is measured on others of the same
place, and on places it did not learn from (these in another mixture than what it rehearses).
Run it from the repository root::

    python -m tests.benchmarks.bench_finetune [--theme sea] [--steps 120] [--clips 6]

All clips are made up with exact masks, so this is the trainer alone, without annotators.
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
    parser.add_argument("--theme", default="sea", help="a place of samnb.synthetic.themes")
    parser.add_argument("--difficulty", type=float, default=0.5)
    for name, default in (("clips", 6), ("held-out", 6), ("base", 6), ("replay", 6)):
        parser.add_argument(f"--{name}", type=int, default=default, help="clips")
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=1, help="frames prompted at most")
    parser.add_argument("--model", default="mobile")
    fields = FinetuneSettings()
    for name in ("steps", "min_frames", "max_frames", "decoder_lr", "memory_lr", "pull",
                 "replay_share"):  # fmt: skip
        value = getattr(fields, name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    parser.add_argument("--seed", type=int, default=0)
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
    began = time.perf_counter(), time.process_time()
    trained = finetune(
        model,
        clips(args.clips, TRAIN_SEED, args.theme),
        folder=Path(tempfile.mkdtemp(prefix="samnb-finetune-")),
        settings=FinetuneSettings(
            steps=args.steps, min_frames=args.min_frames, max_frames=args.max_frames,
            decoder_lr=args.decoder_lr, memory_lr=args.memory_lr, pull=args.pull,
            replay_share=args.replay_share,
        ),
        seed=args.seed,
        replay=clips(args.replay, REPLAY_SEED, None),
        on_progress=lambda done, total, loss: sys.stderr.write(f"{done}/{total} {loss:.3f}\n"),
    )  # fmt: skip
    wall_s, cpu_s = time.perf_counter() - began[0], time.process_time() - began[1]
    after = {name: evaluate(trained.tracker, part, how) for name, part in parts.items()}
    result = {
        "settings": vars(args),
        "wall_s": round(wall_s, 1),
        "cpu_s": round(cpu_s, 1),
        "jf": {n: [round(100 * r[n]["jf"], 1) for r in (before, after)] for n in parts},
        "clicks": {n: [round(r[n]["clicks"], 2) for r in (before, after)] for n in parts},
        "gain": round(100 * (after["held out"]["jf"] - before["held out"]["jf"]), 1),
        "forgotten": round(100 * (before["base"]["jf"] - after["base"]["jf"]), 1),
        "objects": {n: int(before[n]["objects"]) for n in parts},
    }
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
