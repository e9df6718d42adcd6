"""Every sensible combination of heads, fusions and losses on the same folds, as a leaderboard."""

from __future__ import annotations

import csv
import io
import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmfeat.config import FitSettings
from mmfeat.errors import MmfeatError
from mmfeat.files import write_text
from mmfeat.fit import fit, load_training, plan_run
from mmfeat.fusion import FUSIONS
from mmfeat.heads import HEADS
from mmfeat.losses import LOSSES
from mmfeat.plugins import check_name
from mmfeat.runs import Run, RunConfig
from mmfeat.tune import tune
from mmfeat.workspace import Workspace

log = logging.getLogger(__name__)


def plan_cells(
    options: FitSettings,
    *,
    heads: Sequence[str],
    fusions: Sequence[str],
    losses: Sequence[str],
    features: tuple[str, ...] = (),
) -> tuple[list[RunConfig], list[str]]:
    """List the runs of a comparison, and for each combination left out the reason.

    ``("all",)`` stands for every name of that registry. A head without a loss to choose gives
    one cell, whatever `losses` says. Raises `PluginError` for an unknown name.
    """
    choices = [
        _chosen(asked, registry, kind)
        for asked, registry, kind in (
            (heads, HEADS, "head"),
            (fusions, FUSIONS, "fusion"),
            (losses, LOSSES, "loss"),
        )
    ]
    cells: dict[str, RunConfig] = {}
    skipped: list[str] = []
    for head, fusion, loss in itertools.product(*choices):
        try:
            config = plan_run(
                replace(options, head=head, fusion=fusion, loss=loss), features=features
            )
        except MmfeatError as error:
            skipped.append(f"{head} × {fusion} × {loss}: {error}")
        else:
            cells.setdefault(config.name(""), config)
    return list(cells.values()), skipped


def run_cells(
    workspace: Workspace, cells: Sequence[RunConfig], *, objective: str
) -> Iterator[tuple[Run, dict[str, Any]]]:
    """Fit and tune every cell, reading the store once; yield each run with its row.

    A finished run of the same config and stores is taken as it is.
    """
    if not cells:
        return
    training = load_training(workspace, cells[0].split, cells[0].features)
    for number, config in enumerate(cells, start=1):
        run = fit(workspace, config, training)
        decision = tune(run.scores(), objective=objective, method=None)
        run.write_decision(decision)
        row = _row(run, config, decision.to_json()["oof"], objective)
        log.info("%d/%d %s: nested %s %.4f", number, len(cells), run.name, objective, row["nested"])
        yield run, row


def rank(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort rows by the honest estimate, best first."""
    return sorted(rows, key=lambda row: -row["nested"])


def write_leaderboard(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Replace `path` by the rows as csv."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _chosen(asked: Sequence[str], registry: Mapping[str, Any], kind: str) -> list[str]:
    if list(asked) == ["all"]:
        return list(registry)
    return [check_name(name, registry, kind) for name in asked]


def _row(
    run: Run, config: RunConfig, oof: Mapping[str, Mapping[str, float]], objective: str
) -> dict[str, Any]:
    key = objective.replace("-", "_")
    metrics = run.metrics()
    return {
        "head": config.head,
        "fusion": config.fusion,
        "loss": config.loss or "-",
        "at_0.5": oof["at_0.5"][key],
        "tuned": oof["tuned"][key],
        "nested": oof["nested"][key],
        "seconds": round(sum(metrics["seconds"].values()), 2),
        "bytes": metrics["bytes"],
        "run": run.name,
    }
