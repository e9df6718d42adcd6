"""The head of a run learns from ever smaller samples, and all held-out rows judge it."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mmfeat.core.workspace import Workspace
from mmfeat.errors import FitError, RunError, counted
from mmfeat.fit.models.model import build_model
from mmfeat.fit.run_fit import out_of_fold
from mmfeat.fit.training_data import Training
from mmfeat.learning.samples import draw_samples
from mmfeat.runs.folds import Folds
from mmfeat.runs.run import Run
from mmfeat.runs.scores import read_scores, write_scores
from mmfeat.types import BoolArray, OutOfFold

MOST_REPEATS = 5  # of a size: small samples are cheap, and differ most
SMALLEST_SHARE = 1 / 16  # of the rows, from which the curve begins
FEWEST_TRAINED = 40  # rows of the smallest sample
FEWEST_GROUPS = 10  # of related rows in the smallest sample

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Scores of all held-out rows, by heads that learned from a sample of the others.

    Attributes
    ----------
    size
        The number of the size, from 0 for the smallest.
    n_trained
        The rows that a head learned from, the mean over the folds.
    """

    size: int
    n_trained: float
    scores: OutOfFold


def trained_rows(folds: Folds) -> float:
    """The rows that a head of a fold learns from, the mean over the folds."""
    return float(np.mean([len(fold.train) for fold in folds.for_heads()]))


def shares_of(n_trained: float, n_groups: int, n_points: int) -> tuple[float, ...]:
    """The shares of the rows at the points, rising evenly in their logarithm to 1.

    `n_groups` are those of the table, or its rows where none are related. Raises `FitError` where
    heads learn from fewer than 80 rows, or there are fewer than 20 groups.
    """
    first = max(SMALLEST_SHARE, FEWEST_TRAINED / n_trained, FEWEST_GROUPS / n_groups)
    if first > 1 / 2:
        raise FitError(
            f"a learning curve needs heads that learn from {2 * FEWEST_TRAINED} rows, and"
            f" {2 * FEWEST_GROUPS} groups of related rows",
            f"they learn from {counted(round(n_trained), 'row')} in {counted(n_groups, 'group')}",
            "label more rows, or fit the run with more --folds",
        )
    shares: list[float] = np.geomspace(first, 1, n_points).tolist()
    return tuple(shares)


def fit_samples(
    run: Run, training: Training, folds: Folds, workspace: Workspace, shares: tuple[float, ...]
) -> Iterator[Fit]:
    """Yield a fit for every sample of every size, the smallest first; the last is the run itself.

    Scores are kept in the cache of the workspace, and read from there the next time.
    """
    planned = [
        drawn
        for repeat in range(MOST_REPEATS)
        for drawn in _samples(training, folds, shares, repeat)
    ]
    folder = workspace.cache / "learning" / _key(run)
    for done, (size, sample) in enumerate(sorted(planned, key=lambda drawn: drawn[0])):
        part = replace(folds, learned=sample)
        n_trained = trained_rows(part)
        log.info("fit %d of %d: heads learn from %.0f rows", done + 1, len(planned), n_trained)
        name = hashlib.sha256(np.packbits(sample).tobytes()).hexdigest()[:16]
        scores = _scores(run, training, part, workspace, folder / f"{name}.h5")
        yield Fit(size=size, n_trained=n_trained, scores=scores)
    yield Fit(size=len(shares) - 1, n_trained=trained_rows(folds), scores=run.oof)


def _samples(
    training: Training, folds: Folds, shares: tuple[float, ...], repeat: int
) -> Iterator[tuple[int, BoolArray]]:
    """The samples of one repetition with their sizes; large sizes have few repetitions."""
    drawn = [
        (size, share)
        for size, share in reversed(list(enumerate(shares[:-1])))
        if repeat < min(MOST_REPEATS, round(1 / share))
    ]
    samples = draw_samples(
        training.targets,
        folds,
        training.features.groups,
        shares=[share for _, share in drawn],
        seed=repeat,
    )
    for (size, _), sample in zip(drawn, samples, strict=True):
        yield size, sample


def _scores(
    run: Run, training: Training, folds: Folds, workspace: Workspace, path: Path
) -> OutOfFold:
    """Read the scores that are kept at `path`, or fit the heads of the folds, and keep them."""
    if path.exists():
        try:
            return read_scores(path)
        except RunError as error:
            log.warning("%s; the heads are fitted again", error)
    features = training.learned_by(run.config)
    found = out_of_fold(build_model(run.config, workspace), features, folds)
    scores = replace(run.oof, probabilities=found)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_scores(path, scores)
    return scores


def _key(run: Run) -> str:
    """What identifies the scores: the run's config and data."""
    text = json.dumps([vars(run.config), run.provenance["digest"]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
