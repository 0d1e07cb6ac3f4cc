"""Command line of the training stages: cutouts, distill, pseudo, memory, chooser, eval, export."""

from __future__ import annotations

import argparse
import ctypes
import functools
import json
import logging
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.multiprocessing.spawn import spawn

from samnb.models.chooser import save_chooser
from samnb.models.mobile import (
    FAST_SIZE,
    QUALITY_SIZE,
    build_mobile,
    load_weights,
    save_eyes,
    save_weights,
)
from samnb.models.registry import load_model
from samnb.models.training.chooser import fit_chooser, play
from samnb.models.training.cutouts import (
    TEACHER_SIZE,
    Teacher,
    build_cache,
    load_cache,
    read_pictures,
)
from samnb.models.training.distill import (
    DistillSettings,
    click_agreement,
    run_distill,
    share_build,
)
from samnb.models.training.evalcli import (
    EVAL_HELP,
    add_eval_arguments,
    read_stocks,
    run_eval,
    tracking_scores,
)
from samnb.models.training.lessons import Lessons, Material, join_lessons
from samnb.models.training.memory import MemorySettings, run_memory
from samnb.models.training.mobilesam import init_mobile, load_checkpoint
from samnb.models.training.pseudo import PseudoSettings, label_videos
from samnb.models.training.realclips import load_windows
from samnb.models.training.team import join_team

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def main(argv: Sequence[str] | None = None) -> int:
    """Run one stage; returns the exit code.

    Args:
        argv: arguments without the program's name; None takes those of the process.
    """
    args = _parser().parse_args(argv)
    begin(args.threads)
    result: dict[str, Any] = args.run(args)
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    return 0


def begin(threads: int) -> None:
    """Set up a process that trains: log with times, threads, memory that is kept."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(threads)
    keep_memory()


def add_measuring(parser: argparse.ArgumentParser, seed: int) -> None:
    """Add the arguments of commands that train on drawn pictures and measure on others."""
    parser.add_argument("--seed", type=int, default=seed)
    parser.add_argument("--test", type=int, default=60, help="pictures to measure on; 0 for none")
    parser.add_argument("--difficulty", type=float, default=0.5, help="of those, 0 to 1")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")


def keep_memory() -> bool:
    """Ask glibc to keep freed memory instead of returning it to the system page by page.

    Training frees and takes the same large blocks at every step; with glibc's defaults the page
    faults cost a third of the time. Returns False where the C library has no such switch.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    done = [mallopt(_M_MMAP_MAX, 0), mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)]
    done.append(mallopt(_M_TOP_PAD, 64 * 2**20))
    return all(done)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m samnb.models.training", description="Train the default model."
    )
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default 2)")
    stages = parser.add_subparsers(required=True, metavar="STAGE")

    def stage(name: str, run: Any, text: str, *, needs_cache: bool) -> argparse.ArgumentParser:
        sub = stages.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        help_cache = "folder of taught pictures"
        sub.add_argument("--cache", type=Path, required=needs_cache, help=help_cache)
        sub.add_argument("--seed", type=int, default=0)
        return sub

    cut = stage(
        "cutouts",
        _cutouts,
        "let MobileSAM at 1024 px segment photos and video frames",
        needs_cache=True,
    )
    cut.add_argument("media", nargs="+", type=Path, help="photos and videos")
    cut.add_argument("--mobilesam", type=Path, help="mobile_sam.pt or a folder that contains it")
    cut.add_argument("--frames", type=int, default=14, help="frames per video")
    cut.add_argument("--crops", type=int, default=2, help="random crops per photo")
    cut.add_argument("--grid", type=int, default=6, help="clicks along each side")

    dis = stage("distill", _distill, "teach it to see at low resolution", needs_cache=True)
    dis.add_argument("--out", type=Path, required=True, help="folder for curve and checkpoints")
    dis.add_argument("--mobilesam", type=Path, help="mobile_sam.pt or a folder that contains it")
    dis.add_argument("--weights", type=Path, help="go on from these, not from MobileSAM's")
    dis.add_argument("--minutes", type=float, default=DistillSettings.minutes)
    help_sizes = "image sizes in pixels, the first one most often (default %(default)s)"
    dis.add_argument("--sizes", nargs=2, type=int, default=DistillSettings.sizes, help=help_sizes)
    for name in ("pictures", "prompts"):
        dis.add_argument(f"--{name}", type=int, default=getattr(DistillSettings, name))
    dis.add_argument("--lr", type=float, default=DistillSettings.lr)

    _add_pseudo(stages)

    mem = stage("memory", _memory, "teach the memory to track", needs_cache=True)
    mem.add_argument("--out", type=Path, required=True, help="folder for curve and checkpoints")
    mem.add_argument("--weights", type=Path, required=True, help="result of the distill stage")
    mem.add_argument(
        "--go-on",
        action="store_true",
        help="the weights already track: no warm start, and the larger build from the start",
    )
    mem.add_argument("--minutes", type=float, default=MemorySettings.minutes)
    mem.add_argument("--workers", type=int, default=2, help="single-threaded processes")
    mem.add_argument("--size", type=int, default=FAST_SIZE, help="image size in pixels")
    mem.add_argument("--pseudo", type=Path, help="folder of the pseudo stage: real clips, too")
    mem.add_argument(
        "--pseudo-share",
        type=float,
        default=MemorySettings.pseudo_share,
        help="share of real clips (default %(default)s)",
    )

    help_trunk = "let the image trunk's last stage learn too, at this rate; goes with --go-on"
    mem.add_argument("--trunk-lr", type=float, default=MemorySettings.trunk_lr, help=help_trunk)
    help_lr = (
        "greatest learning rate of what starts untrained, or of the decoder (default %(default)s)"
    )
    for name in ("coarse", "fine"):
        usual = getattr(MemorySettings, f"{name}_lr")
        mem.add_argument(f"--{name}-lr", type=float, default=usual, help=help_lr)
    mem.add_argument(
        "--large-share",
        type=float,
        default=MemorySettings.large_share,
        help="share of steps on the larger build (default %(default)s)",
    )

    ev = stage("eval", run_eval, EVAL_HELP, needs_cache=False)
    add_eval_arguments(ev)
    for sub in (dis, mem, ev):
        sub.add_argument("--held-out", nargs="*", default=[], help="source names never trained on")

    cho = stage(
        "chooser",
        _chooser,
        "teach it to choose a tracked object's mask among candidates, on clips made on the fly",
        needs_cache=False,
    )
    cho.add_argument("--weights", type=Path, help="default: the packaged weights")
    cho.add_argument("--out", type=Path, required=True, help="the .safetensors to write")
    help_lessons = "folder for what was seen on each clip; what is there is not seen again"
    cho.add_argument("--lessons", type=Path, required=True, help=help_lessons)
    cho.add_argument("--pseudo", type=Path, help="folder of the pseudo stage: real clips, too")
    cho.add_argument("--clips", type=int, default=32, help="clips a round (default %(default)s)")
    cho.add_argument("--rounds", type=int, default=2, help="rounds (default %(default)s)")
    cho.add_argument("--length", type=int, default=24, help="frames per clip")
    help_size = "image size of all clips (default: both builds' in turn)"
    cho.add_argument("--size", type=int, choices=(FAST_SIZE, QUALITY_SIZE), help=help_size)
    help_also = "folder of lessons of an earlier run, which are learned from before the first round"
    cho.add_argument("--also", type=Path, help=help_also)
    cho.add_argument("--held-out", nargs="*", default=[], help="source names never trained on")

    help_footage = "videos as moving backgrounds of composed clips"
    help_stamps = "folder of PNG pictures with transparent parts, things cut out already"
    for sub in (mem, ev, cho):
        sub.add_argument("--footage", nargs="*", type=Path, default=[], help=help_footage)
        sub.add_argument("--stamps", type=Path, help=help_stamps)

    exp = stages.add_parser("export", help="write the weights file that ships")
    exp.set_defaults(run=_export)
    exp.add_argument("--weights", type=Path, required=True)
    help_eyes = "write encoder and decoder only, in int8: the eyes for clicks"
    exp.add_argument("--eyes", action="store_true", help=help_eyes)
    exp.add_argument("--out", type=Path, required=True, help="the .safetensors to write")
    exp.add_argument("--precision", choices=("int8", "float16"), default="int8")
    exp.add_argument("--info", default="{}", help="JSON kept in the file's header")
    return parser


def _add_pseudo(stages: Any) -> None:
    text = "let the model follow things through videos, and keep what it finds both ways in time"
    sub = stages.add_parser("pseudo", help=text, description=text)
    sub.set_defaults(run=_pseudo)
    sub.add_argument("media", nargs="+", type=Path, help="videos")
    sub.add_argument("--out", type=Path, required=True, help="folder for clips and manifest")
    help_model = "who labels: any name that a project's model may have (default %(default)s)"
    sub.add_argument("--model", default="mobile-quality", help=help_model)
    sub.add_argument(
        "--minutes", type=float, default=math.inf, help="begin no window after so many"
    )
    sub.add_argument("--length", type=int, default=PseudoSettings.length, help="frames a window")
    sub.add_argument("--fps", type=float, default=PseudoSettings.fps, help="frames a second")
    sub.add_argument("--hop", type=int, default=PseudoSettings.hop, help="frames between windows")
    sub.add_argument("--objects", type=int, default=PseudoSettings.objects, help="at most, each")
    sub.add_argument("--grid", type=int, default=PseudoSettings.grid, help="clicks along each side")
    sub.add_argument("--seed", type=int, default=PseudoSettings.seed)


def _cutouts(args: argparse.Namespace) -> dict[str, Any]:
    model = init_mobile(load_checkpoint(args.mobilesam), TEACHER_SIZE, object_scores=False)
    rng = np.random.default_rng(args.seed)
    pictures = read_pictures(args.media, args.frames, args.crops, rng)
    total = build_cache(Teacher(model), pictures, args.cache, side=args.grid, seed=args.seed)
    return {"cutouts": total, "cache": str(args.cache)}


def _distill(args: argparse.Namespace) -> dict[str, Any]:
    train, held = load_cache(args.cache, args.held_out)
    if args.weights is None:
        model = init_mobile(load_checkpoint(args.mobilesam), args.sizes[0])
    else:
        model = build_mobile(
            args.sizes[0], weights=args.weights, predictor="base", choose=False, eyes=False
        )
    names = ("minutes", "pictures", "prompts", "lr", "seed")
    settings = DistillSettings(sizes=tuple(args.sizes), **{n: getattr(args, n) for n in names})
    run_distill(model, train, held or train[:4], settings, args.out)
    return click_agreement(model, held or train[:4])


def _pseudo(args: argparse.Namespace) -> dict[str, Any]:
    tracker = load_model(args.model)
    names = ("length", "fps", "hop", "objects", "grid", "seed")
    settings = PseudoSettings(**{key: getattr(args, key) for key in names})
    made = label_videos(tracker, args.media, args.out, settings, minutes=args.minutes)
    return {"out": str(args.out), **made}


def _memory(args: argparse.Namespace) -> dict[str, Any]:
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder) / "team"
        spawn(_train_memory, (args, meeting), nprocs=args.workers)
    _, held = read_stocks(args)
    model = build_mobile(args.size, weights=args.out / "memory.safetensors", predictor="base")
    return tracking_scores(model, held, clips=6, length=24, seed=args.seed)


def _train_memory(rank: int, args: argparse.Namespace, meeting: Path) -> None:
    begin(1)
    team = join_team(rank, args.workers, meeting)
    stock, held = read_stocks(args)
    logging.info("%d cut-outs, %d held out", len(stock.cutouts), len(held.cutouts))
    # What the chooser expects of features may no longer hold: the curve shows memory alone.
    model = build_mobile(
        args.size, weights=args.weights, predictor="base", choose=False, eyes=False
    )
    rates = ("coarse_lr", "fine_lr", "trunk_lr")
    names = ("minutes", "seed", "pseudo_share", "large_share", *rates)
    settings = MemorySettings(**{name: getattr(args, name) for name in names})
    if args.go_on:
        settings = replace(settings, warm_clips=0, large_from=0.0)
    windows = load_windows(args.pseudo, args.held_out)[0] if args.pseudo else []
    run_memory(
        model,
        stock,
        held,
        settings,
        args.out,
        large=share_build(model, QUALITY_SIZE),
        replay=stock.pictures,
        windows=windows,
        team=team,
    )
    team.leave()


def _chooser(args: argparse.Namespace) -> dict[str, Any]:
    build = functools.partial(
        build_mobile, weights=args.weights, predictor="base", choose=False, eyes=False
    )
    models = {size: build(size) for size in (FAST_SIZE, QUALITY_SIZE)}
    windows = load_windows(args.pseudo, args.held_out)[0] if args.pseudo else []
    material = Material(read_stocks(args)[0] if args.cache else None, windows)
    args.lessons.mkdir(parents=True, exist_ok=True)
    lessons = _lessons_in(args.also) if args.also else []
    n_earlier = len(lessons)
    chooser = fit_chooser(join_lessons(lessons), args.seed) if lessons else None
    for turn in range(args.rounds):
        for number in range(args.clips):
            path = args.lessons / f"round{turn}-clip{number:04}.safetensors"
            if not path.is_file():
                rng = np.random.default_rng([args.seed, turn, number, 9])
                clip = material.clip(number, args.length, rng, args.size)
                play(models[clip.frames.shape[1]], [clip], rng, chooser).save(path)
            lessons.append(Lessons.load(path))
            frames = sum(len(told.absent) for told in lessons)
            logging.info("round %d, clip %d: %d frames", turn + 1, number + 1, frames)
        chooser = fit_chooser(join_lessons(lessons), args.seed)
        info = {"clips": args.clips, "rounds": turn + 1, "length": args.length}
        info |= {"size": args.size, "earlier_clips": n_earlier}
        info |= {"seed": args.seed, "candidates": sum(len(told.ious) for told in lessons)}
        save_chooser(chooser, args.out, info)
        logging.info("round %d: %s", turn + 1, info)
    return {"out": str(args.out), **info}


def _lessons_in(folder: Path) -> list[Lessons]:
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise ValueError(f"--also: expected a folder of lessons (*.safetensors), got {folder}")
    return [Lessons.load(path) for path in paths]


def _export(args: argparse.Namespace) -> dict[str, Any]:
    info = json.loads(args.info)
    state = load_weights(args.weights)
    if args.eyes:
        save_eyes(state, args.out, info)
    else:
        save_weights(state, args.out, precision=args.precision, info=info)
    return {"weights": str(args.out), "bytes": args.out.stat().st_size}
