"""The whole pipeline on synthetic scenes: data, the four commands, and a comparison.

Runs are scored on the solution of the test rows, which no fit and no threshold has seen.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmfeat.compare import plan_comparison, run_cells
from mmfeat.compare.board.keep import keep_leaderboard
from mmfeat.compare.board.leaderboard import Leaderboard
from mmfeat.core.settings import read_settings
from mmfeat.core.workspace import Workspace
from mmfeat.demo.data import write_demo_data
from mmfeat.metrics import summarise
from mmfeat.predict.scores import predict_scores
from mmfeat.runs.listing import list_runs
from mmfeat.runs.run import Run
from mmfeat.tables import read_table
from mmfeat.types import Predictions, Targets

COMMANDS = (
    ("extract",),
    ("fit", "--head", "gmlp"),
    ("tune-thresholds",),
    ("submit",),
)
HEADS = ("logreg", "mlp", "lightgbm")  # beside the one that the commands fit
FUSIONS = ("image", "text", "concat")
OBJECTIVE = "macro-f1"
JOBS = 2  # cells at a time: on few rows one leaves a third of two cores idle

log = logging.getLogger(__name__)


def prepare(
    folder: Path,
    *,
    n_train: int,
    n_test: int,
    seed: int,
    command: Callable[[Sequence[str]], None],
) -> None:
    """Write the data into `folder` and call `command` with the arguments of each of `COMMANDS`."""
    log.info("drawing %d training and %d test scenes into %s", n_train, n_test, folder)
    write_demo_data(folder, n_train=n_train, n_test=n_test, seed=seed)
    for arguments in COMMANDS:
        command(arguments)


def judge_all(folder: Path) -> tuple[list[dict[str, Any]], Leaderboard]:
    """Fit every head on every fusion and score every run on the solution: one row per run.

    The leaderboard ranks them by the training rows alone.
    """
    settings = read_settings(folder)
    workspace = Workspace(folder / settings.workspace)
    plan = plan_comparison(settings.fit, heads=HEADS, fusions=FUSIONS, losses=("bce",))
    jobs = min(JOBS, len(os.sched_getaffinity(0)))
    outcome = run_cells(workspace, plan.cells, objective=OBJECTIVE, jobs=jobs)
    truth = Solution.read(folder / "solution.csv")
    names = {run.name for run in outcome.runs}
    runs = (*outcome.runs, *(run for run in list_runs(workspace) if run.name not in names))
    board = keep_leaderboard(workspace, runs, objective=OBJECTIVE)
    rows = [
        {
            "head": entry.head,
            "fusion": entry.fusion,
            **judge(run, predict_scores(run, workspace, settings.submit.split), truth),
            "seconds": entry.seconds,
            "bytes": entry.bytes,
        }
        for entry in board.entries
        for run in [Run(workspace.run(entry.runs[0]))]
    ]
    return rows, board


def submission_of(folder: Path) -> Path:
    """The path of the newest submission."""
    submissions = Workspace(folder / read_settings(folder).workspace).submissions
    return max(submissions.glob("*.csv"), key=lambda path: path.stat().st_mtime_ns)


def report_of(folder: Path) -> Path:
    """The path of the report."""
    return Workspace(folder / read_settings(folder).workspace).report


@dataclass(frozen=True)
class Solution:
    """The true labels of the test rows: ids and targets in the order of the file."""

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    targets: Targets

    @classmethod
    def read(cls, path: Path) -> Solution:
        """Read `solution.csv`."""
        table = read_table(path, data=read_settings(path.parent).data)
        assert table.targets is not None  # the demo wrote it with labels
        return cls(table.ids, table.labels, table.targets)

    def aligned(self, scores: Predictions) -> Targets:
        """The targets with rows and columns as in `scores`."""
        rows = {name: i for i, name in enumerate(self.ids)}
        columns = {name: j for j, name in enumerate(self.labels)}
        targets = self.targets[[rows[name] for name in scores.ids]]
        known = [columns.get(name) for name in scores.labels]
        aligned = targets[:, [j or 0 for j in known]]
        aligned[:, [j is None for j in known]] = 0
        return aligned


def judge(run: Run, scores: Predictions, truth: Solution) -> dict[str, float | None]:
    """The score on the solution, at 0.5 and with the thresholds of the run."""
    targets, key = truth.aligned(scores), OBJECTIVE.replace("-", "_")
    plain = (scores.probabilities >= 0.5).astype("uint8")
    tuned = run.decision.decide(scores.probabilities)
    return {
        f"{OBJECTIVE} at 0.5": summarise(None, plain, targets)[key],
        f"{OBJECTIVE} tuned": summarise(None, tuned, targets)[key],
    }
