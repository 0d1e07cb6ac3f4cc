"""``samnb run compare``: both engines from a shell."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from samnb.types import InputError


def add_compare_command(tasks: Any) -> None:
    """Add ``compare`` to the tasks of ``samnb run``."""
    p = tasks.add_parser(
        "compare",
        help="run SAM 2's engine and SAM 3's on the same media for the same people's minutes and "
        "print what their logs say beside the papers; or, with --logs, read two projects",
    )
    p.add_argument("--project", type=Path, help="folder for the projects, or a .samnb file "
                   "beside which they go; what is there is gone on with")  # fmt: skip
    p.add_argument("--logs", type=Path, nargs=2, metavar="PROJECT", help="compare two projects")
    p.add_argument("--minutes", type=float, default=60.0, help="people's minutes for each engine "
                   "and seed (default: %(default)s)")  # fmt: skip
    p.add_argument("--seeds", default="0,1,2", help="one run each (default: %(default)s)")
    p.add_argument("--truth", type=Path, help="DAVIS- or SA-V-layout folder of frame folders with "
                   "phrases.json; else made-up clips")  # fmt: skip
    p.add_argument("--phrases", type=Path, help="{video: {phrase: [object, ...]}} for --truth "
                   "(default: phrases.json in it)")  # fmt: skip
    p.add_argument("--clips", type=int, default=30, help="made up at most (default: %(default)s)")
    p.add_argument("--frames", type=int, default=6, help="of a made-up clip; 1 for still pictures "
                   "(default: %(default)s)")  # fmt: skip
    p.add_argument("--sampled", type=int, help="frames per clip that phrases are asked of "
                   "(default: 1, of real clips 2)")  # fmt: skip
    p.add_argument("--positives", type=int, help="phrases per such frame that name something "
                   "(default: 2, of real clips all)")  # fmt: skip
    p.add_argument("--negatives", type=int, help="phrases that name nothing (default: 6, or all)")
    p.add_argument("--warmup", type=int, default=16, help="further made-up pictures on which "
                   "AI verifiers earn their leave beforehand (default: %(default)s)")  # fmt: skip
    p.add_argument("--leave-above", type=float, help="confidence from which AI verifiers decide "
                   "without having earned it, in place of the warm-up")  # fmt: skip
    p.add_argument("--difficulty", type=float, default=0.4, help="0 to 1 (default: %(default)s)")
    p.add_argument("--size", default="160x208", help="HEIGHTxWIDTH (default: %(default)s)")
    p.add_argument("--tracker", default="mobile", help="of masklets (default: %(default)s)")
    p.add_argument("--segmenter", default="concept", help="of phrases (default: %(default)s)")
    p.add_argument("--phase", type=int, default=3, choices=(1, 2, 3), help="of SAM 2's engine "
                   "(default: %(default)s)")  # fmt: skip
    p.add_argument("--figure", type=Path, help="write the figure to this file (PNG, SVG, PDF)")
    p.add_argument("--markdown", type=Path, help="write the tables to this file")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=_compare)


def _compare(args: argparse.Namespace) -> int:
    from samnb.comparison import Media, Terms, compare

    if (args.project is None) == (args.logs is None):
        raise InputError("--project, --logs: expected one of the two")
    if args.logs is not None:
        result = compare(*args.logs)
    else:
        media = Media(
            args.truth, args.phrases, args.clips, args.frames, args.sampled, args.positives,
            args.negatives, read_size(args.size), args.difficulty, args.warmup,
        )  # fmt: skip
        result = compare(
            args.project, minutes=args.minutes, seeds=_seeds(args.seeds), media=media,
            tracker=args.tracker, segmenter=args.segmenter,
            terms=Terms(phase=args.phase, leave_above=args.leave_above), on_progress=_show,
        )  # fmt: skip
    if args.figure:
        result.figure().savefig(args.figure, dpi=120)
    if args.markdown:
        args.markdown.write_text(result.to_markdown())
    sys.stdout.write((json.dumps(result.to_dict()) if args.json else str(result)) + "\n")
    return 0


def _seeds(text: str) -> list[int]:
    words = [w.strip() for w in text.split(",") if w.strip()]
    if not words or not all(w.isdecimal() for w in words):
        raise InputError(f"seeds: expected a list such as 0,1,2, got {text!r}")
    return [int(w) for w in words]


def read_size(text: str) -> tuple[int, int]:
    """Read ``HEIGHTxWIDTH``, in pixels.

    Raises:
        InputError: something else.
    """
    size = text.lower().split("x")
    if len(size) != 2 or not all(n.isdecimal() for n in size):
        raise InputError(f"size: expected HEIGHTxWIDTH, got {text!r}")
    return int(size[0]), int(size[1])


def _show(run: str, spent: float, allowed: float, what: str) -> None:
    sys.stderr.write(f"{run}: {spent:.3g}/{allowed:g} {what}\n")
    sys.stderr.flush()
