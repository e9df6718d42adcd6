"""Stage two: a cross-validated fit of one head and one fusion becomes a run.

1. the folds of this table, number and seed are read, or made and saved;
2. every fold is scored by a model that never saw it; each fold's scores are kept beside the
   run, so that an interrupted fit resumes at its fold;
3. the final model is refitted on all rows;
4. scores, model and metrics are written, `DONE` last.
"""

from __future__ import annotations

import logging
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mmfeat import metrics
from mmfeat.core.files import write_json
from mmfeat.core.memory import peak_memory, reset_peak
from mmfeat.core.workspace import Workspace
from mmfeat.errors import FitError, MmfeatError, RunError, counted
from mmfeat.fit.fusion.rows import count_missing
from mmfeat.fit.heads.base import Head
from mmfeat.fit.held_out import cut_groups, shared_folds, way_of_folds, with_folds
from mmfeat.fit.models.head_model import HeadModel
from mmfeat.fit.models.model import Model, ReusedSource, build_model, load_model
from mmfeat.fit.training_data import Training, warn_missing
from mmfeat.runs.config import RunConfig
from mmfeat.runs.folds import Folds
from mmfeat.runs.run import Run
from mmfeat.runs.scores import write_scores
from mmfeat.types import FeatureRows, FloatArray, OutOfFold

CHECKPOINTS = "folds"  # heads of the folds, in the folder of a run that is being fitted

log = logging.getLogger(__name__)
fold_log = logging.getLogger(f"{__name__}.folds")


def fit_run(
    workspace: Workspace,
    config: RunConfig,
    training: Training,
    *,
    name: str | None = None,
    on_fit: Callable[[int, int], None] | None = None,
) -> Run:
    """Fit `config` on `training` and return the finished run.

    A finished run of the same config and stores is returned unchanged. ``on_fit(done, total)`` is
    called after each fitted head; an exception that it raises ends the fit, which the same call
    resumes. Raises `RunError` where `name`
    belongs to another config, and `FitError` where the data cannot be fitted.
    """
    config = with_folds(config, training)
    model = build_model(config, workspace)
    training = replace(training, digest=model.digest(training.digest))
    run = Run(workspace.run(name or config.name(training.digest)))
    with run.locked(on_wait=lambda holder: log.info("waiting for process %s", holder)):
        if _is_same(run, config, training):
            if run.is_done and _is_sound(run):
                fold_log.info("run %s is already finished", run.name)
                run.touch()
                _remove_checkpoints(run)
                return run
            log.info("run %s continues where it stopped", run.name)
        folds = shared_folds(workspace, config, training)
        way = way_of_folds(config, training)
        write_json(run.folder / "provenance.json", _provenance(training, way, folds))
        write_json(run.folder / "config.json", asdict(config))  # last: it marks the run as begun
        model.reuse(partial(_finished_source, workspace, config, training))
        try:
            _fit(run, model, training, folds, on_fit)
        except MmfeatError:
            if not (run.folder / CHECKPOINTS).exists():  # nothing to go on from
                shutil.rmtree(run.folder)
            raise
    return run


def _fit(
    run: Run,
    model: Model,
    training: Training,
    folds: Folds,
    on_fit: Callable[[int, int], None] | None,
) -> None:
    """Fit the model across folds and on all rows, and write the run."""
    features = training.learned_by(run.config)
    warn_missing(count_missing(features), features.n_rows)
    reset_peak()
    started = time.perf_counter()
    oof = out_of_fold(model, features, folds, checkpoints=run.folder / CHECKPOINTS, on_fit=on_fit)
    judged = folds.judged
    scores = OutOfFold(
        ids=folds.ids_of_judged(features.ids),
        labels=features.labels,
        probabilities=oof,
        targets=training.targets[judged],
        folds=folds.of_judged,
        groups=None if features.groups is None else features.groups[judged],
    )
    seconds = {"cross_validation": time.perf_counter() - started}
    started = time.perf_counter()
    model.fit(features)
    seconds["refit"] = time.perf_counter() - started
    if model.reused_seconds:  # the cost of a run includes its parts
        seconds["taken"] = model.reused_seconds
    _write_run(run, model, scores, seconds)


def _is_sound(run: Run) -> bool:
    """Whether a finished run is as it was written; it is to be fitted again where it is not."""
    try:
        run.verify_fit()
    except RunError as error:
        log.warning("%s; it is fitted again", error)
        run.restart()
        return False
    return True


def _remove_checkpoints(run: Run) -> None:
    shutil.rmtree(run.folder / CHECKPOINTS, ignore_errors=True)


def _finished_source(
    workspace: Workspace, config: RunConfig, training: Training, source: str, head: Head
) -> ReusedSource | None:
    """A source of a late fusion that is a finished run of its own; None where there is none.

    The same machine, rows, folds and seed give the same head, so that nothing is fitted twice.
    """
    alone = replace(config, fusion=source, loss=config.loss if head.uses_loss else None)
    run = Run(workspace.run(alone.name(training.digest)))
    if not (run.is_done and _is_same(run, alone, training)):
        return None
    fitted, scores = load_model(run), run.oof.probabilities
    if len(scores) < training.features.n_rows:  # some rows are only learned from
        return None
    if not isinstance(fitted, HeadModel) or fitted.source.head != head:
        return None
    return ReusedSource(
        head=fitted.fitted[0],
        scores=scores,
        seconds=sum(run.metrics["seconds"].values()),
    )


def _is_same(run: Run, config: RunConfig, training: Training) -> bool:
    """Whether the run folder holds this very run; raise `RunError` where it holds another."""
    if not (run.folder / "config.json").exists():
        return False
    stored = {**asdict(run.config), "digest": _stored_digest(run)}
    asked = {**asdict(config), "digest": training.digest}
    for key, value in asked.items():
        if stored[key] != value:
            raise RunError(
                f"a run is never overwritten: {run.name!r} exists with another {key}",
                f"stored is {stored[key]!r}, asked for is {value!r}",
                "choose another --name, or remove that folder",
            )
    return True


def _stored_digest(run: Run) -> str | None:
    if not (run.folder / "provenance.json").exists():
        return None
    digest: str | None = run.provenance.get("digest")
    return digest


def _provenance(training: Training, way: str, folds: Folds) -> dict[str, Any]:
    packages = ("mmfeat", "torch", "numpy", "scikit-learn", "lightgbm")
    return {
        "digest": training.digest,
        "stores": training.provenance,
        "folds": way,
        **_together(training, folds),
        **({"validation": training.judging_provenance} if training.judging_provenance else {}),
        "versions": {"python": platform.python_version(), **{p: version(p) for p in packages}},
    }


def _together(training: Training, folds: Folds) -> dict[str, int]:
    """How many rows share a group with another, and all of them a fold; in how many groups."""
    groups = training.features.groups
    if groups is None:
        return {}
    found, sizes = np.unique(groups, return_counts=True)
    is_together = (sizes > 1) & ~np.isin(found, cut_groups(groups, folds))
    if not is_together.any():
        return {}
    return {
        "related_rows": int(sizes[is_together].sum()),
        "related_groups": int(is_together.sum()),
    }


def out_of_fold(
    model: Model,
    features: FeatureRows,
    folds: Folds,
    *,
    checkpoints: Path | None = None,
    on_fit: Callable[[int, int], None] | None = None,
) -> FloatArray:
    """Score every row that is held out by a model that never saw its fold, (m, k).

    Heads are kept in `checkpoints`. Raises `FitError` where a score is not finite.
    """
    oof = np.full((features.n_rows, len(features.labels)), np.nan, dtype=np.float32)
    for fold, rows, probabilities in model.cross_validate(
        features, folds, checkpoints=checkpoints, on_fit=on_fit
    ):
        oof[rows] = probabilities
        fold_log.info("fold %d of %d is scored", fold + 1, len(folds.for_heads()))
    oof = oof[folds.judged]
    if n_broken := int((~np.isfinite(oof)).any(axis=1).sum()):
        raise FitError(
            "a head must give finite scores to every row",
            f"{counted(n_broken, 'row has', 'rows have')} NaN or infinity",
            "lower the learning rate or the decay, and check the scale of the features",
        )
    return oof


def _write_run(run: Run, model: Model, scores: OutOfFold, seconds: dict[str, float]) -> None:
    write_scores(run.folder / "scores.h5", scores)
    shutil.rmtree(run.folder / "head", ignore_errors=True)
    model.save(run.folder / "head")
    write_json(run.folder / "history.json", model.history)
    half = (scores.probabilities >= 0.5).astype(np.uint8)
    document = {
        "oof": {
            "at_0.5": metrics.summarise(scores.probabilities, half, scores.targets),
            "per_class": metrics.per_class(
                scores.probabilities, half, scores.targets, scores.labels
            ),
        },
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "bytes": sum(p.stat().st_size for p in (run.folder / "head").rglob("*") if p.is_file()),
        "peak_memory": peak_memory(),  # of the process, including the features
    }
    write_json(run.folder / "metrics.json", document)
    run.finish()
    _remove_checkpoints(run)
