"""The way of the data is visible in the imports: they run downwards, and stay light at the top."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mmfeat

PACKAGE = Path(mmfeat.__file__).parent
LAYERS = (
    {"errors", "types", "plugins", "files", "lock", "memory", "cluster", "classes"} | {"address"},
    {"config", "workspace", "tables", "store", "fusion", "losses", "folds", "metrics"}
    | {
        "calibration",
        "condense",
        "decode",
        "isotonic",
        "thresholds",
        "decision",
        "estimate",
        "runs",
    },
    {"encoders", "heads"},
    {
        "late",
        "load",
        "member",
        "model",
        "recipes",
        "resume",
        "ensemble",
        "paired",
        "study",
        "tracking",
    },
    {"extract", "importing", "tune", "leaderboard", "fit", "predict", "compare", "search"}
    | {"report", "submission", "demo"},
)
STAGE_ONE = {"tables", "store", "encoders", "extract", "importing"}
STAGE_TWO = {
    "heads",
    "late",
    "member",
    "model",
    "resume",
    "ensemble",
    "fit",
    "predict",
    "compare",
    "leaderboard",
    "load",
    "search",
    "study",
    "tracking",
    "tune",
    "runs",
    "fusion",
}


def imports_of(path: Path) -> set[str]:
    """The modules and subpackages of mmfeat that a file imports, by their top name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            parts = node.module.split(".")
            if parts[0] == "mmfeat":
                found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {
                alias.name.split(".")[1] for alias in node.names if alias.name.startswith("mmfeat.")
            }
    return found - {"__version__"}


def graph() -> dict[str, set[str]]:
    """Top-level module or subpackage -> those it imports."""
    edges: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if name != "__init__":
            edges.setdefault(name, set()).update(imports_of(path) - {name})
    return edges


def test_every_module_has_a_layer() -> None:
    assert set(graph()) == set().union(*LAYERS)


def test_imports_run_downwards_without_cycles() -> None:
    rank = {name: level for level, names in enumerate(LAYERS) for name in names}
    upward = [(a, b) for a, uses in graph().items() for b in uses if rank[b] > rank[a]]
    assert upward == []
    list(TopologicalSorter(graph()).static_order())  # raises CycleError


def test_stage_one_never_imports_stage_two() -> None:
    assert {a: uses & STAGE_TWO for a, uses in graph().items() if a in STAGE_ONE} == {
        name: set() for name in STAGE_ONE
    }


def test_commands_never_import_each_other() -> None:
    folder = PACKAGE.parent / "cli"
    for path in folder.glob("*.py"):
        if path.stem in ("main", "__main__"):
            continue
        modules = {
            node.module
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mmfeat_cli")
        }
        assert modules <= {"mmfeat_cli.common", "mmfeat_cli.progress", "mmfeat_cli.board"}, path


@pytest.mark.parametrize("statement", ["import mmfeat", "import mmfeat_cli.main"])
def test_the_top_is_light(statement: str) -> None:
    heavy = {"torch", "lightgbm", "sklearn", "pandas", "open_clip", "matplotlib"}
    heavy |= {"optuna", "mlflow", "wandb", "tensorboard", "ray"}
    code = f"import sys; {statement}; print(sorted({heavy} & set(sys.modules)))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "statement", ["from mmfeat import FeatureStore", "import mmfeat.fit, mmfeat.heads.lightgbm"]
)
def test_the_store_and_trees_need_no_torch(statement: str) -> None:
    code = f"import sys; {statement}; print('torch' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "False"


def test_the_library_never_prints() -> None:
    for path in PACKAGE.rglob("*.py"):
        calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        names = {c.func.id for c in calls if isinstance(c.func, ast.Name)}
        assert "print" not in names, path
