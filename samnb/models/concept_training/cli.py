"""Command line: ``samnb train concept`` teaches the default concept segmenter."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from samnb.models.concept import LearnedSegmenter, load_segmenter, save_segmenter
from samnb.models.concept_calibration import Calibration
from samnb.models.concept_net import ConceptNet
from samnb.models.concept_proposals import Proposer
from samnb.models.concept_training.gather import gathered
from samnb.models.concept_training.judge import JudgedPair, calibrate, judge, score
from samnb.models.concept_training.phrases import MOST_NEGATIVES, WORDS, Asked
from samnb.models.concept_training.samples import Samples
from samnb.models.concept_training.settings import ConceptSettings, training_scene
from samnb.models.concept_training.train import train_drawing, train_net, train_reading
from samnb.models.registry import load_model
from samnb.models.tracker import MemoryTracker
from samnb.models.training.cli import add_measuring, begin
from samnb.types import ModelError

CALIBRATION_SCENES = 50
TEST_SEEDS = 9_000_000
"""Seeds from here on are for measuring."""
KINDS = (
    "all", "single", "several", "small", "occluded", "held-out thing", "held-out phrase",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Train, or measure with ``--eval``; prints JSON and returns the exit code.

    Args:
        argv: arguments without the program's name; None takes those of the process.
    """
    args = _parser().parse_args(argv)
    begin(args.threads)
    if args.eval is None:
        settings = ConceptSettings(
            args.scenes,
            args.extra,
            steps=args.steps,
            drawing_steps=args.drawing_steps,
            more_steps=args.more_steps,
            seed=args.seed,
            hard_negatives=args.hard_negatives,
        )
        with tempfile.TemporaryDirectory() as place:
            segmenter, seconds = train(settings, args.folder or Path(place))
        save_segmenter(segmenter, args.out, {"settings": asdict(settings)})
        result: dict[str, Any] = {"out": str(args.out), "cpu_s": round(seconds, 1)}
    else:
        segmenter, result = load_segmenter(args.eval, _mobile()), {"weights": str(args.eval)}
    if args.test:
        seeds = range(TEST_SEEDS, TEST_SEEDS + args.test)
        result["test"] = table(judge(segmenter, seeds, difficulty=args.difficulty))
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    return 0


def train(settings: ConceptSettings, folder: Path) -> tuple[LearnedSegmenter, float]:
    """Train everything; returns the segmenter and the seconds of processor time it took.

    Args:
        settings: how.
        folder: where views and checkpoints are kept, and gone on from.
    """
    started = time.process_time()
    tracker = _mobile()
    proposer, samples, asked = gathered(tracker, folder, settings)
    logging.info("%d views in all", len(samples))
    keep = folder / f"{settings.seed}.net"
    segmenter = learn(tracker, proposer, samples, asked, settings, keep=keep)
    return segmenter, time.process_time() - started


def learn(
    tracker: MemoryTracker,
    proposer: Proposer,
    samples: Samples,
    asked: Sequence[Asked],
    settings: ConceptSettings,
    *,
    keep: Path | None = None,
) -> LearnedSegmenter:
    """Teach the image-text model what was gathered, and calibrate on further pictures.

    Args:
        tracker: whose eyes to use.
        proposer: as it was gathered with.
        samples: views.
        asked: what each picture is asked for.
        settings: how.
        keep: where checkpoints are kept, a path that their names begin with; None keeps none.
    """
    torch.manual_seed(settings.seed)
    net = ConceptNet(WORDS)
    one, two, three = (
        None if keep is None else keep.with_name(f"{keep.name}.{part}.pt") for part in (1, 2, 3)
    )
    train_net(net, samples, settings, asked, keep=one)
    train_drawing(net, samples, settings, keep=two)
    train_reading(net, samples, settings, asked, keep=three)
    segmenter = LearnedSegmenter(tracker, proposer, net, Calibration(), "concept@new")
    first = settings.scenes + settings.extra
    fresh = [training_scene(settings, first + i) for i in range(CALIBRATION_SCENES)]
    segmenter.calibration = calibrate(segmenter, fresh)
    return segmenter


def table(pairs: Sequence[JudgedPair]) -> dict[str, dict[str, float]]:
    """Scores by kind of pair."""
    found: dict[str, dict[str, float]] = {}
    for kind in KINDS:
        one = score(pairs, kind)
        n = sum(kind in p.kinds and p.count.n_gt > 0 for p in pairs)
        found[kind] = {
            "positives": n,
            "cgF1": round(one.cgf1, 1),
            "pmF1": round(one.pmf1, 3),
            "IL_MCC": round(one.il_mcc, 3),
        }
    for kind in ("hard negative", "easy negative"):
        own = [p for p in pairs if kind in p.kinds]
        left = sum(p.count.is_true_negative for p in own)
        found[kind] = {"pairs": len(own), "left alone": round(left / max(1, len(own)), 3)}
    return found


def _mobile() -> MemoryTracker:
    tracker = load_model("mobile", device="cpu")
    if not isinstance(tracker, MemoryTracker):
        raise ModelError(f"mobile: expected a SAM 2, got {tracker.name}")
    return tracker


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="samnb train concept",
        description="Train or measure the default concept segmenter on made-up pictures.",
    )
    default = ConceptSettings()
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, help="the .safetensors to write")
    where.add_argument("--eval", type=Path, help="do not train: measure these weights")
    parser.add_argument(
        "--scenes", type=int, default=default.scenes, help="pictures with proposals"
    )
    parser.add_argument("--extra", type=int, default=default.extra, help="further pictures")
    parser.add_argument("--steps", type=int, default=default.steps, help="optimiser steps")
    parser.add_argument(
        "--drawing-steps", type=int, default=default.drawing_steps,
        help="further steps on masks alone",
    )  # fmt: skip
    parser.add_argument(
        "--more-steps", type=int, default=default.more_steps,
        help="further steps on what is read from masks, which are then fixed",
    )  # fmt: skip
    parser.add_argument(
        "--folder", type=Path, help="keep views and checkpoints there, and go on from them"
    )
    parser.add_argument(
        "--hard-negatives",
        type=int,
        choices=range(MOST_NEGATIVES + 1),
        metavar="K",
        help="teach by so many hard negatives a picture, beside three phrases that are there "
        f"(0..{MOST_NEGATIVES}); without it, by every false phrase of the vocabulary",
    )
    add_measuring(parser, default.seed)
    return parser
