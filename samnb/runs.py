"""The ``samnb run`` commands: simulated runs of the engine from a shell."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samnb.comparison.commands import add_compare_command, read_size
from samnb.types import InputError

if TYPE_CHECKING:
    from samnb.engine.groundtruth import GroundTruth


def add_run_commands(commands: Any) -> None:
    """Add ``run masklet``, ``run curves`` and ``run concept`` to a parser's commands."""
    p = commands.add_parser("run", help="run the engine with simulated workers")
    tasks = p.add_subparsers(title="tasks", required=True, metavar="TASK")
    masklet = tasks.add_parser(
        "masklet",
        help="annotate the same objects in SAM 2's three phases and print the paper's table",
    )
    _add_common(masklet)
    masklet.add_argument("--phases", default="1,2,3", help="which to run (default: %(default)s)")
    masklet.add_argument("--verify", action="store_true", help="a verifier sends bad ones back")
    masklet.add_argument("--satisfied", type=float, help="IoU at which clicking ends")
    masklet.add_argument("--pause", type=float, help="IoU below which a frame is seen as wrong")
    masklet.add_argument("--max-clicks", type=int, help="clicks per frame at most")
    masklet.add_argument("--jitter", type=float, default=0.0, help="click jitter, px")
    masklet.add_argument("--missed", type=float, default=0.0, help="share of errors overlooked")
    masklet.add_argument("--fatigue", type=float, default=0.0, help="slowing down per hour")
    masklet.set_defaults(run=_masklet)
    curves = tasks.add_parser(
        "curves", help="J&F against prompted frames and time, refining against drawing again"
    )
    _add_common(curves)
    curves.add_argument("--arms", default="refine,redraw,reproduce", help="default: %(default)s")
    curves.add_argument("--modes", default="offline,online", help="default: %(default)s")
    curves.add_argument("--prompted", type=int, default=8, help="prompted frames at most")
    curves.set_defaults(run=_curves)
    _add_concept(tasks)
    add_compare_command(tasks)


def _add_concept(tasks: Any) -> None:
    p = tasks.add_parser(
        "concept",
        help="go round SAM 3's loop on made-up pictures: mining to retraining; with --arms, work "
        "the same pairs in the paper's four ways; with --video, go once through the loop on "
        "made-up videos",
    )
    p.add_argument("--project", type=Path, required=True, help="project file, made when missing")
    p.add_argument(
        "--arms",
        help="comma-separated: phrase (a person draws all), masks (a person corrects), people "
        "(all-human engine), models (AI verifiers); each gets a project beside --project",
    )
    p.add_argument(
        "--video", action="store_true", help="videos: filters, phrases of every frame, masklets, "
        "people, exhaustivity confirmation, sampled frames",
    )  # fmt: skip
    p.add_argument("--clips", type=int, default=6, help="with --video (default: %(default)s)")
    p.add_argument(
        "--frames", type=int, default=36, help="of a clip, 6 a second (default: %(default)s)"
    )
    p.add_argument("--cycles", type=int, default=3, help="times round (default: %(default)s)")
    p.add_argument(
        "--pictures", type=int, default=12, help="a cycle, or for the arms (default: %(default)s)"
    )
    p.add_argument(
        "--warmup", type=int, default=16, help="pictures AI verifiers learn from and are checked "
        "on before the arms (default: %(default)s)"
    )  # fmt: skip
    p.add_argument("--positives", type=int, default=3, help="phrases a picture, for the arms")
    p.add_argument("--negatives", type=int, default=9, help="likewise (default: %(default)s)")
    p.add_argument("--difficulty", type=float, default=0.5, help="0 to 1 (default: %(default)s)")
    p.add_argument("--size", default="240x320", help="HEIGHTxWIDTH (default: %(default)s)")
    p.add_argument(
        "--domain", choices=("world", "household", "playroom"), default="world", help="what "
        "pictures show: the world that the default models were taught on, or one of two others, "
        "half and a quarter of whose things they do not know (default: %(default)s)",
    )  # fmt: skip
    p.add_argument(
        "--held-out", type=float, default=0.25, help="share of pictures that people answer "
        "alone: models are measured on them, and verifiers earn leave (default: %(default)s)",
    )  # fmt: skip
    p.add_argument(
        "--test", type=int, default=0, help="further pictures that never enter the loop; after "
        "each cycle the segmenter is measured on their true masks (default: %(default)s)",
    )  # fmt: skip
    p.add_argument("--model", default="concept", help="segmenter (default: %(default)s)")
    p.add_argument(
        "--verifier", help="who answers MV and EV as a model: a .safetensors file of ours, or the "
        "folder or hub name of a vision-language model, which stays as it is (default: the small "
        "one, which learns)",
    )  # fmt: skip
    p.add_argument("--mv-accuracy", type=float, help="of simulated people (default: the paper's)")
    p.add_argument("--ev-accuracy", type=float, help="of simulated people (default: the paper's)")
    p.add_argument(
        "--mv-error", type=float, help="share of a verifier's MV decisions that may differ from a "
        "person's (default: as often as two people differ)",
    )  # fmt: skip
    p.add_argument("--ev-error", type=float, help="likewise for EV")
    p.add_argument(
        "--ev-absent-error", type=float, help="likewise for EV of pairs without masks, which are "
        "routed apart (default: that of --ev-error)",
    )  # fmt: skip
    p.add_argument(
        "--ev-reject-error", type=float, help="likewise for EV's Reject, which sends pairs to "
        "people: a wrong one costs time and leaves no error (default: 0.5)",
    )  # fmt: skip
    p.add_argument("--audit", type=float, default=0.03, help="share audited (default: %(default)s)")
    p.add_argument("--seed", type=int, default=0, help="of pictures and chance")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=_concept)


def _concept(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from samnb.engine.concepts.reviewers import Skill
    from samnb.engine.concepts.warmup import Targets
    from samnb.models.concept_registry import load_concept_segmenter

    given = {"mv_accuracy": args.mv_accuracy, "ev_accuracy": args.ev_accuracy}
    skill = replace(Skill(), **{k: v for k, v in given.items() if v is not None})
    allowed = {
        "mv": args.mv_error, "ev": args.ev_error, "ev_absent": args.ev_absent_error,
        "ev_reject": args.ev_reject_error, "audit_rate": args.audit,
    }  # fmt: skip
    targets = replace(
        Targets.as_people(skill), **{k: v for k, v in allowed.items() if v is not None}
    )
    size_hw = read_size(args.size)
    segmenter = load_concept_segmenter(args.model)
    if args.video:
        from samnb.engine.concepts.videos import make_video_world, run_videos

        folder = args.project.with_name(f"{args.project.stem}-clips")
        world = make_video_world(
            folder, args.clips, seed=args.seed, n_frames=args.frames,
            difficulty=args.difficulty, size_hw=size_hw,
        )  # fmt: skip
        result: Any = run_videos(
            args.project, world, segmenter, skill=skill, seed=args.seed, on_progress=_show
        )
        sys.stdout.write((json.dumps(result.to_dict()) if args.json else str(result)) + "\n")
        return 0
    worlds = _concept_worlds(args, size_hw)
    if args.arms is None:
        from samnb.engine.concepts.cycles import run_cycles

        result = run_cycles(
            args.project, worlds, segmenter, skill=skill, targets=targets,
            held_out_share=args.held_out, verifier=_verifier(args),
            test=_test_world(args, size_hw), seed=args.seed, on_progress=_show,
        )  # fmt: skip
    else:
        result = _concept_arms(args, worlds, segmenter, skill, targets)
    sys.stdout.write((json.dumps(result.to_dict()) if args.json else str(result)) + "\n")
    return 0


def _concept_arms(args: Any, worlds: Any, segmenter: Any, skill: Any, targets: Any) -> Any:
    from samnb.engine.concepts import timing
    from samnb.engine.concepts.arms import run_arms
    from samnb.engine.concepts.warmup import prepare_verification

    names = dict(zip(("phrase", "masks", "people", "models"), timing.ARMS, strict=True))
    words = _words(args.arms, "arms")
    unknown = [w for w in words if w not in names]
    if unknown:
        raise InputError(f"arms: expected some of {', '.join(names)}, got {', '.join(unknown)}")
    verification = None
    if "models" in words:
        verification = prepare_verification(
            args.project.with_name(f"{args.project.stem}-warmup.samnb"), worlds[0], segmenter,
            skill=skill, targets=targets, verifier=_verifier(args), seed=args.seed,
            on_progress=_show,
        )  # fmt: skip
    return run_arms(
        args.project.with_name(f"{args.project.stem}-arms"), worlds[1], segmenter, verification,
        arms=[names[w] for w in words], skill=skill, seed=args.seed, on_progress=_show,
    )  # fmt: skip


def _verifier(args: argparse.Namespace) -> Any:
    """The verifier that was named; None lets one learn."""
    from samnb.engine.concepts.verifying import load

    return None if args.verifier is None else load(args.verifier)


def _concept_worlds(args: argparse.Namespace, size_hw: tuple[int, int]) -> tuple[Any, ...]:
    """New pictures for each cycle; or those of the warm-up and those of the arms."""
    counts = [args.pictures] * args.cycles if args.arms is None else [args.warmup, args.pictures]
    first = 1 + 1000 * args.seed
    return tuple(_world(args, n, first + number, size_hw) for number, n in enumerate(counts))


def _test_world(args: argparse.Namespace, size_hw: tuple[int, int]) -> Any:
    """Pictures that never enter the loop; None where none are asked for."""
    return _world(args, args.test, 900 + 1000 * args.seed, size_hw) if args.test else None


def _world(args: argparse.Namespace, n: int, seed: int, size_hw: tuple[int, int]) -> Any:
    from samnb.engine.concepts.world import make_world
    from samnb.synthetic.household import DOMAINS

    return make_world(
        args.project.with_name(f"{args.project.stem}-pictures"), n, seed=seed,
        n_positives=args.positives, n_negatives=args.negatives, difficulty=args.difficulty,
        size_hw=size_hw, split="test", domain=DOMAINS[args.domain],
    )  # fmt: skip


def _add_common(p: argparse.ArgumentParser) -> None:
    p.add_argument("--project", type=Path, required=True, help="project file, made when missing")
    p.add_argument("--truth", type=Path, help="DAVIS- or SA-V-layout folder; else made-up clips")
    p.add_argument("--clips", type=int, default=20, help="clips to make (default: %(default)s)")
    p.add_argument("--objects", type=int, default=2, help="objects a clip (default: %(default)s)")
    p.add_argument("--frames", type=int, default=24, help="frames a clip (default: %(default)s)")
    p.add_argument("--size", default="240x320", help="HEIGHTxWIDTH (default: %(default)s)")
    p.add_argument("--difficulty", type=float, default=0.5, help="0 to 1 (default: %(default)s)")
    p.add_argument("--fps", type=float, default=6.0, help="annotation rate (default: %(default)s)")
    p.add_argument("--model", help="default: what the project promoted last, else mobile")
    p.add_argument("--seed", type=int, default=0, help="of clips and chance (default: %(default)s)")
    p.add_argument("--figure", type=Path, help="write the figure to this file (PNG, SVG, PDF)")
    p.add_argument("--json", action="store_true", help="print one JSON object")


def _masklet(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from samnb.engine.experiment import run_experiment
    from samnb.engine.simulation import CAREFUL
    from samnb.engine.workers import Strictness

    given = {
        "satisfied_iou": args.satisfied,
        "pause_iou": args.pause,
        "max_clicks": args.max_clicks,
        "click_jitter_px": args.jitter,
        "missed_error_rate": args.missed,
        "fatigue": args.fatigue,
    }
    phases = [int(p) for p in _words(args.phases, "phases")]
    result = run_experiment(
        args.project,
        _truth(args),
        tracker=args.model,
        phases=phases,
        habits=replace(CAREFUL, **{k: v for k, v in given.items() if v is not None}),
        strictness=Strictness() if args.verify else None,
        seed=args.seed,
        annotation_fps=args.fps,
        on_progress=_show,
    )
    if args.figure:
        from samnb.engine.figures import plot_phases

        plot_phases(result.table).savefig(args.figure, dpi=120)
    sys.stdout.write((json.dumps(result.to_dict()) if args.json else str(result)) + "\n")
    return 0


def _curves(args: argparse.Namespace) -> int:
    from samnb.engine import curves

    points = curves.run_curves(
        args.project,
        _truth(args),
        tracker=args.model,
        arms=_words(args.arms, "arms"),
        modes=_words(args.modes, "modes"),  # type: ignore[arg-type]  # checked there
        n_prompted=args.prompted,
        seed=args.seed,
        annotation_fps=args.fps,
        on_progress=_show,
    )
    table = curves.summarise(points, args.prompted)
    others = [a for a in _words(args.arms, "arms") if a != "refine"]
    equal = {a: curves.interactions_at_equal_jf(table, a) for a in others}
    if args.figure:
        from samnb.engine.figures import plot_curves

        plot_curves(table).savefig(args.figure, dpi=120)
    if args.json:
        data = {"curves": table, **{f"equal_jf_{arm}": t for arm, t in equal.items()}}
        plain = {k: json.loads(t.to_json(orient="records")) for k, t in data.items()}
        sys.stdout.write(json.dumps(plain) + "\n")
        return 0
    sys.stdout.write(f"{table.to_string(index=False)}\n")
    for arm, ratios in equal.items():
        sys.stdout.write(f"\nclicks for the J&F of {arm!r}\n{ratios.to_string(index=False)}\n")
    sys.stdout.write(f"\nthe SAM 2 paper finds a ratio above {curves.PAPER_RATIO:g}\n")
    return 0


def _truth(args: argparse.Namespace) -> GroundTruth:
    from samnb.engine.groundtruth import make_truth, read_truth

    if args.truth:
        return read_truth(args.truth)
    size_hw = read_size(args.size)
    folder = args.project.with_name(f"{args.project.stem}-clips")
    return make_truth(
        folder,
        args.clips,
        seed=args.seed,
        n_objects=args.objects,
        n_frames=args.frames,
        size_hw=size_hw,
        difficulty=args.difficulty,
    )


def _words(text: str, name: str) -> list[str]:
    words = [w.strip() for w in text.split(",") if w.strip()]
    if not words or (name == "phases" and not all(w.isdecimal() for w in words)):
        raise InputError(f"{name}: expected a list such as 1,2,3 or offline,online, got {text!r}")
    return words


def _show(done: int, total: int, what: str) -> None:
    sys.stderr.write(f"{done}/{total} {what}\n")
    sys.stderr.flush()
