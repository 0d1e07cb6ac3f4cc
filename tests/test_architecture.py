"""Rule 1 of the house: arrows point down."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "samnb"
ROOMS = [
    "types", "events", "masks", "metrics", "store", "synthetic", "models", "language",
    "engine", "exports", "comparison", "widgets", "launch", "runs", "cli",
]  # fmt: skip
MODULES = sorted(p for p in ROOT.rglob("*.py") if p.name not in ("__init__.py", "__main__.py"))
NAMES = [str(p.relative_to(ROOT)) for p in MODULES]


def room_of(dotted: str) -> str:
    return dotted.split(".")[1]


def imports_of(path: Path, *, with_local: bool = True):
    """Yield the dotted names a module imports; type-checking blocks do not count."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    nodes = ast.walk(tree) if with_local else iter(tree.body)
    for node in nodes:
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_a_module_imports_only_from_its_own_room_and_those_above(path):
    here = path.relative_to(ROOT).parts[0].removesuffix(".py")
    allowed = set(ROOMS[: ROOMS.index(here) + 1])
    names = {n for n in imports_of(path) if n.startswith("samnb.")} - {"samnb.__version__"}
    found = {room_of(n) for n in names}
    assert found <= allowed, f"{path.name} imports from {sorted(found - allowed)}"


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_no_module_is_over_400_lines(path):
    assert len(path.read_text().splitlines()) <= 400


def test_every_room_is_known():
    found = {p.name.removesuffix(".py") for p in ROOT.iterdir() if not p.name.startswith("_")}
    assert found - {"py.typed"} <= set(ROOMS)


@pytest.mark.parametrize(
    ("statement", "banned"),
    [
        ("import samnb", ["torch", "ipywidgets", "pandas", "numpy"]),
        ("import samnb.engine.session, samnb.engine.stats", ["torch", "ipywidgets", "ipycanvas"]),
        ("import samnb.engine.auto, samnb.engine.retrain, samnb.engine.lineage", ["torch", "sam2"]),
        ("import samnb.models, samnb.models.base", ["torch"]),
        (
            "import samnb.language.chunks, samnb.language.stages, samnb.language.ontologyfile",
            ["torch", "spacy", "pandas"],
        ),
        ("import samnb.cli", ["torch", "ipywidgets", "pandas"]),
        ("import samnb.types", ["numpy"]),
    ],
)
def test_what_an_import_does_not_load(statement, banned):
    code = f"import sys; {statement}; print([m for m in {banned!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
