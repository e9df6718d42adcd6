from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import mmfeat
from mmfeat.compare import plan_comparison, run_cells
from mmfeat.compare.board.leaderboard import (
    Leaderboard,
    make_leaderboard,
    name_of,
    write_leaderboard,
)
from mmfeat.config import FitSettings
from mmfeat.core.workspace import Workspace
from mmfeat.decide.tune import tune
from mmfeat.errors import RunError
from mmfeat.fit.plan import plan_run
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import load_training
from mmfeat.runs.run import Run
from mmfeat.runs.scores import write_scores
from mmfeat.runs.winner.comparisons import read_comparisons
from tests.support.files import put
from tests.support.workspaces import import_split


def fitted(
    workspace: Workspace, *, heads: Sequence[str] = ("knn", "logreg"), seeds: int = 1
) -> list[Run]:
    """Runs of both modalities, tuned for samples-F1."""
    plan = plan_comparison(
        FitSettings(folds=3), heads=heads, fusions=("image", "concat"), losses=("bce",), seeds=seeds
    )
    return list(run_cells(workspace, plan.cells, objective="samples-f1").runs)


def test_entries_say_what_the_runs_say_best_first(workspace: Workspace) -> None:
    runs = {run.name: run for run in fitted(workspace)}
    board = make_leaderboard(list(runs.values()), objective="samples-f1")
    assert len(board.entries) == 4
    nested = [entry.nested for entry in board.entries]
    assert nested == sorted(nested, reverse=True)
    for entry in board.entries:
        (run,) = (runs[name] for name in entry.runs)
        oof = run.decision.oof
        assert (entry.at_half, entry.tuned, entry.nested) == tuple(
            oof[how]["samples_f1"] for how in ("at_0.5", "tuned", "nested")
        )
        assert entry.interval[0] <= entry.nested <= entry.interval[1]
        assert entry.bytes == run.metrics["bytes"]
        assert entry.peak_memory is not None and entry.peak_memory > 2**20
        assert entry.deviation is None
    best = board.entries[0]
    assert (best.difference, best.difference_interval, best.tied) == (0.0, (0.0, 0.0), True)


def test_a_clearly_worse_run_is_not_tied_and_an_equal_one_is(workspace: Workspace) -> None:
    runs = fitted(workspace, heads=("logreg",))
    board = make_leaderboard(runs, objective="macro-f1")
    best = Run(workspace.run(board.entries[0].runs[0]))
    scores = best.oof
    for name, probabilities in (
        ("twin", scores.probabilities),
        ("guess", np.random.default_rng(0).random(scores.probabilities.shape)),
    ):
        copy = Run(workspace.run(name))
        copy.folder.mkdir()
        for file in ("config.json", "provenance.json", "metrics.json"):
            (copy.folder / file).write_bytes((best.folder / file).read_bytes())
        config = (copy.folder / "config.json").read_text().replace('"logreg"', f'"{name}"')
        (copy.folder / "config.json").write_text(config)
        write_scores(
            copy.folder / "scores.h5",
            replace(scores, probabilities=probabilities.astype(np.float32)),
        )
        copy.finish()
        runs.append(copy)
    board = make_leaderboard(runs, objective="macro-f1")
    by_head = {entry.head: entry for entry in board.entries}
    assert by_head["twin"].difference_interval == (0.0, 0.0)
    assert by_head["twin"].tied
    guess = by_head["guess"]
    assert not guess.tied
    assert guess.difference < 0 and guess.difference_interval[1] < 0
    assert "not distinguishable" in board.verdict()
    assert "guess" not in board.verdict()


def test_the_verdict_names_a_single_best() -> None:
    board = Leaderboard(objective="macro-f1", entries=())
    assert board.tied == ()


def test_runs_that_differ_only_in_their_seed_are_one_entry(workspace: Workspace) -> None:
    runs = fitted(workspace, heads=("logreg",), seeds=3)
    assert len(runs) == 6
    board = make_leaderboard(runs, objective="samples-f1")
    assert [len(entry.runs) for entry in board.entries] == [3, 3]
    entry = board.entries[0]
    values = [Run(workspace.run(name)).decision.oof["nested"]["samples_f1"] for name in entry.runs]
    assert entry.nested == pytest.approx(np.mean(values))  # type: ignore[arg-type]
    assert entry.deviation == pytest.approx(np.std(values, ddof=1))  # type: ignore[arg-type]


def test_runs_tuned_for_something_else_are_left_as_they_are(workspace: Workspace) -> None:
    runs = fitted(workspace, heads=("knn",))
    before = [(run.folder / "thresholds.json").read_bytes() for run in runs]
    board = make_leaderboard(runs, objective="micro-f1")
    assert [(run.folder / "thresholds.json").read_bytes() for run in runs] == before
    decision = tune(Run(workspace.run(board.entries[0].runs[0])).oof, objective="micro-f1")
    assert board.entries[0].nested == decision.oof["nested"]["micro_f1"]


def test_runs_of_different_rows_are_not_compared(workspace: Workspace) -> None:
    runs = fitted(workspace, heads=("knn",))
    import_split(workspace, "other", n_rows=40, seed=3)
    plan = plan_comparison(
        FitSettings(folds=3, split="other"), heads=("knn",), fusions=("image",), losses=("bce",)
    )
    others = run_cells(workspace, plan.cells, objective="samples-f1").runs
    with pytest.raises(RunError, match="same rows"):
        make_leaderboard([*runs, *others], objective="samples-f1")


def test_runs_of_other_folds_are_not_paired_silently(workspace: Workspace) -> None:
    where: Any = {"head": "knn", "fusion": "image", "workspace": workspace.root}
    one, two, three = (
        mmfeat.fit(folds=folds, seed=seed, settings={"neighbours": str(k)}, **where)
        for folds, seed, k in ((3, 0, 3), (3, 1, 4), (2, 0, 5))
    )
    assert "folds are not" in make_leaderboard([one, two], objective="macro-f1").verdict()
    difference = mmfeat.compare_runs(one, two, workspace=workspace.root)
    assert not difference.same_folds and "folds are not" in difference.verdict()
    with pytest.raises(RunError, match="2 random folds"):
        make_leaderboard([one, three], objective="macro-f1")
    with pytest.raises(RunError, match="held out their rows in the same way"):
        mmfeat.compare_runs(one, three, workspace=workspace.root)


def test_the_file_holds_every_entry(workspace: Workspace) -> None:
    board = make_leaderboard(fitted(workspace, seeds=2), objective="samples-f1")
    write_leaderboard(workspace.leaderboard, board)
    with workspace.leaderboard.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [tuple(row["run"].split()) for row in rows] == [entry.runs for entry in board.entries]
    assert [float(row["nested"]) for row in rows] == [entry.nested for entry in board.entries]
    assert [row["tied"] for row in rows] == [str(entry.tied) for entry in board.entries]
    assert name_of(board.entries[0]).startswith(board.entries[0].head)


def test_a_run_has_the_same_interval_when_it_is_tuned_and_when_it_is_compared(
    workspace: Workspace,
) -> None:
    training = load_training(workspace, "train")
    runs = [
        fit_run(workspace, plan_run(FitSettings(head=head, folds=3)), training)
        for head in ("logreg", "knn")
    ]
    told = {}
    for run in runs:
        run.write_decision(tune(run.oof, objective="samples-f1", decode="expected-f1"))
        told[run.name] = tuple(run.decision.intervals["nested"])
    board = make_leaderboard(runs, objective="samples-f1")
    assert {entry.runs[0]: entry.interval for entry in board.entries} == told


@pytest.mark.parametrize(
    ("objective", "key", "value"), [("f-beta", "beta", 0.5), ("recall-at-least", "floor", 0.7)]
)
def test_beta_and_floor_of_the_file_are_those_of_every_verb_that_decides(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, objective: str, key: str, value: float
) -> None:
    monkeypatch.chdir(workspace.root)
    text = f'[thresholds]\nobjective = "{objective}"\n{key} = {value}\n[fit]\nfolds = 3\n'
    put(workspace.root / "mmfeat.toml", text)
    where: Any = {"workspace": workspace.root}
    mmfeat.compare("train", heads=["knn", "logreg"], fusions=["image"], **where)
    (kept,) = read_comparisons(workspace)
    assert kept.question.level == value
    first, second = (Run(workspace.run(name)) for name in kept.runs)
    compared = first.decision
    assert compared.options[key] == second.decision.options[key] == value
    assert mmfeat.tune(first, **where) == compared
    assert mmfeat.compare_runs(first, second, **where).nested[0] == kept.places[0].nested
    usual = make_leaderboard([first, second], objective=objective)
    assert {entry.nested for entry in usual.entries} != {place.nested for place in kept.places}
    page = mmfeat.report(plots=0, **where).path.read_text()
    assert all(f"{place.nested:.4f}" in page for place in kept.places)
