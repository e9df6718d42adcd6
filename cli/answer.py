"""The answer of a decision in the last lines: the honest estimate and, if asked for, a forecast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmfeat.config import FOLDS
from mmfeat.errors import counted
from mmfeat_cli.tables import print_text

if TYPE_CHECKING:
    from mmfeat.runs.run import Run


def print_nested(objective: str, value: float | None, interval: Sequence[float]) -> None:
    """Print the estimate on held-out folds."""
    found = "n/a" if value is None else f"{value:.4f}"
    print_text(
        f"nested {objective} {found}"
        f" (95 % interval of this estimate: {interval[0]:.4f} to {interval[1]:.4f})"
    )


def print_judges(run: Run) -> None:
    """Print how rows were held out, unless in few random folds, each by itself, and doubts."""
    n_folds = run.config.folds
    if n_folds > FOLDS or run.judged_by != f"{n_folds} random folds":
        print_text(f"judged by {run.judged_by}")
    if run.doubt:
        print_text(run.doubt)


def print_labels_per_row(run: Run, objective: str) -> None:
    """Warn where rows get far more or fewer labels, on held-out folds, than they have."""
    from mmfeat.decide.notes import WARNING
    from mmfeat.runs.winner.usual import far_from_usual

    if told := far_from_usual(run, run.decision_for(objective)):
        print_text(f"{WARNING}{told}")


def print_forecast(n_rows: int | None, interval: Sequence[float] | None) -> None:
    """Print where the score on a new test is expected; nothing where none was asked for."""
    if n_rows is not None and interval is not None:
        print_text(
            f"on a new test of {counted(n_rows, 'row')}: {interval[0]:.4f} to {interval[1]:.4f}"
            " (95 % of such tests)"
        )
