"""The README's claims about commands and code, run."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from samnb import cli
from samnb.synthetic import demo_clip

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
BASH = [line for block in re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL) for line in
        block.strip().splitlines()]  # fmt: skip


def test_ci_runs_the_readme_s_own_test_command():
    commands = [line for line in BASH if "-m tests" in line]
    assert len(commands) == 1
    assert commands[0] in (ROOT / ".ci" / "run").read_text().splitlines()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "dog.mp4"
    demo_clip(path)
    return path


@pytest.mark.parametrize("code", PYTHON, ids=[f"block{n}" for n in range(len(PYTHON))])
def test_a_python_block_runs(code, clip, tmp_path):
    shutil.copy(clip, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", [line for line in BASH if line.startswith("samnb ")])
def test_a_command_is_one_that_exists(line):
    args = cli.build_parser().parse_args(shlex.split(line, comments=True)[1:])
    assert callable(args.run)


def test_the_papers_are_cited_as_on_a_card():
    from samnb.engine.cards.citations import SAM2_BIBTEX, SAM3_BIBTEX

    assert SAM2_BIBTEX in TEXT and SAM3_BIBTEX in TEXT


def test_citation_cff_has_this_version_and_the_authors_of_the_papers():
    import yaml

    from samnb import __version__
    from samnb.engine.cards.citations import SAM2_BIBTEX, SAM3_BIBTEX

    data = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert data["version"] == __version__ and data["license"] == "Apache-2.0"
    for paper, bibtex in zip(data["references"], (SAM2_BIBTEX, SAM3_BIBTEX), strict=True):
        cited = re.search(r"author  = \{(.*?)\},\n  journal", bibtex, re.DOTALL)[1]
        names = " ".join(cited.replace('{\\"a}', "ä").replace("{\\'a}", "á").split())
        listed = [f"{a['family-names']}, {a['given-names']}" for a in paper["authors"]]
        assert " and ".join(listed) == names


def test_every_file_that_is_linked_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert "://" in target or (ROOT / target).exists(), target
