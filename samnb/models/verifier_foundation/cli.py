"""Command line: ``samnb train verifier`` teaches the foundation of the small verifier."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from samnb.models.concept_registry import load_concept_segmenter
from samnb.models.training.cli import add_measuring, begin
from samnb.models.verifier_foundation.evaluate import TEST_SEEDS, evaluate
from samnb.models.verifier_foundation.train import FoundationSettings, train_foundation
from samnb.models.verifier_mirror import MirrorVerifier
from samnb.models.verifier_shipped import load_foundation, load_looking_twice
from samnb.models.verifier_small import SmallVerifier

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Train, or measure with ``--eval``; prints JSON and returns the exit code.

    Args:
        argv: arguments without the program's name; None takes those of the process.
    """
    args = _parser().parse_args(argv)
    begin(args.threads)
    segmenter = load_concept_segmenter(args.segmenter, device="cpu")
    result: dict[str, Any] = {"segmenter": segmenter.name}
    verifier: SmallVerifier | MirrorVerifier
    if args.eval is None:
        settings = FoundationSettings(
            args.words_pictures, args.pictures, args.words_steps, seed=args.seed
        )
        started = time.process_time()
        verifier = trained = train_foundation(segmenter, settings)
        trained.save(args.out)
        result |= {"out": str(args.out), "cpu_s": round(time.process_time() - started, 1)}
    else:
        load = load_looking_twice if args.mirror else load_foundation
        verifier = load(segmenter, args.eval)
        result["weights"] = str(args.eval)
    result["verifier"] = verifier.name
    if args.test:
        seeds = range(TEST_SEEDS, TEST_SEEDS + args.test)
        result["test"] = evaluate(
            verifier, segmenter, seeds, difficulty=args.difficulty, on_picture=_tell(args.test)
        )
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    return 0


def _tell(total: int) -> Any:
    def tell(done: int) -> None:
        if done % 10 == 0 or done == total:
            log.info("%d of %d pictures measured", done, total)

    return tell


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="samnb train verifier",
        description="Teach or measure the small verifier's foundation on drawn pictures.",
    )
    default = FoundationSettings()
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, help="the .safetensors to write")
    where.add_argument("--eval", type=Path, help="do not train: measure this verifier")
    parser.add_argument(
        "--pictures", type=int, default=default.pictures,
        help="pictures that masks are proposed for and judged (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--words-pictures", type=int, default=default.words_pictures,
        help="pictures that teach what words look like (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--words-steps", type=int, default=default.words_steps,
        help="optimiser steps on these (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--segmenter", default="concept",
        help="whose proposals are judged: concept or a version of it (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--mirror", action="store_true",
        help="with --eval: it looks at each picture and at its mirror image",
    )  # fmt: skip
    add_measuring(parser, default.seed)
    return parser
