"""Keeping a leaderboard: comparisons of the same question add up, and none wipes another."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from mmfeat.compare.board.leaderboard import (
    Leaderboard,
    add_stage_one,
    make_leaderboard,
    write_leaderboard,
)
from mmfeat.config import USUAL_THRESHOLDS, ThresholdSettings
from mmfeat.core.lock import locked
from mmfeat.core.workspace import Workspace
from mmfeat.errors import RunError, counted
from mmfeat.runs.run import Run
from mmfeat.runs.winner.comparisons import (
    Place,
    Question,
    comparison_path,
    read_comparisons,
    write_comparison,
)

log = logging.getLogger(__name__)


def keep_leaderboard(
    workspace: Workspace,
    runs: Sequence[Run],
    *,
    objective: str,
    thresholds: ThresholdSettings = USUAL_THRESHOLDS,
) -> Leaderboard:
    """Add finished runs of one question to its leaderboard, write that, and return it.

    `leaderboard.csv` is that of the last comparison. Raises `RunError` where a run is damaged.
    """
    question = Question.of_all(runs, objective, thresholds)
    with locked(
        workspace.comparisons / ".lock",
        on_wait=lambda holder: log.info("waiting for process %s", holder),
    ):
        earlier = list(_earlier(workspace, question, {run.name for run in runs}))
        if earlier:
            of = "of earlier comparisons of the same question"
            log.info("%s added", counted(len(earlier), f"run {of} is", f"runs {of} are"))
        board = make_leaderboard([*earlier, *runs], objective=objective, thresholds=thresholds)
        board = add_stage_one(board, workspace, question.split)
        places = [
            Place(runs=entry.runs, nested=entry.nested, tied=entry.tied) for entry in board.entries
        ]
        write_leaderboard(comparison_path(workspace, question, "csv"), board)
        write_leaderboard(workspace.leaderboard, board)
        choice = board.choice.describe(objective) if board.choice else ""
        same = board.same_labels
        doubt = same.describe(objective) if same and not same.is_beaten else ""
        write_comparison(workspace, question, places, choice=choice, doubt=doubt)
    return board


def _earlier(workspace: Workspace, question: Question, known: set[str]) -> Iterator[Run]:
    """The runs of earlier comparisons that are still there and whole."""
    for kept in read_comparisons(workspace):
        if kept.question != question:
            continue
        for name in kept.runs:
            run = Run(workspace.run(name))
            if name in known or not run.is_done:
                continue
            try:
                run.verify_fit()
            except RunError as error:
                log.warning("left out: %s: %s", name, error)
                continue
            yield run
