from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from samnb.models.threads import THREADS_ENV, set_threads, usable_cpus
from samnb.types import InputError


@pytest.fixture(autouse=True)
def restore():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_number_is_taken():
    assert set_threads(2) == 2
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(("wish", "n"), [("3", 3), ("", None), ("0", None), ("4,2", None)])
def test_without_one_the_environment_decides_and_else_the_processors(monkeypatch, wish, n):
    monkeypatch.setenv(THREADS_ENV, wish)
    assert set_threads() == (n or usable_cpus()) == torch.get_num_threads()


@pytest.mark.parametrize("n", [0, -1, True, 1.5])
def test_anything_else_is_refused(n):
    with pytest.raises(InputError, match="expected a whole number of threads, at least 1, got"):
        set_threads(n)


def test_importing_the_models_changes_no_thread_count():
    code = (
        "import torch; torch.set_num_threads(3); import samnb.models.sam2; "
        "print(torch.get_num_threads())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "3"
