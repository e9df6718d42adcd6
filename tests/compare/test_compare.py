from __future__ import annotations

import logging
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmfeat.compare import Event, describe, plan_comparison, run_cells, seconds_of
from mmfeat.compare.order import Order
from mmfeat.compare.plan import report_skipped
from mmfeat.core.workspace import Workspace
from mmfeat.errors import ConfigError, FitError, PluginError
from mmfeat.fit import training_data
from mmfeat.fit.fusion import FUSIONS
from mmfeat.fit.heads import HEADS, knn
from mmfeat.fit.models import head_model
from mmfeat.fit.training_data import load_training
from mmfeat.runs.run import Run
from tests.support.cells import OPTIONS, cells_of
from tests.support.workspaces import import_split


def test_a_head_without_a_loss_gives_one_cell() -> None:
    plan = plan_comparison(
        OPTIONS, heads=("knn", "mlp"), fusions=("image",), losses=("bce", "focal")
    )
    assert [(cell.head, cell.loss) for cell in plan.cells] == [
        ("knn", None),
        ("mlp", "bce"),
        ("mlp", "focal"),
    ]
    assert plan.skipped == ()


def test_every_seed_is_a_cell() -> None:
    cells = cells_of("knn", "mlp", seeds=3)
    assert [(cell.head, cell.seed) for cell in cells] == [
        (head, seed) for head in ("knn", "mlp") for seed in range(3)
    ]
    assert [describe(cell) for cell in cells[:2]] == ["knn × image", "knn × image × seed 1"]


def test_cells_without_sense_are_listed_with_the_reason() -> None:
    plan = plan_comparison(OPTIONS, heads=("knn", "mlp"), fusions=("gated",), losses=("bce",))
    assert [cell.head for cell in plan.cells] == ["mlp"]
    ((cell, reason),) = plan.skipped
    assert cell == "knn × gated × bce"
    assert "torch heads" in reason


def test_a_reason_is_told_once_for_all_its_cells(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="mmfeat"):
        report_skipped([("a × b", "no prompts"), ("c × b", "no time"), ("a × d", "no prompts")])
    assert caplog.messages == ["skipped: a × b, a × d: no prompts", "skipped: c × b: no time"]


def test_all_stands_for_every_name() -> None:
    plan = plan_comparison(OPTIONS, heads=("all",), fusions=("all",), losses=("bce",))
    assert len(plan.cells) + len(plan.skipped) == len(HEADS) * len(FUSIONS)


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"heads": ("nohead",)}, PluginError),
        ({"fusions": ()}, ConfigError),
        ({"seeds": 0}, ConfigError),
        ({"seeds": 2_147_483_648}, ConfigError),  # more cells than memory holds
    ],
)
def test_a_comparison_that_cannot_be_is_refused(asked: dict[str, Any], error: type) -> None:
    sound: dict[str, Any] = {"heads": ("knn",), "fusions": ("image",), "losses": ("bce",)}
    with pytest.raises(error):
        plan_comparison(OPTIONS, **{**sound, **asked})


def test_an_unknown_objective_is_told_before_anything_is_fitted(workspace: Workspace) -> None:
    with pytest.raises(PluginError, match="objective"):
        run_cells(workspace, cells_of("knn"), objective="best")
    assert not workspace.runs.exists()


def test_events_tell_what_became_of_every_cell(workspace: Workspace) -> None:
    events: list[Event] = []
    cells = cells_of("knn", "logreg", fusions=("image", "late-mean"))
    outcome = run_cells(workspace, cells, objective="macro-f1", report=events.append)
    finished = [event for event in events if event.state == "finished"]
    assert {event.cell.name("") for event in finished} == {cell.name("") for cell in cells}
    assert [run.name for run in outcome.runs] == [event.run for event in finished]
    for event in finished:
        oof = Run(workspace.run(event.run)).decision.oof
        assert event.nested == oof["nested"]["macro_f1"]
        assert event.at_half == oof["at_0.5"]["macro_f1"]
        steps = [e for e in events if e.state == "running" and e.cell == event.cell]
        late = event.cell.fusion == "late-mean"  # its image part is taken from a finished cell
        expected = [(4, 6), (5, 6), (6, 6)] if late else [(1, 3), (2, 3), (3, 3)]
        assert [(e.done, e.total) for e in steps] == expected


def test_finished_cells_are_not_repeated_and_keep_their_thresholds(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = cells_of("knn")
    (run,) = run_cells(workspace, cells, objective="macro-f1").runs
    written = (run.folder / "thresholds.json").stat().st_mtime_ns

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr(head_model.HeadModel, "cross_validate", forbidden)
    assert run_cells(workspace, cells, objective="macro-f1").runs == (run,)
    assert (run.folder / "thresholds.json").stat().st_mtime_ns == written
    with pytest.raises(AssertionError, match="fitted again"):
        run_cells(workspace, [replace(cells[0], seed=1)], objective="macro-f1")


def test_the_store_is_read_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        return load(*arguments, **options)

    load = load_training
    monkeypatch.setattr(training_data, "load_training", counted)
    run_cells(workspace, cells_of("knn", fusions=("image", "text", "sum")), objective="macro-f1")
    assert len(calls) == 1


def test_a_cell_that_cannot_be_fitted_is_left_out_with_its_reason(workspace: Workspace) -> None:
    unlike = replace(cells_of("knn")[0], folds=10_000)
    outcome = run_cells(workspace, [unlike, *cells_of("knn")], objective="macro-f1")
    assert len(outcome.runs) == 1
    ((cell, reason),) = outcome.left_out
    assert cell == unlike
    assert "folds" in reason


def test_a_spent_budget_keeps_what_is_fitted_and_the_same_call_goes_on(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = cells_of("knn")
    clock = iter([0.0, 0.0, 2.0, 2.0])  # deadline, first cell, after its first head, next cell
    with monkeypatch.context() as patch:
        patch.setattr("time.monotonic", lambda: next(clock))
        outcome = run_cells(workspace, cells, objective="macro-f1", budget=1.0)
    assert outcome.runs == ()
    assert [reason for _, reason in outcome.left_out] == ["the budget was spent"]
    (folder,) = workspace.runs.iterdir()
    assert (folder / "folds/image/0/head.json").exists()
    n_fitted: list[None] = []
    monkeypatch.setattr(knn.KNN, "_fit", _counting(n_fitted, "mmfeat.fit.heads.knn", "KNN", "_fit"))
    outcome = run_cells(workspace, cells, objective="macro-f1", budget=60.0)
    assert len(outcome.runs) == 1
    assert len(n_fitted) == 3  # two folds and the refit


def _counting(calls: list[None], module: str, owner: str, name: str) -> Any:
    original = getattr(getattr(sys.modules[module], owner), name)

    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(None)
        return original(*arguments, **options)

    return counted


def test_a_comparison_side_by_side_gives_the_same_runs(workspace: Workspace) -> None:
    cells = cells_of("knn", "logreg", fusions=("image", "concat"), features=((), ("named",)))
    other = Workspace(workspace.root.with_name("other"))
    import_split(other, "train")
    for each in (workspace, other):
        import_split(each, "train", features="named", encoder="another")
    side_by_side = run_cells(workspace, cells, objective="macro-f1", jobs=2)
    alone = run_cells(other, cells, objective="macro-f1")
    assert {run.name for run in side_by_side.runs} == {run.name for run in alone.runs}
    for run in side_by_side.runs:
        twin = Run(other.run(run.name))
        assert run.metrics["oof"] == twin.metrics["oof"]
        assert run.decision.to_json() == twin.decision.to_json()


def test_a_process_that_dies_is_told_in_one_error(workspace: Workspace) -> None:
    def kill_the_worker(event: Event) -> None:
        if event.state == "running":
            for child in multiprocessing.active_children():
                os.kill(child.pid or 0, signal.SIGKILL)

    with pytest.raises(FitError, match="fewer --jobs"):
        run_cells(
            workspace,
            cells_of("logreg", "knn", fusions=("image", "text", "concat")),
            objective="macro-f1",
            jobs=2,
            report=kill_the_worker,
        )


def test_a_killed_comparison_goes_on_and_repeats_no_finished_cell(project: Path) -> None:
    line = [sys.executable, "-m", "mmfeat_cli", "compare", "--folds", "3"]
    line += ["--heads", "knn,logreg", "--fusions", "image,text,concat"]
    runs = project / "artifacts/runs"
    with subprocess.Popen(line, cwd=project, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and len(list(runs.glob("*/thresholds.json"))) < 2:
            time.sleep(0.01)
        process.kill()
    finished = {path.parent.name for path in runs.glob("*/DONE")}
    assert 2 <= len(finished) < 6
    before = {name: (runs / name / "scores.h5").stat().st_mtime_ns for name in finished}
    done = subprocess.run(line, cwd=project, capture_output=True, text=True, check=True)
    assert len(list(runs.glob("*/DONE"))) == 6
    for name, written in before.items():
        assert (runs / name / "scores.h5").stat().st_mtime_ns == written
    assert done.stderr.count("already finished") == len(finished)


def test_cheap_and_promising_cells_come_first() -> None:
    cells = cells_of("gmlp", "logreg", "knn", fusions=("image", "text"), seeds=2)
    order = Order(cells)
    first = order.take()
    assert first is not None and first.head == "knn"
    order.learn(first, seconds=1.0, score=0.5)
    assert order.seconds(cells_of("knn")[0]) == 1.0
    assert order.seconds(cells_of("knn", fusions=("concat",))[0]) == 2.0
    text = replace(first, fusion="text")
    order.learn(text, seconds=1.0, score=0.9)
    order.waiting.remove(text)
    follows = order.take()
    assert follows is not None and (follows.head, follows.fusion) == ("logreg", "text")
    rest = [order.take() for _ in range(len(order.waiting))]
    seeds = [cell.seed for cell in rest if cell]
    assert seeds == sorted(seeds)


def test_a_late_fusion_comes_after_its_sources_and_then_costs_nothing() -> None:
    (late,) = cells_of("logreg", fusions=("late-sum",))
    image, text = cells_of("logreg", fusions=("image", "text"))
    order = Order([late, image, text])
    for cell in (image, text):
        assert order.take() in (image, text)
        order.learn(cell, seconds=10.0, score=0.5)
    assert order.seconds(late) == pytest.approx(1.0)
    assert order.take() == late
    lonely = Order([late])
    lonely.learn(image, seconds=10.0, score=0.5)
    assert lonely.seconds(late) == pytest.approx(10.0)  # the text part is still to be fitted


def test_what_does_not_fit_into_the_time_left_is_not_taken() -> None:
    (cell,) = cells_of("knn")
    order = Order([cell])
    order.learn(cell, seconds=30.0, score=0.5)
    assert order.take(seconds_left=29.0) is None
    assert order.waiting == [cell]
    assert order.take(seconds_left=31.0) == cell


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "ten", "-5", "10 days", "1e3"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="budget"):
        seconds_of(text)
    assert math.isfinite(seconds_of("5"))
