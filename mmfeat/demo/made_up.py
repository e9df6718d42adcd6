"""Runs without a fit: made-up scores in sound run folders, to show and test what comes after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from mmfeat import metrics
from mmfeat.core.files import write_json
from mmfeat.core.workspace import Workspace
from mmfeat.decide.tune import tune
from mmfeat.runs.config import RunConfig
from mmfeat.runs.run import Run
from mmfeat.runs.scores import write_scores
from mmfeat.types import OutOfFold

FOLDS = 3
STORE = {"encoder": {"name": "made-up"}, "digest": "0" * 64, "n_rows": 0}


def make_run(
    workspace: Workspace,
    name: str,
    *,
    labels: Sequence[str] = ("a", "b", "c"),
    ids: Sequence[str] | None = None,
    n_rows: int = 90,
    rates: Sequence[float] | None = None,
    noise: float = 1.0,
    settings: Mapping[str, str] | None = None,
    objective: str | None = "macro-f1",
    head: str = "mlp",
) -> Run:
    """A finished run whose scores tell the labels, less clearly the more `noise` there is.

    `rates` are the shares of rows that have each label. Runs of the same number of rows and
    labels have the same targets.
    """
    k = len(labels)
    rng = np.random.default_rng(0)
    shares = np.linspace(0.6, 0.1, k) if rates is None else rates
    targets = (rng.random((n_rows, k)) < shares).astype(np.uint8)
    logits = 4.0 * targets - 2.5 + np.random.default_rng(1).normal(0, 2 * noise, (n_rows, k))
    scores = OutOfFold(
        ids=tuple(ids or [f"{row}.jpg" for row in range(n_rows)]),
        labels=tuple(labels),
        probabilities=(1 / (1 + np.exp(-logits))).astype(np.float32),
        targets=targets,
        folds=np.arange(n_rows) % FOLDS,
    )
    config = RunConfig(
        split="train",
        head=head,
        fusion="concat",
        loss="bce",
        folds=FOLDS,
        seed=0,
        settings=dict(settings or {}),
    )
    half = (scores.probabilities >= 0.5).astype(np.uint8)
    run = Run(workspace.run(name))
    write_json(run.folder / "config.json", asdict(config))
    write_json(
        run.folder / "provenance.json",
        {"digest": "0" * 64, "stores": [STORE], "versions": {"python": "3", "mmfeat": "0"}},
    )
    write_scores(run.folder / "scores.h5", scores)
    write_json(
        run.folder / "metrics.json",
        {
            "oof": {
                "at_0.5": metrics.summarise(scores.probabilities, half, targets),
                "per_class": metrics.per_class(scores.probabilities, half, targets, labels),
            },
            "seconds": {"cross_validation": 1.5, "refit": 0.5},
            "bytes": 12345,
        },
    )
    losses = {"train": [0.9, 0.5, 0.4], "validation": [0.8, 0.6, None]}
    write_json(run.folder / "history.json", {"concat": [losses] * FOLDS})
    if objective is not None:
        run.write_decision(tune(scores, objective=objective, method=None))
    run.finish()
    return run
