"""Every check in one command: ``python -m tests [pytest arguments]``.

Gets a Chromium when none is there (Debian's package when root, else Playwright's
own), then runs the formatter, the linter, the type checker and all tests. Stops at
the first failure with its exit status.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run(*command: str) -> None:
    sys.stderr.write(f"$ {' '.join(command)}\n")
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    if status:
        sys.exit(status)


def get_browser() -> None:
    from tests.chromium import find_chromium

    if find_chromium() is not None:
        return
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        run("apt-get", "update", "-qq")
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium")
    else:
        run(sys.executable, "-m", "playwright", "install", "chromium")


def main(arguments: list[str]) -> None:
    # Tiny models gain nothing from threads, and threads that spin while they wait slow
    # down everything beside them: browsers, kernels, second processes.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    get_browser()
    python = sys.executable
    run(python, "-m", "ruff", "format", "--check", "samnb", "tests")
    run(python, "-m", "ruff", "check", "samnb", "tests")
    run(python, "-m", "mypy")
    run(python, "-m", "pytest", *arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
