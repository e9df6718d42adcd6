"""What a comparison would take: cells, what is reused, minutes and bytes. Nothing is written."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from mmfeat.compare.order import Order
from mmfeat.compare.plan import Comparison, describe, plan_asked, report_skipped
from mmfeat.compare.trainings import load_trainings, on_all_rows
from mmfeat.core.checks import check_arguments
from mmfeat.core.memory import duration_of, size_of
from mmfeat.core.workspace import Workspace, open_project
from mmfeat.errors import FitError, MmfeatError, counted
from mmfeat.fit.models.model import build_model
from mmfeat.fit.options import FoldOptions
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import Stores
from mmfeat.runs.run import Run

ENOUGH = 1.0  # seconds of fits that are measured


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
        The cells that were fitted to find out, the cheapest ones, each with its seconds.
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
    """Fit the cheapest cells that are not finished, in a folder that is removed, and reckon.

    Errors as in `run_cells`, and `FitError` where there is no cell.
    """
    if not plan.cells:
        raise FitError("a comparison needs a cell", "all were skipped", "see the reasons above")
    cells = on_all_rows(space, plan.cells)
    order = Order(cells)
    measured: dict[str, float] = {}
    sizes: list[int] = []
    skipped: list[tuple[str, str]] = []
    with _beside(space) as aside:
        stores = tuple({cell.features: Stores.of(cell) for cell in cells}.values())
        trainings = load_trainings(aside, stores)
        todo = []
        for config in cells:
            digest = build_model(config, space).digest(trainings[config.features].digest)
            run = Run(space.run(config.name(digest)))
            if run.is_done:
                order.learn(config, seconds=_seconds_of(run), score=0.0)
            else:
                todo.append(config)
        waiting, n_finished = Order(todo), len(cells) - len(todo)
        while sum(measured.values()) < ENOUGH and (cell := waiting.take()) is not None:
            try:
                run = fit_run(aside, cell, trainings[cell.features])
            except MmfeatError as error:
                skipped.append((describe(cell), str(error)))
                todo.remove(cell)
                continue
            measured[describe(cell)] = _seconds_of(run)
            order.learn(cell, seconds=_seconds_of(run), score=0.0)
            sizes.append(run.metrics["bytes"])
    report_skipped(skipped)
    features = next(iter(trainings.values())).features
    return CompareForecast(
        n_rows=features.n_rows,
        n_labels=len(features.labels),
        n_cells=len(cells),
        n_finished=n_finished,
        measured=measured,
        seconds=sum(order.seconds(cell) or 0.0 for cell in todo),
        n_bytes=len(todo) * max(sizes, default=0),
    )


@contextmanager
def _beside(space: Workspace) -> Iterator[Workspace]:
    """A workspace of the same features and folds, that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="mmfeat-dry-run-") as folder:
        aside = Workspace(Path(folder))
        (aside.root / "features").symlink_to((space.root / "features").resolve())
        if space.folds.is_dir():
            shutil.copytree(space.folds, aside.folds)
        yield aside


def _seconds_of(run: Run) -> float:
    return float(sum(run.metrics["seconds"].values()))
