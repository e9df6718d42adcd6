"""No message names a flag, a command or a key that is not there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from typer.testing import Result

import mmfeat
import mmfeat_cli
from mmfeat_cli.flags import FLAG, for_command
from mmfeat_cli.main import COMMANDS
from tests.support.files import put
from tests.support.named import unknown_names
from tests.support.workspaces import Mmfeat

ERRORS = re.compile(r"[A-Z][A-Za-z]*Error$")
ROOTS = [Path(str(package.__file__)).parent for package in (mmfeat, mmfeat_cli)]


def messages(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of errors that a file raises, with their lines; what they fill in is ``{}``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if ERRORS.match(name) or name in ("fail", "note"):
            for argument in node.args:
                yield node.lineno, written(argument)


def written(node: ast.AST) -> str:
    """The constant part of an expression of texts."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr | ast.BinOp | ast.IfExp):
        apart = " " if isinstance(node, ast.IfExp) else ""
        return apart.join(written(child) for child in ast.iter_child_nodes(node))
    return "" if isinstance(node, ast.Add) else "{}"


@cache
def all_messages() -> tuple[tuple[str, str], ...]:
    """Where each message of both packages stands, and its text."""
    return tuple(
        (f"{path.name}:{line}", text)
        for root in ROOTS
        for path in sorted(root.rglob("*.py"))
        for line, text in messages(path)
    )


def test_what_errors_name_is_there() -> None:
    assert sum(len(FLAG.findall(text)) for _, text in all_messages()) > 60
    assert not [(at, name) for at, text in all_messages() for name in unknown_names(text, None)]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_message_names_what_the_command_has(command: str) -> None:
    told = [for_command(text, command) for _, text in all_messages()]
    assert [name for text in told for name in unknown_names(text, command)] == []


@pytest.mark.parametrize(
    ("text", "command", "told"),
    [
        ("use --label-sep '|'", "extract", "use --label-sep '|'"),
        ("use --label-sep '|'", "predict", "use label_sep = '|' in [data] of mmfeat.toml"),
        ("give another --workspace, or", "score", "give another workspace in mmfeat.toml, or"),
        ("use --set batch=256", "compare", "use `mmfeat fit --set batch=256`"),
        ("start `ray start --head` first", "runs", "start `ray start --head` first"),
        ("choose --label-sep or --format cells", "submit", "choose --label-sep or --format cells"),
        ("not --nothing", "runs", "not --nothing"),
        (
            "8 are allowed (--max-pixels)",
            "predict",
            "8 are allowed (max_pixels in [extract] of mmfeat.toml)",
        ),
    ],
)
def test_a_flag_becomes_what_the_command_has(text: str, command: str, told: str) -> None:
    assert for_command(text, command) == told


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("fit --heads ridge", "--heads; it is an option of `mmfeat compare`"),
        ("init --label-col x", "--label-col; it is label_col in [data] of mmfeat.toml"),
        ("compare --report x.html", "--report; it is a command: `mmfeat report`"),
        ("report --nothing", "--nothing"),
        ("compare --head knn", "--head; did you mean --heads?"),
        ("export --force", "--force; did you mean --overwrite?"),
        ("export --out a", "--out; did you mean --to?"),
        ("predict --output a.csv", "--output; did you mean --out?"),
        ("predict --model a", "--model; it is given without a flag, as RUN"),
        ("predict --no-scores", "--no-scores; did you mean --top 0?"),
        ("predict --sep ,", "--sep; it is label_sep in [data] of mmfeat.toml"),
        ("predict --input .", "--input; did you mean --images?"),
        ("predict --input none.csv", "--input; did you mean --table?"),
        ("report --html", "--html; leave it out: the report is a page of HTML without it"),
    ],
)
def test_an_option_of_another_name_or_command_is_pointed_to(
    line: str, hint: str, mmfeat: Mmfeat
) -> None:
    assert f"No such option: {hint} " in said(mmfeat(*line.split()))


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("compare logreg knn", "they are given with --heads logreg,knn"),
        ("fit concat", "it is given with --fusion concat"),
        ("compare samples-f1", "it is given with --objective samples-f1"),
    ],
)
def test_values_without_a_flag_are_pointed_to_it(line: str, hint: str, mmfeat: Mmfeat) -> None:
    assert f"; {hint} " in said(mmfeat(*line.split()))


@pytest.mark.parametrize(
    ("word", "command"),
    [("tag", "predict"), ("train", "compare"), ("leaderboard", "report"), ("comprae", "compare")],
)
def test_another_word_for_a_command_is_understood(word: str, command: str, mmfeat: Mmfeat) -> None:
    found = mmfeat(word)
    assert found.exit_code == 2
    assert f"No such command '{word}'. Did you mean '{command}'" in found.stderr


def test_a_table_in_place_of_a_command_and_values_without_commas_are_understood(
    tmp_path: Path, mmfeat: Mmfeat
) -> None:
    table = put(tmp_path / "a b.csv", "ImageID,Labels\n1,x\n")
    assert "is no command; mmfeat init looks at a folder" in said(mmfeat(str(table)))
    assert "run `mmfeat init` in its folder" in said(mmfeat("init", table))
    found = said(mmfeat("compare", "--heads", "logreg", "knn", "--folds", "3"))
    assert "several values are one word: --heads logreg,knn" in found
    assert "one word" not in said(mmfeat("score", "--per-class", "a.csv", "b.csv", "c.csv"))
    assert "; it is given with --images " in said(mmfeat("predict", "run", tmp_path))
    assert "No such" in said(mmfeat("x" * 5000)) and "(" in said(mmfeat("check", "a", "y" * 5000))


def test_a_sketch_is_no_run_and_a_name_is_taken_for_the_place(
    fitted_project: Path, mmfeat: Mmfeat
) -> None:
    assert "give --to winner, " in said(mmfeat("export", "winner"))
    (fitted_project / "artifacts/sketch").mkdir()
    (fitted_project / "artifacts/runs").rename(fitted_project / "artifacts/sketch/runs")
    for command in ("predict", "report"):
        assert "run `mmfeat compare` on all rows" in said(mmfeat(command, "--quiet"))


def test_pictures_tables_and_folders_are_told_apart(fitted_project: Path, mmfeat: Mmfeat) -> None:
    picture = put(fitted_project / "a.jpg", "")
    assert "predicted with --image a.jpg" in said(mmfeat("predict", "--images", picture.name))
    for flag in ("--image", "--table"):
        assert "predicted with --images artifacts" in said(mmfeat("predict", flag, "artifacts")), (
            flag
        )


def test_predict_without_rows_says_how_to_give_some(fitted_project: Path, mmfeat: Mmfeat) -> None:
    (fitted_project / "artifacts/features/test.h5").unlink()
    assert "give new rows with --table FILE" in said(mmfeat("predict"))
    assert "only the split train" in said(mmfeat("predict", "--split", "test"))


def said(found: Result) -> str:
    """What an error says, without the box around it."""
    assert found.exit_code != 0
    return " ".join(found.stderr.replace("│", " ").split())


def test_an_export_names_a_whole_command_and_a_row_without_image_is_told(
    fitted_project: Path, mmfeat: Mmfeat
) -> None:
    found = mmfeat("export", "--to", "winner")
    assert found.exit_code == 0, found.stderr
    assert "next: `mmfeat predict winner --images FOLDER`" in found.stderr
    bare = mmfeat("predict", "winner", "--caption", "a man near a car")
    assert "warning: the row has no picture, and is predicted without" in bare.stderr
