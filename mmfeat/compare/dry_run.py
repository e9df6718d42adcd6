"""What a comparison would take: cells, what is reused, minutes and bytes. Nothing is written.

Heads differ in cost by a factor that depends on rows and labels, so each is tried: a few heads of
folds are fitted in a folder that is removed. A run takes as many times that as it has folds, and
once more for the refit, and grows with the modalities that are read (`mmfeat.compare.order`).
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

from mmfeat.compare.order import Order
from mmfeat.compare.plan import Comparison, describe, plan_asked, report_skipped
from mmfeat.compare.trainings import load_trainings, on_all_rows
from mmfeat.core.checks import check_arguments
from mmfeat.core.memory import duration_of, size_of
from mmfeat.core.workspace import Workspace, open_project
from mmfeat.errors import FitError, MmfeatError, counted
from mmfeat.fit.fusion import sources_of
from mmfeat.fit.models.model import build_model
from mmfeat.fit.options import FoldOptions
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import Stores, Training
from mmfeat.runs.config import FeatureSets, RunConfig
from mmfeat.runs.run import Run

ENOUGH = 30.0  # seconds of fits, after which no other head is tried


@dataclass(frozen=True, kw_only=True)
class CompareForecast:
    """What a comparison would take on this machine.

    Attributes
    ----------
    n_rows, n_labels
        Of the stores.
    n_cells, n_finished
        All cells, and those whose runs are finished and would be reused.
    measured
        The cells that were tried, so that every head and fusion is known, each with the seconds
        that it is expected to take.
    seconds, n_bytes
        Expected of all cells that are not finished, one after another, and of their runs.
    """

    n_rows: int
    n_labels: int
    n_cells: int
    n_finished: int
    measured: dict[str, float]
    seconds: float
    n_bytes: int

    def __str__(self) -> str:
        table = f"{counted(self.n_rows, 'row')} with {counted(self.n_labels, 'label')}"
        cells = f"{counted(self.n_cells, 'cell')} on {table}, {self.n_finished} of them finished"
        if not self.measured:
            return cells
        told = ", ".join(f"{name} in {spent:.1f} s" for name, spent in self.measured.items())
        return (
            f"{cells}\nto do: about {duration_of(self.seconds)} on this machine, one after another,"
            f" and {size_of(self.n_bytes)} of runs\nmeasured: {told}"
        )


@check_arguments
def forecast_compare(
    split: str | None = None,
    *,
    heads: Sequence[str] | None = None,
    fusions: Sequence[str] | None = None,
    losses: Sequence[str] | None = None,
    seeds: int | None = None,
    features: Sequence[str] = (),
    workspace: Path | str | None = None,
    **options: Unpack[FoldOptions],
) -> CompareForecast:
    """What `mmfeat.compare` would take with these arguments; nothing is written."""
    settings, space = open_project(workspace)
    given = {"heads": heads, "fusions": fusions, "losses": losses, "seeds": seeds}
    plan, _ = plan_asked(settings, features, {"split": split, **options, **given})
    return forecast_comparison(space, plan)


def forecast_comparison(space: Workspace, plan: Comparison) -> CompareForecast:
    """Try each head and fusion that is not known, in a folder that is removed, and reckon.

    Errors as in `run_cells`, and `FitError` where there is no cell.
    """
    if not plan.cells:
        raise FitError("a comparison needs a cell", "all were skipped", "see the reasons above")
    cells = on_all_rows(space, plan.cells)
    order = Order(cells)
    measured: dict[str, float] = {}
    sizes: dict[str, int] = {}  # of a head, in bytes, once its cost is known
    tried: set[tuple[FeatureSets, str]] = set()
    failed: list[RunConfig] = []
    skipped: list[tuple[str, str]] = []
    with _beside(space) as aside:
        stores = tuple({cell.features: Stores.of(cell) for cell in cells}.values())
        trainings = load_trainings(aside, stores)
        todo = []
        for config in cells:
            digest = build_model(config, space).digest(trainings[config.features].digest)
            run = Run(space.run(config.name(digest)))
            if run.is_done:
                order.learn(config, seconds=sum(run.metrics["seconds"].values()), score=0.0)
                sizes[config.head] = run.metrics["bytes"]
                tried.add((config.features, config.fusion))
            else:
                todo.append(config)
        n_finished, waiting = len(cells) - len(todo), Order(todo)
        until = time.monotonic() + ENOUGH
        while time.monotonic() < until and (cell := waiting.take()) is not None:
            source = replace(cell, fusion=sources_of(cell.fusion)[0])
            if cell.head in sizes and (source.features, source.fusion) in tried:
                continue
            tried.add((source.features, source.fusion))
            try:
                seconds, sizes[cell.head] = _try(aside, source, trainings[cell.features])
            except MmfeatError as error:
                skipped.append((describe(source), str(error)))
                failed.append(source)
                continue
            measured[describe(source)] = seconds
            order.learn(source, seconds=seconds, score=0.0)
    report_skipped(skipped)
    fusions = {(cell.features, cell.fusion) for cell in failed if cell.head in sizes}
    heads = {cell.head for cell in failed} - set(sizes)
    todo = [
        cell
        for cell in todo
        if cell.head not in heads and (cell.features, cell.fusion) not in fusions
    ]
    features = next(iter(trainings.values())).features
    return CompareForecast(
        n_rows=features.n_rows,
        n_labels=len(features.labels),
        n_cells=len(todo) + n_finished,
        n_finished=n_finished,
        measured=measured,
        seconds=sum(order.seconds(cell) or 0.0 for cell in todo),
        n_bytes=sum(sizes.get(cell.head, max(sizes.values(), default=0)) for cell in todo),
    )


class _EnoughError(Exception):
    """The cost of a cell is known."""


def _try(aside: Workspace, cell: RunConfig, training: Training) -> tuple[float, int]:
    """The seconds that a cell takes and the bytes of its head, by the first heads of folds.

    Heads may be fitted side by side, and then become ready one right after another. So the first
    after a pause ends the trial, and those before it are counted.
    """
    started, ready, n_heads = time.perf_counter(), [0.0], 0

    def on_fit(done: int, total: int) -> None:
        nonlocal n_heads
        n_heads = total + 1  # the refit
        ready.append(time.perf_counter() - started)
        if done > 1 and ready[-1] - ready[-2] > ready[-2] / (2 * (done - 1)):
            ready.pop()
            raise _EnoughError
        if done == total:
            raise _EnoughError

    try:
        fit_run(aside, cell, training, on_fit=on_fit)
    except _EnoughError:
        n_bytes = sum(path.stat().st_size for path in aside.runs.rglob("*") if path.is_file())
    finally:
        shutil.rmtree(aside.runs, ignore_errors=True)
    n_fitted = len(ready) - 1
    return n_heads * ready[-1] / n_fitted, n_bytes // n_fitted


@contextmanager
def _beside(space: Workspace) -> Iterator[Workspace]:
    """A workspace of the same features and folds, that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="mmfeat-dry-run-") as folder:
        aside = Workspace(Path(folder))
        aside.features.symlink_to(space.features.resolve())
        if space.folds.is_dir():
            shutil.copytree(space.folds, aside.folds)
        yield aside
