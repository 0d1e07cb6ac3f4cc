"""What training stages are measured on: the arguments of `eval`, and its clips of each kind."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from samnb.models.mobile import FAST_SIZE, build_mobile
from samnb.models.training.clips import Clip, compose_clip
from samnb.models.training.cutouts import load_cache
from samnb.models.training.distill import click_agreement
from samnb.models.training.evaluate import MODES, ROUND_CLICKS, evaluate_tracking
from samnb.models.training.filmed import filmed_clips
from samnb.models.training.realclips import RealWindow, load_windows, whole_clips
from samnb.models.training.stock import Stock, make_stock, read_footage, read_stamps
from samnb.models.training.synthetics import test_clips

EVAL_HELP: Final = "measure tracking on clips no training has seen"


def add_eval_arguments(ev: argparse.ArgumentParser) -> None:
    """Add the arguments that `run_eval` reads."""
    ev.add_argument("--weights", type=Path, help="default: the packaged weights")
    ev.add_argument("--size", type=int, default=FAST_SIZE, help="image size in pixels")
    help_clips = "made-up clips of each kind, 0 for none (default 12)"
    ev.add_argument("--clips", type=int, default=12, help=help_clips)
    ev.add_argument("--length", type=int, default=24, help="frames per clip")
    help_pseudo = "folder of the pseudo stage: measure on its held-out videos, too"
    ev.add_argument("--pseudo", type=Path, help=help_pseudo)
    help_filmed = (
        "folder in DAVIS' layout: measure on its clips and masks, too, whole and as filmed"
    )
    ev.add_argument("--filmed", type=Path, help=help_filmed)
    ev.add_argument("--names", nargs="*", default=[], help="of the filmed clips (default: all)")
    ev.add_argument("--every", type=int, default=1, help="of the filmed frames (default 1)")
    ev.add_argument(
        "--rounds",
        nargs="*",
        type=int,
        default=[],
        help="measure after so many rounds of correction, too, such as 1 3 8",
    )
    ev.add_argument("--modes", nargs="+", choices=MODES, default=MODES, help="how tracks start")
    help_clicks = "on each corrected frame (default %(default)s)"
    ev.add_argument("--round-clicks", type=int, default=ROUND_CLICKS, help=help_clicks)


def read_stocks(args: argparse.Namespace) -> tuple[Stock, Stock]:
    """Training and held-out stock; footage goes to the side that its name belongs to."""
    train, held = load_cache(args.cache, args.held_out)
    own = [p for p in args.footage if p.stem not in set(args.held_out)]
    other = [p for p in args.footage if p.stem in set(args.held_out)]
    stamps = read_stamps(args.stamps) if args.stamps else []
    first = make_stock(train, [read_footage(p, 8.0) for p in own], stamps)
    second = make_stock(held or train, [read_footage(p, 8.0) for p in other])
    return first, second


def run_eval(args: argparse.Namespace) -> dict[str, Any]:
    """Measure tracking and clicks as the arguments say; see `tracking_scores`."""
    model = build_mobile(args.size, weights=args.weights, predictor="base")
    held = read_stocks(args)[1] if args.cache else None
    windows = load_windows(args.pseudo, args.held_out)[1] if args.pseudo else None
    if windows is not None and not windows:
        raise ValueError(f"held-out: expected a video of {args.pseudo}, got {args.held_out}")
    filmed = None
    if args.filmed is not None:
        filmed = filmed_clips(args.filmed, every=args.every, names=tuple(args.names))
    how = {"modes": args.modes, "rounds": args.rounds, "round_clicks": args.round_clicks}
    numbers = {"clips": args.clips, "length": args.length, "seed": args.seed}
    scores = tracking_scores(model, held, **numbers, windows=windows, filmed=filmed, **how)
    if held is not None:
        found = click_agreement(getattr(model, "eyes", model), held.pictures)
        scores |= {f"click_{k}": v for k, v in found.items()}
    return scores


def tracking_scores(
    model: Any,
    held: Stock | None,
    *,
    clips: int,
    length: int,
    seed: int,
    windows: Sequence[RealWindow] | None = None,
    filmed: Iterable[Clip] | None = None,
    **how: Any,
) -> dict[str, float]:
    """Scores on drawn clips and, with the material at hand, on composed, labelled and filmed ones.

    Args:
        model: a `SAM2Base`.
        held: what composed clips are made of.
        clips: how many drawn and composed clips there are.
        length: frames of each of those.
        seed: chooses them.
        windows: stretches of real video that a model labelled.
        filmed: real clips that people outlined.
        how: of `evaluate_tracking`.
    """
    size = model.image_size
    kinds: dict[str, Iterable[Clip]] = {}
    if clips:
        kinds["synthetic"] = test_clips(clips, length, size, seed=seed)
    if clips and held is not None:
        rng = np.random.default_rng([seed, 7])
        kinds["composed"] = (compose_clip(held, length, size, rng) for _ in range(clips))
    if windows is not None:
        kinds["real"] = whole_clips(windows, length, size)
    if filmed is not None:
        kinds["filmed"] = filmed
    scores: dict[str, float] = {}
    for kind, its in kinds.items():
        made = evaluate_tracking(model, its, with_flow=True, **how)
        scores |= {f"{kind}_{k}": v for k, v in made.items()}
    return scores
