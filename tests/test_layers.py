"""The way of the data is visible in the imports: they run downwards, and stay light at the top."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mmfeat
from mmfeat.core import INNER, LAYERS, NEVER

PACKAGE = Path(mmfeat.__file__).parent


def modules() -> dict[str, ast.Module]:
    """Every module of the package by its dotted name below `mmfeat`; `__init__` is its folder."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text())
    del found[""]
    return found


@cache
def graph() -> dict[str, set[str]]:
    """Module -> the modules of the package that it imports, wherever in the file."""
    parsed = modules()
    edges: dict[str, set[str]] = {name: set() for name in parsed}
    for name, tree in parsed.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                wanted = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
            elif isinstance(node, ast.Import):
                wanted = [alias.name for alias in node.names]
            else:
                continue
            below = [n.removeprefix("mmfeat.") for n in wanted if n.startswith("mmfeat.")]
            inside = [dotted for dotted in below if dotted in parsed]
            edges[name].update(inside[:-1] or inside)
        edges[name].discard(name)
    return edges


def room_of(module: str) -> str:
    return module.partition(".")[0]


def within(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


def test_every_room_has_a_layer() -> None:
    rooms = {room_of(module) for module in graph()}
    assert sorted(rooms) == sorted(room for layer in LAYERS for room in layer)


def test_imports_run_downwards() -> None:
    rank = {room: level for level, layer in enumerate(LAYERS) for room in layer}
    wrong = [
        f"{module} imports {other}"
        for module, others in graph().items()
        for other in others
        if room_of(module) != room_of(other) and rank[room_of(other)] >= rank[room_of(module)]
    ]
    assert wrong == []


@pytest.mark.parametrize("room", INNER)
def test_imports_run_downwards_inside_a_room(room: str) -> None:
    rank = {f"{room}.{part}": level for level, layer in enumerate(INNER[room]) for part in layer}

    def rank_of(module: str) -> int:
        return next((rank[part] for part in rank if within(module, part)), len(INNER[room]))

    wrong = [
        f"{module} imports {other}"
        for module, others in graph().items()
        for other in others
        if within(module, room) and within(other, room) and rank_of(other) > rank_of(module)
    ]
    assert wrong == []


@pytest.mark.parametrize("room", NEVER)
def test_a_room_leaves_others_alone(room: str) -> None:
    used = {other for module, others in graph().items() if within(module, room) for other in others}
    assert [other for other in used for never in NEVER[room] if within(other, never)] == []


def test_no_module_imports_itself_through_others() -> None:
    list(TopologicalSorter(graph()).static_order())  # raises CycleError


def test_heads_know_no_files_of_hdf5() -> None:
    for path in (PACKAGE / "fit" / "heads").rglob("*.py"):
        assert "h5py" not in path.read_text(), path


# What several commands use; everything else in cli/ is a command.
SHARED = {
    "mmfeat_cli.answer",
    "mmfeat_cli.options",
    "mmfeat_cli.flags",
    "mmfeat_cli.messages",
    "mmfeat_cli.parameters",
    "mmfeat_cli.tables",
    "mmfeat_cli.terminal",
    "mmfeat_cli.help.completion",
    "mmfeat_cli.help.meant",
    "mmfeat_cli.help.registries",
    "mmfeat_cli.extract.progress",
    "mmfeat_cli.compare.board",
}


def test_commands_never_import_each_other() -> None:
    folder = PACKAGE.parent / "cli"
    for path in folder.rglob("*.py"):
        if path.stem in ("main", "__main__"):
            continue
        modules = {
            node.module
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mmfeat_cli")
        }
        assert modules <= SHARED, path


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
    "statement",
    ["from mmfeat import FeatureStore", "import mmfeat.fit.run_fit, mmfeat.fit.heads.lightgbm"],
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


def test_tests_share_through_support_and_benchmarks_leave_tests_alone() -> None:
    root = PACKAGE.parent
    wrong = []
    for folder, forbidden in (("tests", ("tests.conftest", ".test_")), ("benchmarks", ("tests",))):
        for path in (root / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
                if module.startswith("tests") and any(part in module for part in forbidden):
                    wrong.append(f"{path.relative_to(root)} imports {module}")
    assert wrong == []
