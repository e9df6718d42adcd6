"""Two runs side by side: settings, the objective, and every class, paired."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mmfeat
from mmfeat.core.workspace import Workspace
from mmfeat.demo.made_up import make_run
from mmfeat.errors import RunError
from mmfeat.metrics.sets import class_scores
from mmfeat.runs.run import Run
from tests.support.workspaces import Mmfeat


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Run, Run]:
    monkeypatch.setenv("MMFEAT_WORKSPACE", str(tmp_path))
    space = Workspace(tmp_path)
    good = make_run(space, "good", noise=0.3, settings={"dropout": "0.5"})
    return good, make_run(space, "poor", noise=3.0, head="knn")


def test_what_differs_is_what_the_runs_say(runs: tuple[Run, Run]) -> None:
    found = mmfeat.compare_runs("good", "poor")
    assert found.settings == {"head": ("mlp", "knn"), "dropout": ("0.5", "-")}
    assert found.nested == tuple(run.decision.oof["nested"]["macro_f1"] for run in runs)
    assert found.difference == found.nested[0] - found.nested[1]
    assert 0 < found.interval[0] < found.difference < found.interval[1]
    assert found.verdict().startswith("good is better than poor")
    f1 = [class_scores(run.held_out, run.oof.targets).f1 for run in runs]  # type: ignore[arg-type]
    labels = runs[0].labels
    for row in found.per_class:
        at = labels.index(row["label"])
        assert row["f1"] == [each[at] for each in f1]
        assert row["interval"][0] <= row["difference"] <= row["interval"][1]
    sizes = [abs(row["difference"]) for row in found.per_class]
    assert len(sizes) == 3 and sizes == sorted(sizes, reverse=True)


def test_the_intervals_of_classes_are_those_of_the_objective(runs: tuple[Run, Run]) -> None:
    """Macro-F1 of a single class is its F1: both ways to its interval must agree."""
    space = Workspace(runs[0].folder.parent.parent)
    for name, noise in (("one", 0.5), ("two", 2.0)):
        make_run(space, name, labels=("a",), rates=(0.4,), noise=noise)
    found = mmfeat.compare_runs("one", "two")
    assert found.per_class[0]["interval"] == pytest.approx(found.interval)


def test_a_run_does_not_differ_from_itself(runs: tuple[Run, Run]) -> None:
    found = mmfeat.compare_runs("good", "good")
    assert (found.settings, found.difference, found.interval) == ({}, 0.0, (0.0, 0.0))
    assert "not distinguishable" in found.verdict()


def test_runs_of_other_rows_are_refused(runs: tuple[Run, Run]) -> None:
    make_run(Workspace(runs[0].folder.parent.parent), "other", n_rows=30)
    with pytest.raises(RunError, match="same rows"):
        mmfeat.compare_runs("good", "other")


def test_the_command_cuts_long_lists_and_ends_with_the_answer(
    runs: tuple[Run, Run], mmfeat: Mmfeat
) -> None:
    space = Workspace(runs[0].folder.parent.parent)
    labels = [f"label {j}" for j in range(14)]
    for name, noise in (("one", 0.5), ("two", 2.0)):
        make_run(space, name, labels=labels, noise=noise)
    shown = mmfeat("runs", "one", "two")
    assert shown.exit_code == 0, shown.stderr
    assert "… and 4 more labels" in shown.stdout
    assert shown.stdout.splitlines()[-1].startswith("one is better than two")
    assert max(map(len, shown.stdout.splitlines()[:14])) <= 80
    whole = mmfeat("runs", "one", "two", "--per-class").stdout
    assert all(label in whole for label in labels)
    document = json.loads(mmfeat("runs", "one", "two", "--json").stdout)
    assert len(document["per_class"]) == 14
    assert "name one run" in mmfeat("runs", "one", "two", "good").stderr
