"""The ``samnb`` command: a thin shell over the package.

Exit status: 0 when it worked, 1 when samnb refused or failed (one line on stderr
says why), 2 when the command line was wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from samnb import __version__, launch
from samnb.types import InputError, SamnbError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    with launch.sigterm_as_interrupt():
        try:
            if words[:1] == ["train"]:  # has a parser of its own, behind heavy imports
                return _train(words[1:])
            args = build_parser().parse_args(words)
            return int(args.run(args) or 0)
        except SamnbError as error:
            sys.stderr.write(f"samnb: {error}\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write("samnb: interrupted\n")
            return 1


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="samnb", description="The two SAM data engines, run, seen and measured."
    )
    parser.add_argument("--version", action="version", version=f"samnb {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_studio(commands)
    _add_desk(commands)
    _add_dashboard(commands)
    _add_import(commands)
    _add_export(commands)
    _add_eval(commands)
    _add_stats(commands)
    _add_card(commands)
    _add_run(commands)
    commands.add_parser(
        "train",
        help="train the default models; see samnb train --help, samnb train concept --help and "
        "samnb train verifier --help",
    )
    return parser


def _add_studio(commands: Any) -> None:
    p = commands.add_parser("studio", help="open the studio in a browser")
    what = "images, videos, folders, or a project file"
    p.add_argument("media", nargs="*", type=Path, metavar="MEDIA", help=what)
    p.add_argument("--demo", action="store_true", help="make a demo clip and open it")
    p.add_argument("--project", type=Path, help="project file (default: studio.samnb)")
    p.add_argument("--worker", default="me", help="who works (default: %(default)s)")
    p.add_argument("--model", help="model (default: the project's promoted version, else mobile)")
    p.add_argument("--voila", action="store_true", help="as a Voila page instead of JupyterLab")
    p.add_argument("--port", type=int, help="port of the server (default: a free one)")
    p.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    p.set_defaults(run=_studio)


def _studio(args: argparse.Namespace) -> int:
    given = [path.expanduser().resolve() for path in args.media]
    projects = [path for path in given if path.suffix == ".samnb"]
    if len(projects) + bool(args.project) > 1:
        raise InputError(f"studio: expected one project, got {len(projects)} and --project")
    media = [path for path in given if path not in projects]
    folder = Path("samnb-demo") if args.demo else Path()
    named = args.project or next(iter(projects), None)
    project = named or folder / ("demo.samnb" if args.demo else "studio.samnb")
    project = project.expanduser().resolve()
    project.parent.mkdir(parents=True, exist_ok=True)
    if args.demo:
        media.append(_demo_clip(project.parent / "demo.mp4"))
    _check_media(media)
    notebook = project.with_suffix(".ipynb")
    launch.write_notebook(notebook, project, media, worker=args.worker, model=args.model)
    opener = launch.open_voila if args.voila else launch.open_lab
    page = opener(notebook, port=args.port, has_browser=not args.no_browser)
    return _serve(page, "The studio")


def _serve(page: Any, what: str) -> int:
    """Say where the page is and wait for its server."""
    sys.stdout.write(f"{what} is open at {page.url}\nStop it with Ctrl+C.\n")
    sys.stdout.flush()
    try:
        return int(page.process.wait())
    except KeyboardInterrupt:
        page.process.terminate()
        page.process.wait()
        return 0


def _add_desk(commands: Any) -> None:
    tasks = ["mv", "ev", "correct", "confirm"]
    p = commands.add_parser("desk", help="open a desk of the concept loop as a Voila page")
    p.add_argument("project", nargs="?", type=Path, metavar="PROJECT", help="project file")
    p.add_argument("--demo", action="store_true", help="make a demo project and open it")
    p.add_argument("--worker", default="me", help="who works (default: %(default)s)")
    p.add_argument("--task", choices=tasks, default="mv", help="which desk (default: %(default)s)")
    p.add_argument("--model", help="model for clicks (default: the project's, else mobile)")
    p.add_argument("--lab", action="store_true", help="in JupyterLab instead of a Voila page")
    p.add_argument("--port", type=int, help="port of the server (default: a free one)")
    p.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    p.set_defaults(run=_desk)


def _desk(args: argparse.Namespace) -> int:
    project = launch.project_of(
        args.project, "desk", "a project file", _demo_pairs if args.demo else None, "concepts"
    )
    notebook = launch.write_desk_notebook(
        launch.notebook_of(project, "desk", args.worker),
        project,
        worker=args.worker,
        task=args.task,
        model=args.model,
        is_demo=args.demo,
    )
    opener = launch.open_lab if args.lab else launch.open_voila
    page = opener(notebook, port=args.port, has_browser=not args.no_browser)
    return _serve(page, "The desk")


def _demo_pairs(project: Path) -> None:
    from samnb.engine.session import Session
    from samnb.widgets.concept_demo import make_demo

    project.parent.mkdir(parents=True, exist_ok=True)
    session = Session.open(project, worker="demo")
    make_demo(session, project.parent / "concept-media")
    session.close()


def _demo_pages(project: Path) -> None:
    from samnb.widgets.dashboards.opening import make_demo_project

    make_demo_project(project)


def _add_dashboard(commands: Any) -> None:
    names = ["annotate", "review", "statistics", "engine"]
    p = commands.add_parser(
        "dashboard",
        help="open a page of a project: annotate, review, statistics or engine",
    )
    p.add_argument("name", choices=names, metavar="NAME", help=", ".join(names))
    p.add_argument("--project", type=Path, help="project file")
    p.add_argument("--demo", action="store_true", help="make a demo project and open it")
    p.add_argument("--worker", default="me", help="who works (default: %(default)s)")
    p.add_argument("--model", help="model for clicks (default: the project's, else mobile)")
    p.add_argument("--dark", action="store_true", help="a dark page")
    p.add_argument("--lab", action="store_true", help="in JupyterLab instead of a Voila page")
    p.add_argument("--port", type=int, help="port of the server (default: a free one)")
    p.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    p.set_defaults(run=_dashboard)


def _dashboard(args: argparse.Namespace) -> int:
    project = launch.project_of(
        args.project, "dashboard", "--project", _demo_pages if args.demo else None, "dashboards"
    )
    notebook = launch.write_dashboard_notebook(
        launch.notebook_of(project, args.name, args.worker),
        project,
        args.name,
        worker=args.worker,
        model=args.model,
        is_demo=args.demo,
    )
    settings: dict[str, Any] = {"port": args.port, "has_browser": not args.no_browser}
    if args.lab:
        page = launch.open_lab(notebook, **settings)
    else:
        page = launch.open_voila(notebook, theme="dark" if args.dark else "light", **settings)
    return _serve(page, f"The {args.name} page")


def _demo_clip(path: Path) -> Path:
    if not path.exists():
        from samnb.synthetic import demo_clip

        sys.stdout.write(f"Making a demo clip at {path}\n")
        demo_clip(path)
    return path


def _check_media(media: Sequence[Path]) -> None:
    """Refuse bad files before a server is started."""
    from samnb.store.media import open_media

    for path in media:
        open_media(path).close()


def _add_import(commands: Any) -> None:
    p = commands.add_parser("import", help="take annotations into a project")
    p.add_argument("format", choices=["sav", "davis", "saco", "veval"])
    p.add_argument("files", nargs="+", type=Path, metavar="FILE", help="files or folders")
    p.add_argument("--project", type=Path, required=True, help="project file, made when missing")
    p.add_argument("--json", action="store_true", help="print the result as JSON")
    p.set_defaults(run=_import)


def _import(args: argparse.Namespace) -> int:
    from samnb.exports import commands as exports

    return _report(exports.import_files(args.format, args.files, args.project), args.json)


def _add_export(commands: Any) -> None:
    p = commands.add_parser("export", help="write a project's masklets or pairs to files")
    p.add_argument("format", choices=["sav", "sav-val", "davis", "saco", "veval"])
    p.add_argument("--project", type=Path, required=True, help="project file")
    p.add_argument("--out", type=Path, required=True, help="folder to write to")
    p.add_argument("--all", action="store_true", help="also masklets that are not accepted yet")
    p.add_argument("--overwrite", action="store_true", help="replace files that are there")
    p.add_argument("--json", action="store_true", help="print the result as JSON")
    p.set_defaults(run=_export)


def _export(args: argparse.Namespace) -> int:
    from samnb.exports import commands as exports

    result = exports.export_project(
        args.format,
        args.project,
        args.out,
        accepted_only=not args.all,
        overwrite=args.overwrite,
    )
    return _report(result, args.json)


def _add_eval(commands: Any) -> None:
    p = commands.add_parser("eval", help="score predictions against ground truth")
    tasks = p.add_subparsers(title="tasks", required=True, metavar="TASK")
    vos = tasks.add_parser("vos", help="J, F and J&F as the SA-V and DAVIS evaluators")
    vos.add_argument("gt", type=Path, metavar="GT_DIR", help="SA-V or DAVIS layout")
    vos.add_argument("pred", type=Path, metavar="PRED_DIR", help="same layout")
    vos.add_argument("--json", action="store_true", help="print one JSON object")
    vos.set_defaults(run=_eval_vos)
    saco = tasks.add_parser("saco", help="cgF1, pmF1 and IL_MCC as the SA-Co evaluator")
    saco.add_argument(
        "--gt", nargs="+", type=Path, required=True, help="annotations; several: oracle"
    )
    saco.add_argument("--pred", type=Path, required=True, help="COCO result list of masks")
    saco.add_argument("--json", action="store_true", help="print one JSON object")
    saco.set_defaults(run=_eval_saco)
    veval = tasks.add_parser("veval", help="video cgF1 and pHOTA as the VEval evaluator")
    veval.add_argument("--gt", type=Path, required=True, help="annotations")
    veval.add_argument("--pred", type=Path, required=True, help="YouTube-VIS result list")
    veval.add_argument("--json", action="store_true", help="print one JSON object")
    veval.set_defaults(run=_eval_veval)


def _eval_vos(args: argparse.Namespace) -> int:
    from samnb.metrics.vos import eval_vos

    return _report(eval_vos(args.gt, args.pred), args.json)


def _eval_saco(args: argparse.Namespace) -> int:
    from samnb.exports.concept_scores import eval_saco

    return _report(eval_saco(args.gt, args.pred), args.json)


def _eval_veval(args: argparse.Namespace) -> int:
    from samnb.exports.concept_scores import eval_veval

    return _report(eval_veval(args.gt, args.pred), args.json)


def _add_stats(commands: Any) -> None:
    p = commands.add_parser("stats", help="what masklets, pairs and workers cost, from the log")
    p.add_argument("--project", type=Path, required=True, help="project file")
    p.add_argument(
        "--concepts", type=Path, metavar="FILE", help="draw how the pairs' phrases spread over "
        "the tree of concepts (PNG, SVG, PDF)",
    )  # fmt: skip
    p.add_argument("--json", action="store_true", help="print the tables as JSON")
    p.set_defaults(run=_stats)


def _stats(args: argparse.Namespace) -> int:
    from samnb.engine import stats
    from samnb.engine.concepts import report
    from samnb.store.db import Log
    from samnb.types import LogError

    if not args.project.exists():
        raise LogError(f"{args.project}: no such project file")
    log = Log(args.project)
    events = log.read()
    tables = {"masklets": stats.masklets(events), "workers": stats.workers(events)}
    tables |= report.tables(events)
    if args.concepts:
        from samnb.engine.phrase_figures import plot_distribution

        plot_distribution(report.concepts(events)).savefig(args.concepts, dpi=120)
    phases = stats.phases(log)
    log.close()
    if args.json:
        data = {name: json.loads(t.to_json(orient="records")) for name, t in tables.items()}
        data |= {"definitions": stats.definitions(), "phases": phases.to_dict()}
        sys.stdout.write(json.dumps(data) + "\n")
        return 0
    for name, table in tables.items():
        sys.stdout.write(f"{name}\n{table.to_string(index=False)}\n\n")
    for word, meaning in stats.definitions().items():
        sys.stdout.write(f"{word}: {meaning}\n")
    if phases.rows:
        sys.stdout.write(f"\nphases\n{phases}\n")
    return 0


def _add_card(commands: Any) -> None:
    p = commands.add_parser("card", help="a dataset card and a methods text, from the log")
    p.add_argument("--project", type=Path, required=True, help="project file")
    p.add_argument("--out", type=Path, help="folder for README.md, methods.md and card.json")
    p.add_argument("--names", action="store_true", help="name people instead of numbering them")
    p.add_argument("--licence", help="of the data, as hubs name it, such as cc-by-4.0")
    p.add_argument("--check-files", action="store_true", help="say which media are not there")
    p.add_argument("--overwrite", action="store_true", help="replace files that are there")
    p.add_argument("--json", action="store_true", help="print the facts as one JSON object")
    p.set_defaults(run=_card)


def _card(args: argparse.Namespace) -> int:
    from samnb.engine.cards.card import card_of_file

    card = card_of_file(
        args.project,
        is_pseudonymous=not args.names,
        licence=args.licence,
        has_file_check=args.check_files,
    )
    if args.out is not None:
        files = card.write(args.out, overwrite=args.overwrite)
        sys.stderr.write("".join(f"wrote {file}\n" for file in files))
    if args.json or args.out is None:
        return _report(card, args.json)
    return 0


def _add_run(commands: Any) -> None:
    from samnb.runs import add_run_commands

    add_run_commands(commands)


def _train(words: Sequence[str]) -> int:
    if words[:1] == ["concept"]:
        from samnb.models.concept_training.cli import main as train_concept

        return train_concept(words[1:])
    if words[:1] == ["verifier"]:
        from samnb.models.verifier_foundation.cli import main as train_verifier

        return train_verifier(words[1:])
    from samnb.models.training.cli import main as train

    return int(train(words) or 0)


def _report(result: Any, as_json: bool) -> int:
    """Print a result record: ``to_dict()`` as JSON, else ``str()``."""
    text = json.dumps(result.to_dict()) if as_json else str(result)
    sys.stdout.write(text + "\n")
    return 0
