"""Rule 10 of the house: the public surface is a list, and every name on it is shown."""

import re
from pathlib import Path

import samnb

ROOT = Path(__file__).resolve().parent.parent


def test_all_is_what_dir_shows_and_every_name_is_there():
    assert sorted(samnb.__all__) == dir(samnb)
    for name in samnb.__all__:
        assert getattr(samnb, name) is not None


def test_every_public_name_is_shown_in_the_readme_or_a_notebook():
    shown = (ROOT / "README.md").read_text()
    shown += "".join(p.read_text() for p in sorted((ROOT / "notebooks").glob("*.ipynb")))
    for name in set(samnb.__all__) - {"__version__"}:
        assert re.search(rf"\b(samnb\.{name}\b|from samnb import [^\n]*\b{name}\b)", shown), name


def test_the_version_is_told_once():
    assert f'version = "{samnb.__version__}"' in (ROOT / "pyproject.toml").read_text()
