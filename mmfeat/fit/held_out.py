"""How rows are held out: by another split, the table's folds, forward in time, or at random."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace

import numpy as np

from mmfeat.config import FOLDS, MOST_FOLDS
from mmfeat.core.workspace import Workspace
from mmfeat.errors import FitError, counted
from mmfeat.fit.training_data import Training
from mmfeat.runs.config import BY_ROWS, RunConfig
from mmfeat.runs.folds import Folds
from mmfeat.runs.folds.file import load_folds, save_folds
from mmfeat.runs.folds.stratify import make_folds
from mmfeat.runs.folds.ways import folds_in_time, folds_of_names, folds_of_validation
from mmfeat.runs.run import FEW_ROWS
from mmfeat.store.texts import join_texts
from mmfeat.types import IntArray

N_TOLD = 3  # labels in a message
ROWS_OF_FOLD, GROUPS_OF_FOLD = 15, 3  # at least, where there are more folds than usual

log = logging.getLogger(__name__)


def way_of_folds(config: RunConfig, training: Training) -> str:
    """How rows are held out: ``validation``, ``column``, ``time`` or ``random``.

    Raises `FitError` where the table does not have what was asked for.
    """
    if training.judging is not None:
        return "validation"
    has = {"column": training.fold_names is not None, "time": training.times is not None}
    asked = config.fold_by
    if asked == "auto":
        return next((way for way, is_there in has.items() if is_there), "random")
    if not has.get(asked, True):
        option = {"column": "--fold-col", "time": "--time-col"}[asked]
        raise FitError(
            f"--fold-by {asked} needs a column of the table",
            f"{config.split} was made without {option}",
            f"make it again with `mmfeat extract` or `mmfeat import` and {option}",
        )
    return asked


def with_folds(config: RunConfig, training: Training) -> RunConfig:
    """The config with a number of folds: what was asked for, else 5, or up to 20 of few rows.

    A head of K folds learns from (K - 1)/K of the rows, and the final head from all. What that is
    worth is much where rows are few, and small beyond (`benchmarks/decide/coverage.py`). So up to
    `FEW_ROWS` there are as many random folds as have `ROWS_OF_FOLD` and `GROUPS_OF_FOLD` each.
    """
    if config.folds != BY_ROWS:
        return config
    n_rows, groups = training.features.n_rows, training.features.groups
    n_groups = n_rows if groups is None else len(np.unique(groups))
    is_small = n_rows <= FEW_ROWS and way_of_folds(config, training) == "random"
    n_folds = folds_of_few(n_rows, n_groups) if is_small else FOLDS
    if n_folds > FOLDS:
        log.info("%d folds, as %d rows are few; --folds sets another number", n_folds, n_rows)
    return replace(config, folds=n_folds)


def folds_of_few(n_rows: int, n_groups: int) -> int:
    """How many folds a table of up to `FEW_ROWS` rows has; a row without relatives is a group."""
    most = min(n_rows // ROWS_OF_FOLD, n_groups // GROUPS_OF_FOLD, MOST_FOLDS)
    return max(most, FOLDS)


def shared_folds(workspace: Workspace, config: RunConfig, training: Training) -> Folds:
    """The folds of this table, number and seed; those made at random are a file of all runs."""
    way, groups = way_of_folds(config, training), training.features.groups
    if way == "column":
        assert training.fold_names is not None
        folds = folds_of_names(training.fold_names)
        if groups is not None and (n_cut := len(cut_groups(groups, folds))):
            told = counted(n_cut, "group of related rows lies", "groups of related rows lie")
            log.warning("%s in several of the table's folds", told)
        return folds
    if way == "time":
        assert training.times is not None
        return folds_in_time(training.times, n_folds=config.folds, groups=groups)
    if way == "validation":
        assert training.judging is not None
        return folds_of_validation(
            training.targets,
            training.judging,
            n_folds=config.folds,
            seed=config.seed,
            groups=groups,
        )
    return Folds(_random_folds(workspace, config, training))


def _random_folds(workspace: Workspace, config: RunConfig, training: Training) -> IntArray:
    table = hashlib.sha256()
    for block in join_texts(training.features.ids, "\n"):
        table.update(block)
    table.update(np.ascontiguousarray(training.targets).tobytes())
    groups = training.features.groups
    if groups is not None:
        table.update(np.ascontiguousarray(groups).tobytes())
    name = f"{table.hexdigest()[:16]}-k{config.folds}-s{config.seed}.json"
    path = workspace.folds / name
    if path.exists():
        return load_folds(path)
    if groups is not None:  # once: every run of this table has these folds
        _tell_groups(groups, training, config.folds)
    folds = make_folds(training.targets, n_folds=config.folds, seed=config.seed, groups=groups)
    save_folds(path, folds)
    return folds


def cut_groups(groups: IntArray, folds: Folds) -> IntArray:
    """Those of the `groups`, (n,), whose rows are held out in several folds, or only in part."""
    pairs = np.unique(np.stack([groups, folds.held_out], axis=1), axis=0)
    found, n_folds = np.unique(pairs[:, 0], return_counts=True)
    return found[n_folds > 1]


def _tell_groups(groups: IntArray, training: Training, n_folds: int) -> None:
    """Say how many rows are related, and which classes are in fewer groups than folds."""
    _, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    log.info(
        "%d of %d rows are related: %s with several rows, each kept in one fold",
        sizes[sizes > 1].sum(),
        len(groups),
        counted((sizes > 1).sum(), "group"),
    )
    n_groups = {
        label: len(np.unique(member[positives == 1]))
        for label, positives in zip(training.features.labels, training.targets.T, strict=True)
    }
    few = sorted((n, label) for label, n in n_groups.items() if 0 < n < n_folds)
    if few:
        told = ", ".join(f"{label} ({n})" for n, label in few[:N_TOLD])
        more = f" and {len(few) - N_TOLD} more" if len(few) > N_TOLD else ""
        log.warning(
            "%s in fewer unrelated rows than the %d folds, so some folds lack them: %s%s",
            counted(len(few), "label is", "labels are"),
            n_folds,
            told,
            more,
        )
