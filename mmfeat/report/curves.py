"""The numbers behind the plots of one run: its out-of-fold scores as short lists of points.

A curve of `N_POINTS` points looks like one of 30,000 rows, and is small enough to be on the page
for every class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmfeat.decide.thresholds import TuningData
from mmfeat.decide.thresholds.cuts import Cuts
from mmfeat.decide.thresholds.separable import resampled
from mmfeat.errors import RunError
from mmfeat.metrics.known import known_only, of_known
from mmfeat.metrics.ranking import class_ap
from mmfeat.runs.run import Run
from mmfeat.types import Float64Array, IntArray, RealArray, Targets

Losses = dict[str, list[dict[str, Float64Array]]]

N_POINTS = 61
N_BINS = 15  # of reliability, as in the calibration error
BINNED_ROWS = 2**10  # at a time
BAND = (0.05, 0.95)  # of the best cut over resamples of the rows, as `spread` in thresholds.json
MAX_CLASSES = 100  # that the page shows one by one; thousands would take minutes
GRID: Float64Array = np.linspace(0.0, 1.0, N_POINTS)


@dataclass(frozen=True, kw_only=True)
class ClassCurve:
    """One class with positives.

    Attributes
    ----------
    recall, precision
        Of shape (m,), m ≤ `N_POINTS`, recall rising.
    f1
        F1 at the thresholds `GRID`, of shape (N_POINTS,).
    threshold, f1_there
        The threshold of the run, and F1 at it.
    band
        The interval of the best cut of F1 in 90 % of the resamples of the rows.
    f1_tuned, f1_nested
        As in thresholds.json; None if nothing was tuned.
    """

    label: str
    support: int
    ap: float
    recall: Float64Array
    precision: Float64Array
    f1: Float64Array
    threshold: float
    f1_there: float
    band: tuple[float, float]
    f1_tuned: float | None
    f1_nested: float | None


@dataclass(frozen=True, kw_only=True)
class RunCurves:
    """One run; `labels` are the k labels of the page, `classes` those of them with positives.

    All of it is counted where labels are known.

    Attributes
    ----------
    bins
        Of shape (b, 3), b ≤ `N_BINS`: for the cells in each bin of the probability, their mean
        probability, share of positives and number.
    together_true, together_predicted
        Of shape (k, k): of the rows that have either label, the share that has both.
    sizes_true, sizes_predicted
        Of shape (m,): rows by their number of labels, 0, 1, 2, …
    history
        Losses by part, fold, rows and epoch, (epochs,) float64; NaN where not finite.
    """

    labels: tuple[str, ...]
    classes: tuple[ClassCurve, ...]
    bins: Float64Array
    together_true: Float64Array
    together_predicted: Float64Array
    sizes_true: Float64Array
    sizes_predicted: Float64Array
    history: Losses


def shown_classes(support: Sequence[int] | IntArray) -> tuple[int, ...]:
    """The classes that the page shows: all, or the `MAX_CLASSES` with most positives, in order."""
    commonest = np.argsort(-np.asarray(support, dtype=np.int64), kind="stable")[:MAX_CLASSES]
    return tuple(np.sort(commonest).tolist())


def read_curves(run: Run) -> RunCurves:
    """Compute the curves of a finished run; raise `RunError` if its files are damaged."""
    scores, decision = run.oof, run.decision
    data = TuningData(
        probabilities=scores.probabilities,
        targets=scores.targets,
        seed=int(decision.options.get("seed", 0)),
    ).of_known
    predicted, truth = known_only(decision.decide(scores.probabilities), scores.targets)
    shown = list(shown_classes(data.support))
    ap = class_ap(scores.probabilities[:, shown], scores.targets[:, shown])
    tuned = {row["label"]: row for row in decision.per_class}
    most = int(max(predicted.sum(axis=1).max(), truth.sum(axis=1).max()))
    return RunCurves(
        labels=tuple(scores.labels[j] for j in shown),
        classes=tuple(
            _class_curve(
                data,
                j,
                label=scores.labels[j],
                ap=float(ap[place]),
                threshold=decision.thresholds[j],
                f1_tuned=tuned.get(scores.labels[j], {}).get("f1_tuned"),
                f1_nested=tuned.get(scores.labels[j], {}).get("f1_nested"),
            )
            for place, j in enumerate(shown)
            if data.support[j]
        ),
        bins=_bins(scores.probabilities, scores.targets),
        together_true=_together(truth[:, shown]),
        together_predicted=_together(predicted[:, shown]),
        sizes_true=_sizes(truth, most),
        sizes_predicted=_sizes(predicted, most),
        history=_history(run),
    )


def _class_curve(
    data: TuningData,
    j: int,
    *,
    label: str,
    ap: float,
    threshold: float,
    f1_tuned: float | None,
    f1_nested: float | None,
) -> ClassCurve:
    cuts = data.cuts(j)
    recall = cuts.hits[1:] / cuts.positives
    points = np.unique(np.searchsorted(recall, GRID).clip(max=len(recall) - 1))
    f1 = cuts.f_beta()
    low, high = np.quantile(resampled(cuts, seed=(data.seed, j)), BAND)
    return ClassCurve(
        label=label,
        support=int(data.support[j]),
        ap=ap,
        recall=recall[points],
        precision=(cuts.hits[1:] / cuts.chosen[1:])[points],
        f1=f1[_at(cuts, GRID)],
        threshold=threshold,
        f1_there=float(f1[cuts.at(threshold)]),
        band=(float(low), float(high)),
        f1_tuned=f1_tuned,
        f1_nested=f1_nested,
    )


def _history(run: Run) -> Losses:
    try:
        return {
            part: [
                {rows: np.array(losses, dtype=np.float64) for rows, losses in fold.items()}
                for fold in folds
            ]
            for part, folds in run.history.items()
        }
    except (TypeError, ValueError, AttributeError) as error:
        raise RunError(
            "history.json holds losses by part, fold, rows and epoch",
            f"{run.folder}: {error}",
            "fit the run again",
        ) from error


def _at(cuts: Cuts, thresholds: Float64Array) -> NDArray[np.int64]:
    return np.array([cuts.at(threshold) for threshold in thresholds])


def _bins(probabilities: RealArray, targets: Targets) -> Float64Array:
    totals = np.zeros((3, N_BINS))
    for start in range(0, len(targets), BINNED_ROWS):
        rows = slice(start, start + BINNED_ROWS)
        p, truth = of_known(probabilities[rows].ravel().astype(np.float64), targets[rows].ravel())
        bins = np.minimum((p * N_BINS).astype(np.int64), N_BINS - 1)
        totals += [np.bincount(bins, weights=w, minlength=N_BINS) for w in (p, truth, None)]
    filled = totals[:, totals[2] > 0]
    return np.vstack([filled[:2] / filled[2], filled[2]]).T


def _together(sets: Targets) -> Float64Array:
    """Jaccard index of every pair of columns; 0 if neither label occurs."""
    values = sets.astype(np.float64)
    both = values.T @ values
    count = both.diagonal()
    either = count[:, None] + count[None, :] - both
    share: Float64Array = both / np.maximum(either, 1)
    return share


def _sizes(sets: Targets, most: int) -> Float64Array:
    return np.bincount(sets.sum(axis=1, dtype=np.int64), minlength=most + 1).astype(np.float64)
