"""Feature sets as an axis of a comparison: the same rows and folds for every cell."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mmfeat import compare
from mmfeat.compare import run_cells
from mmfeat.compare.order import Order
from mmfeat.compare.plan import read_sets
from mmfeat.compare.trainings import load_trainings
from mmfeat.core.workspace import Workspace
from mmfeat.errors import FitError, StoreError
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import Stores
from mmfeat.report import ReportOptions, write_report
from mmfeat.runs.config import RunConfig
from mmfeat.runs.listing import find_run
from mmfeat.runs.winner.comparisons import read_comparisons
from mmfeat.runs.winner.ranking import rank_runs
from mmfeat.store import FeatureStore
from mmfeat.store.cost import Cost, write_cost
from tests.support.cells import cells_of
from tests.support.workspaces import Mmfeat, error_line, import_split

SETS = (("one",), ("two",), ("one", "two"), ())


@pytest.fixture
def sets(workspace: Workspace) -> Workspace:
    """A workspace with the unnamed store and the sets one and two of the same rows."""
    for name in ("one", "two"):
        import_split(workspace, "train", features=name, encoder=f"encoder-{name}")
    return workspace


def cells_on(*sets: tuple[str, ...]) -> list[RunConfig]:
    return [replace(cell, features=each) for cell in cells_of("knn") for each in sets]


def test_sets_are_read_as_fit_joins_them() -> None:
    assert read_sets(["one", " two", "one,two", "", "one"]) == SETS
    assert read_sets([]) == ((),)
    assert cells_of("knn", features=SETS[:2]) == cells_on(*SETS[:2])


def test_every_cell_has_the_same_folds_and_is_the_run_of_a_fit(sets: Workspace) -> None:
    cells = cells_on(*SETS)
    alone = cells[1]
    fitted = fit_run(sets, alone, Stores.of(alone).load(sets))
    runs = run_cells(sets, cells, objective="macro-f1").runs
    assert {run.config.features for run in runs} == set(SETS)
    assert fitted.name in {run.name for run in runs}
    for run in runs:
        assert np.array_equal(run.oof.folds, fitted.oof.folds)
        assert tuple(run.oof.ids) == tuple(fitted.oof.ids)


def test_sets_of_other_labels_are_refused(sets: Workspace) -> None:
    sets.store("train", "two").unlink()
    import_split(sets, "train", features="two", seed=1)
    with pytest.raises(StoreError, match="must have the same labels"):
        run_cells(sets, cells_on(("one",), ("two",)), objective="macro-f1")
    assert not sets.runs.exists()


@pytest.mark.parametrize("max_memory", [None, 1 << 30])
def test_rows_that_a_set_lacks_are_rows_of_its_cells(
    sets: Workspace, caplog: pytest.LogCaptureFixture, max_memory: int | None
) -> None:
    sets.store("train", "two").unlink()
    import_split(sets, "train", features="two", n_rows=50)
    cells = [replace(cell, max_memory=max_memory) for cell in cells_on(*SETS[:3])]
    runs = {run.config.features: run for run in run_cells(sets, cells, objective="macro-f1").runs}
    assert "10 of 60 rows are not in two, and fitted without its embeddings" in caplog.messages
    whole = runs["one",]
    assert {run.config.beside for run in runs.values()} == {(), ("one",)}
    for run in runs.values():
        assert tuple(run.oof.ids) == tuple(whole.oof.ids)
        assert np.array_equal(run.oof.folds, whole.oof.folds)
    lacking = runs["two",].oof.probabilities[50:]
    assert len(np.unique(lacking, axis=0)) <= 5  # of rows alike, one answer by fold
    again = run_cells(sets, cells, objective="macro-f1").runs
    assert {run.name for run in again} == {run.name for run in runs.values()}


@pytest.mark.parametrize(
    ("changed", "finding"),
    [
        ({"groups": np.zeros(60, np.int64)}, "the related rows of one and two differ"),
        ({"ids": [f"train{row}.jpg" for row in range(60)][::-1]}, "have them in another order"),
    ],
)
def test_sets_whose_folds_would_differ_are_refused(
    sets: Workspace, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], finding: str
) -> None:
    stores = [Stores(split="train", features=(name,)) for name in ("one", "two")]
    one, two = (each.load(sets) for each in stores)
    found = {("one",): one, ("two",): replace(two, features=replace(two.features, **changed))}
    monkeypatch.setattr(Stores, "load", lambda asked, _: found[asked.features])
    with pytest.raises(FitError, match=finding):
        load_trainings(sets, stores)


def test_estimates_of_one_set_are_not_those_of_another() -> None:
    (late,) = cells_of("logreg", fusions=("late-sum",), features=(("two",),))
    for source in cells_of("logreg", fusions=("image", "text"), features=(("one",),)):
        order = Order([late])
        order.learn(source, seconds=10.0, score=0.5)
    assert order.seconds(late) == pytest.approx(20.0)


def test_the_board_tells_the_sets_and_what_they_cost(sets: Workspace) -> None:
    asked: dict[str, Any] = {"heads": ["knn"], "fusions": ["image"], "folds": 3}
    measured = sets.store("train", "one")
    cost = Cost(rows=60, seconds=0.3, device="cpu", engine="local")
    with FeatureStore.open(measured) as store:
        write_cost(measured, cost, store.provenance)
    board = compare("train", features=["one", "two"], workspace=sets.root, **asked)
    both = compare("train", features=["two", "one", "one,two"], workspace=sets.root, **asked)
    assert len(board.entries) == 2
    assert len(both.entries) == 3
    assert "on one" in both.verdict()
    (kept,) = read_comparisons(sets)  # both answer the same question
    assert kept.question.features == ("one", "two")
    assert kept.question.is_of_present(sets)
    costs = {each.features: each for each in both.stage_one}
    assert costs["one", "two"].widths == {"image": 16, "text": 16}
    assert costs["one", "two"].encoders == ("encoder-one", "encoder-two")
    assert [costs["one",].bytes_per_1000, costs["one", "two"].bytes_per_1000] == [32_000, 64_000]
    assert [costs["one",].seconds_per_1000, costs["one",].device] == [5.0, "cpu"]
    assert [costs["two",].seconds_per_1000, costs["one", "two"].n_rows] == [None, (60, 60)]
    rows = list(csv.DictReader(sets.leaderboard.open(encoding="utf-8")))
    assert {row["features"]: row["stage_one_bytes_per_1000"] for row in rows} == {
        "one": "32000",
        "two": "32000",
        "one,two": "64000",
    }
    assert {row["features"]: row["stage_one_seconds_per_1000"] for row in rows}["one"] == "5.0"
    assert [row["run"] for row in rank_runs(workspace=sets.root)] == list(kept.runs)
    assert find_run(sets, None).name == kept.runs[0]
    page = write_report(sets.report, sets, options=ReportOptions(plots=0))
    assert len(page.entries) == 3
    text = sets.report.read_text(encoding="utf-8")
    assert '<td class="sets">one, two</td>' in text
    assert re.search(r'<a href="#entry-1">\s*knn × image</a>', text)  # the column has the set
    assert "What the features cost" in text
    assert text.count("<td>not measured</td>") == 2


def test_the_command_takes_sets_again_and_again(sets: Workspace, mmfeat: Mmfeat) -> None:
    line = ["compare", "-w", sets.root, "--heads", "knn", "--fusions", "image", "--folds", 3]
    several = mmfeat(*line, "--features", "one", "--features", "one,two")
    assert several.exit_code == 0, several.stderr
    starts = [line.split()[:3] for line in several.stdout.splitlines()]
    assert ["features", "head", "fusion"] in starts
    assert "those of 1,000 rows" in several.stdout and "not measured" in several.stdout
    assert max(map(len, several.stdout.splitlines())) <= 80
    joined = json.loads(mmfeat(*line, "--features", "one,two", "--json").stdout)
    assert [entry["features"] for entry in joined["entries"]] == [["one", "two"]]
    assert joined["stage_one"] == []
    assert "no-such" in error_line(mmfeat, *line, "--features", "one", "--features", "no-such")
