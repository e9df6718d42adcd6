"""The first page says what is next, and a shell completes what there is."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from mmfeat.store.missing import missing_store, sets_of, splits_of
from mmfeat_cli.help.completion import COMPLETED
from mmfeat_cli.help.next_step import next_step
from mmfeat_cli.main import PANELS, app
from tests.support.workspaces import Mmfeat


@pytest.fixture
def at_run(demo_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a copy of the small demo project with a run."""
    folder = tmp_path / "project"
    shutil.copytree(demo_run, folder)
    monkeypatch.chdir(folder)
    return folder


def complete(command: str, parameter: str, incomplete: str) -> list[str]:
    group: Any = typer.main.get_command(app)
    (found,) = (one for one in group.commands[command].params if one.name == parameter)
    context = typer.Context(group.commands[command])
    return [item.value for item in found.shell_complete(context, incomplete)]


def test_the_first_page_has_panels_and_what_is_next(mmfeat: Mmfeat, tmp_path: Path) -> None:
    shown = mmfeat("-h").stdout
    places = [shown.index(text) for text in ("mmfeat init", "Next in this folder", *PANELS)]
    assert places == sorted(places)
    assert mmfeat().stdout.startswith(shown[:80])


def test_a_page_says_how_values_are_written(mmfeat: Mmfeat, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    shown = " ".join(mmfeat("compare", "--help").stdout.split())
    assert "--seed NUMBER Random seed of the folds and the head. Default: 0 " in shown
    assert "--quick Compare a sketch" in shown and "--heads TEXT Heads to compare" in shown
    assert not any(text in shown for text in ("<", "[default", "x>="))
    assert "Usage: mmfeat runs [OPTIONS] [RUN]..." in mmfeat("runs", "-h").stdout


def test_what_is_next(at_run: Path) -> None:
    assert "report" in next_step()
    shutil.rmtree("artifacts/runs")
    assert next_step() == "mmfeat compare"
    shutil.rmtree("artifacts")
    assert next_step() == "mmfeat extract"
    Path("mmfeat.toml").write_text("nothing = 1\n")
    assert next_step().startswith("mmfeat config")
    Path("mmfeat.toml").unlink()
    assert next_step().startswith("mmfeat init")


def test_completion_knows_what_there_is(at_run: Path) -> None:
    assert complete("fit", "fusion", "late-m") == ["late-mean"]
    assert complete("compare", "heads", "logreg,kn") == ["logreg,knn"]
    assert complete("extract", "precision", "bf") == ["bf16"]
    (run,) = complete("tune-thresholds", "run", "logreg")
    assert (at_run / "artifacts/runs" / run).is_dir()
    assert set(complete("fit", "split", "")) == {"test", "train"}
    (at_run / "mmfeat.toml").write_text("broken")
    assert complete("fit", "split", "") == []


def test_every_completed_name_is_a_parameter() -> None:
    group: Any = typer.main.get_command(app)
    names = {one.name for command in group.commands.values() for one in command.params}
    assert set(COMPLETED) <= names


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        (("fit", "--split", "trian"), "only the splits test, train; did you mean 'train'"),
        (("fit", "--features", "clp"), "only the feature set clip; did you mean 'clip'"),
        (("fit", "--fusion", "contcat"), "did you mean 'concat'"),
        (("fit", "--head", "logreg", "--set", "criterio=f1"), "did you mean 'criterion'"),
        (("tune-thresholds", "logreg-cncat"), "did you mean 'logreg-concat-"),
        (("runs", "--remove", "logreg-cncat"), "did you mean 'logreg-concat-"),
    ],
)
def test_a_wrong_name_is_told_the_right_one(
    line: Sequence[str], meant: str, at_run: Path, mmfeat: Mmfeat
) -> None:
    (at_run / "artifacts/features/clip").mkdir()
    shutil.copy("artifacts/features/train.h5", "artifacts/features/clip")
    result = mmfeat(*line)
    assert result.exit_code == 1
    assert meant in result.stderr


def test_stores_that_are_there(at_run: Path) -> None:
    features = at_run / "artifacts/features"
    assert splits_of(features) == ("test", "train")
    assert sets_of(features) == ()
    assert splits_of(features / "nothing") == sets_of(features / "nothing") == ()
    assert "is a folder" in str(missing_store(features))
