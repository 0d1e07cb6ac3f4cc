"""Opening the studio from a shell, in JupyterLab or as a Voila page.

Both show the same notebook, which is written beside the project and belongs to the
user: running it again later restores everything, since the project file is the state.
JupyterLab does not run notebooks by itself; so its kernel is started and the cells
are run before the page opens, and the page finds the live studio.
"""

from __future__ import annotations

import json
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from samnb.types import InputError, SamnbError

_STARTUP_S: Final = 120.0
"""How long a server may take to answer for the first time."""
_ORPHAN_S: Final = 600.0
"""How long a Voila kernel outlives its page."""


class LaunchError(SamnbError):
    """A server did not start or the studio's cells failed."""


@dataclass(frozen=True, slots=True)
class Page:
    """A running studio: where it is, and the server process behind it."""

    url: str
    process: subprocess.Popen[bytes]


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Take a SIGTERM for Ctrl+C: whoever ends the command ends the server that it started."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def project_of(
    named: Path | None,
    command: str,
    wanted: str,
    make_demo: Callable[[Path], object] | None,
    demo: str,
) -> Path:
    """Find the project that a page opens, made first for a demo.

    Args:
        named: the project file asked for.
        command: says it in errors.
        wanted: what the command expects, in words.
        make_demo: makes a demo project; None where none was asked for.
        demo: stem of the demo project's own name.

    Raises:
        InputError: neither a project nor a demo was asked for, or there is no such file.
    """
    if named is None and make_demo is None:
        raise InputError(f"{command}: expected {wanted}, or --demo, got neither")
    project = (named or Path("samnb-demo") / f"{demo}.samnb").expanduser().resolve()
    if make_demo is not None:
        sys.stdout.write(f"Making a demo project at {project}\n")
        make_demo(project)
    elif not project.is_file():
        raise InputError(f"{command}: expected a project file, got {project}; --demo makes one")
    return project


def notebook_of(project: Path, page: str, worker: str) -> Path:
    """Where a worker's notebook of a page lies: beside the project."""
    who = "".join(c if c.isalnum() else "-" for c in worker)
    return project.with_name(f"{project.stem}-{page}-{who}.ipynb")


def write_notebook(
    path: Path, project: Path, media: Sequence[Path], *, worker: str, model: str | None = None
) -> Path:
    """Write the notebook that opens the studio; cells a user added are kept.

    Args:
        path: where to write it.
        project: the project file.
        media: files to add to the project.
        worker: who works.
        model: name of the model; None for the project's own choice.
    """
    tracker = "" if model is None else f", tracker={model!r}"
    lines = [
        "from samnb import Session, Studio",
        "",
        f"session = Session.open({project.name!r}, worker={worker!r}{tracker})",
        *(f"session.add_media({_near(m, path.parent)!r})" for m in media),
        "studio = Studio(session)",
        "studio",
    ]
    return _write(path, project, "studio", lines)


def write_desk_notebook(
    path: Path,
    project: Path,
    *,
    worker: str,
    task: str,
    model: str | None,
    is_demo: bool = False,
) -> Path:
    """Write the notebook that opens a desk of the concept loop; cells a user added are kept.

    Args:
        path: where to write it.
        project: the project file.
        worker: who works; every reviewer has a notebook of his or her own.
        task: "mv", "ev", "correct" or "confirm".
        model: name of the model that clicks are given to; None for the project's own choice.
        is_demo: the page says where the demo's masks come from.
    """
    tracker = "" if model is None else f", tracker={model!r}"
    lines = [
        "from samnb import Session",
        *(["from samnb.widgets.concept_demo import NOTE"] if is_demo else []),
        "from samnb.widgets.concept_desk import ConceptDesk",
        "",
        f"session = Session.open({project.name!r}, worker={worker!r}{tracker})",
        f"desk = ConceptDesk(session, {task!r}{', note=NOTE' if is_demo else ''})",
        "desk",
    ]
    return _write(path, project, "desk", lines)


def write_dashboard_notebook(
    path: Path,
    project: Path,
    name: str,
    *,
    worker: str,
    model: str | None = None,
    is_demo: bool = False,
) -> Path:
    """Write the notebook that opens a dashboard; cells a user added are kept.

    Args:
        path: where to write it.
        project: the project file.
        name: "annotate", "review", "statistics" or "engine".
        worker: who works.
        model: name of the model for clicks and propagation; None for the project's own.
        is_demo: the page says where the demo's data come from.
    """
    tracker = "" if model is None else f", model={model!r}"
    demo = ", is_demo=True" if is_demo else ""
    lines = [
        "from samnb.widgets.dashboards.opening import open_dashboard",
        "",
        f"open_dashboard({name!r}, {project.name!r}, worker={worker!r}{tracker}{demo})",
    ]
    return _write(path, project, "dashboard", lines)


def _write(path: Path, project: Path, name: str, lines: Sequence[str]) -> Path:
    """Write a notebook whose cell ``name`` holds these lines; other cells stay."""
    from nbformat import NotebookNode, read, v4, write

    cell: NotebookNode = v4.new_code_cell("\n".join(lines), id=name)
    # A dashboard has a heading of its own; a Voila page shows no cell to run.
    heading = "" if name == "dashboard" else f"# {project.stem}\n\n"
    title = v4.new_markdown_cell(
        f"{heading}Everything you do here is saved in `{project.name}` as you do it. Opening the "
        "page again, or running the cell again, brings it back.",
        id="title",
    )
    if path.exists():
        notebook = read(path, as_version=4)
        kept = [c for c in notebook.cells if c.get("id") not in (name, "title")]
    else:
        notebook, kept = v4.new_notebook(), []
    notebook.cells = [title, cell, *kept]
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    write(notebook, path)
    return path


def _near(media: Path, folder: Path) -> str:
    """Name a file relative to the notebook when it lies beside or below it."""
    full = media.resolve()
    is_below = full.is_relative_to(folder.resolve())
    return str(full.relative_to(folder.resolve())) if is_below else str(full)


def open_voila(
    notebook: Path, *, port: int | None = None, has_browser: bool = True, theme: str = "light"
) -> Page:
    """Serve the notebook as a Voila page.

    Args:
        notebook: what to serve.
        port: of the server; None for a free one.
        has_browser: open it in a browser.
        theme: "light" or "dark".

    Raises:
        LaunchError: the server did not start, or the port is taken.
    """
    port = _port_for(port)
    command = [
        sys.executable, "-m", "voila", notebook.name, f"--port={port}", "--no-browser",
        "--Voila.ip=127.0.0.1", "--Voila.port_retries=0", f"--theme={theme}",
        # A closed page does not end its kernel (the server refuses the page's farewell for
        # want of a token); so kernels without a page end by themselves.
        f"--MappingKernelManager.cull_idle_timeout={_ORPHAN_S:g}",
        "--MappingKernelManager.cull_interval=60",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=notebook.parent)
    page = Page(f"http://127.0.0.1:{port}/", process)
    try:
        _wait_for(page, f"http://127.0.0.1:{port}/voila/static/style.css")
    except BaseException:
        process.terminate()
        raise
    if has_browser:
        webbrowser.open(page.url)
    return page


def open_lab(notebook: Path, *, port: int | None = None, has_browser: bool = True) -> Page:
    """Serve the notebook in JupyterLab with its cells already run.

    Raises:
        LaunchError: the server did not start, the port is taken, or a cell failed.
    """
    port, token = _port_for(port), secrets.token_hex(16)
    command = [
        sys.executable, "-m", "jupyterlab", f"--ServerApp.port={port}", "--no-browser",
        "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={notebook.parent.resolve()}", "--ServerApp.ip=127.0.0.1",
        "--LabApp.news_url=",
    ]  # fmt: skip
    if _is_root():
        command.append("--allow-root")
    process = subprocess.Popen(command, cwd=notebook.parent)
    base = f"http://127.0.0.1:{port}"
    page = Page(f"{base}/lab/tree/{notebook.name}?token={token}", process)
    try:
        _wait_for(page, f"{base}/api/status?token={token}")
        _run_cells(notebook, base, token)
    except BaseException:
        process.terminate()
        raise
    if has_browser:
        webbrowser.open(page.url)
    return page


def _is_root() -> bool:
    import os

    return hasattr(os, "geteuid") and os.geteuid() == 0


def _port_for(wanted: int | None) -> int:
    """A free port, or the one asked for.

    Raises:
        LaunchError: it is taken. Another server that answers there would be taken for ours.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted or 0))
        except (OSError, OverflowError) as error:
            remedy = "give another one with --port, or leave it out for a free one"
            raise LaunchError(f"port {wanted} cannot be served on: {error}; {remedy}") from error
        return int(probe.getsockname()[1])


def _wait_for(page: Page, url: str) -> None:
    deadline = time.monotonic() + _STARTUP_S
    while time.monotonic() < deadline:
        if page.process.poll() is not None:
            raise LaunchError(f"the server stopped with status {page.process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return  # it answers, if only with a refusal
        except OSError:
            time.sleep(0.2)
    page.process.terminate()
    raise LaunchError(f"the server did not answer within {_STARTUP_S:g} s")


def _run_cells(notebook: Path, base: str, token: str) -> None:
    """Start the notebook's kernel through the server and run its cells in it."""
    from jupyter_client.blocking.client import BlockingKernelClient
    from jupyter_core.paths import jupyter_runtime_dir
    from nbformat import read, write
    from nbformat.sign import NotebookNotary

    session = _post(
        f"{base}/api/sessions",
        token,
        {
            "path": notebook.name,
            "name": notebook.name,
            "type": "notebook",
            "kernel": {"name": "python3"},
        },
    )
    connection = Path(jupyter_runtime_dir()) / f"kernel-{session['kernel']['id']}.json"
    client = BlockingKernelClient(connection_file=str(connection))
    client.load_connection_file()
    client.start_channels()
    document = read(notebook, as_version=4)
    try:
        _wait_for_kernel(client)
        for cell in document.cells:
            if cell.cell_type == "code":
                _run_cell(client, cell)
    finally:
        client.stop_channels()
    write(document, notebook)
    # JupyterLab shows no widget of a notebook that it does not trust; this one we ran ourselves.
    NotebookNotary().sign(read(notebook, as_version=4))


def _wait_for_kernel(client: Any) -> None:
    """Wait until the kernel answers; a busy machine makes its heartbeat look dead at first."""
    deadline = time.monotonic() + _STARTUP_S
    while True:
        try:
            client.wait_for_ready(timeout=max(deadline - time.monotonic(), 1.0))
            return
        except RuntimeError as error:
            if time.monotonic() > deadline:
                raise LaunchError(f"the notebook's kernel did not start: {error}") from error
            time.sleep(0.5)


def _run_cell(client: Any, cell: Any) -> None:
    from nbformat import v4

    cell.outputs = []

    def collect(message: dict[str, Any]) -> None:
        if message["msg_type"] in ("display_data", "execute_result", "stream", "error"):
            cell.outputs.append(v4.output_from_msg(message))

    reply = client.execute_interactive(
        cell.source, output_hook=collect, allow_stdin=False, timeout=_STARTUP_S
    )
    content = reply["content"]
    if content["status"] != "ok":
        raise LaunchError(f"{content.get('ename', 'error')}: {content.get('evalue', '')}")
    cell.execution_count = content["execution_count"]


def _post(url: str, token: str, data: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        url,
        data=json.dumps(data).encode(),
        headers={"Authorization": f"token {token}", "Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return dict(json.load(answer))
