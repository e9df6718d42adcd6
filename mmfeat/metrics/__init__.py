"""Metrics of label sets, of rankings and of probabilities.

Each metric is one function `(probabilities, predicted, targets) -> float | None` and one line
of `METRICS`. Three rules hold for all:

* A class without positives has no F1, recall or average precision: the value is None, and every
  mean over classes leaves it out.
* A ratio 0/0 (nothing predicted, or nothing to find) is 0, as in scikit-learn. Metrics that
  divide take the option `zero_division`; with 1, such a ratio counts as 1.
* A target that is unknown counts nowhere: a class is judged in the rows of which it is known.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmfeat.core.plugins import Plugin, resolve
from mmfeat.errors import counted
from mmfeat.metrics import probability, ranking, sets
from mmfeat.metrics.known import known_cells, positives
from mmfeat.types import Float64Array, FloatArray, Targets

METRICS: dict[str, Plugin] = {
    "macro_f1": Plugin("mmfeat.metrics.sets:macro_f1", "F1 averaged over classes"),
    "micro_f1": Plugin("mmfeat.metrics.sets:micro_f1", "F1 of all rows and classes pooled"),
    "samples_f1": Plugin("mmfeat.metrics.sets:samples_f1", "F1 averaged over rows"),
    "map": Plugin("mmfeat.metrics.ranking:mean_ap", "average precision averaged over classes"),
    "weighted_f1": Plugin(
        "mmfeat.metrics.sets:weighted_f1", "F1 averaged over classes, weighted by support"
    ),
    "weighted_precision": Plugin(
        "mmfeat.metrics.sets:weighted_precision",
        "precision averaged over classes, weighted by support",
    ),
    "weighted_recall": Plugin(
        "mmfeat.metrics.sets:weighted_recall", "recall averaged over classes, weighted by support"
    ),
    "macro_precision": Plugin(
        "mmfeat.metrics.sets:macro_precision", "precision averaged over classes"
    ),
    "macro_recall": Plugin("mmfeat.metrics.sets:macro_recall", "recall averaged over classes"),
    "micro_precision": Plugin(
        "mmfeat.metrics.sets:micro_precision", "precision of all rows and classes pooled"
    ),
    "micro_recall": Plugin(
        "mmfeat.metrics.sets:micro_recall", "recall of all rows and classes pooled"
    ),
    "samples_precision": Plugin(
        "mmfeat.metrics.sets:samples_precision", "precision averaged over rows"
    ),
    "samples_recall": Plugin("mmfeat.metrics.sets:samples_recall", "recall averaged over rows"),
    "subset_accuracy": Plugin(
        "mmfeat.metrics.sets:subset_accuracy", "share of rows whose label set is exactly right"
    ),
    "hamming_loss": Plugin(
        "mmfeat.metrics.sets:hamming_loss", "share of wrong entries of the indicator matrix"
    ),
    "jaccard": Plugin("mmfeat.metrics.sets:jaccard", "intersection over union, averaged over rows"),
    "labels_per_row": Plugin(
        "mmfeat.metrics.sets:labels_per_row", "mean number of true labels per row"
    ),
    "predicted_per_row": Plugin(
        "mmfeat.metrics.sets:predicted_per_row", "mean number of predicted labels per row"
    ),
    "lrap": Plugin("mmfeat.metrics.ranking:lrap", "label ranking average precision"),
    "coverage": Plugin(
        "mmfeat.metrics.ranking:coverage", "mean rank that covers all true labels of a row"
    ),
    "ranking_loss": Plugin(
        "mmfeat.metrics.ranking:ranking_loss", "share of wrongly ordered label pairs"
    ),
    "brier": Plugin("mmfeat.metrics.probability:brier", "mean squared error of the probabilities"),
    "log_loss": Plugin("mmfeat.metrics.probability:log_loss", "mean negative log-likelihood"),
    "calibration_error": Plugin(
        "mmfeat.metrics.probability:mean_calibration_error",
        "expected calibration error averaged over classes",
    ),
}

N_NAMED = 8  # classes that a message names

HEADLINE = ("macro_f1", "micro_f1", "samples_f1", "map")


def summarise(
    probabilities: FloatArray | None,
    predicted: Targets,
    targets: Targets,
    *,
    names: Sequence[str] = HEADLINE,
    zero_division: float = 0.0,
) -> dict[str, float | None]:
    """Compute the metrics `names`; pass `tuple(METRICS)` for all of them.

    `probabilities` are of shape (n, k), in [0, 1]; `predicted` of shape (n, k), 0 or 1, `targets`
    of shape (n, k), 0, 1 or unknown. A metric is None if it needs probabilities and there are none,
    or if no class has positives. Raises `PluginError` for an unknown name.
    """
    found: dict[str, float | None] = {}
    for name in names:
        metric = resolve(name, METRICS, "metric")
        takes = inspect.signature(metric).parameters
        options = {"zero_division": zero_division} if "zero_division" in takes else {}
        if "probabilities" in takes and probabilities is None:
            found[name] = None
        elif "probabilities" in takes:
            found[name] = metric(probabilities, targets, **options)
        else:
            found[name] = metric(predicted, targets, **options)
    return found


def per_class(
    probabilities: FloatArray | None,
    predicted: Targets,
    targets: Targets,
    labels: Sequence[str],
    *,
    zero_division: float = 0.0,
    ap_intervals: Float64Array | None = None,
) -> list[dict[str, Any]]:
    """List label, support, f1, precision, recall, ap and calibration_error of each class.

    Shapes are those of `summarise`. Where targets are unknown, `known` is the number of rows of
    which the class is known. The first four scores are None for a class without positives,
    the last two without probabilities. `ap_intervals` of shape (k, 2) adds `ap_interval`: two
    numbers, or None for NaN.
    """
    scores = sets.class_scores(predicted, targets, zero_division=zero_division)
    ap = errors = np.full(len(labels), np.nan)
    if probabilities is not None:
        ap = ranking.class_ap(probabilities, targets)
        errors = probability.class_calibration_error(probabilities, targets)
    support = positives(targets).sum(axis=0, dtype=np.int64)
    known = known_cells(targets)
    return [
        {
            "label": label,
            "support": int(support[j]),
            **({} if known is None else {"known": int(known[:, j].sum())}),
            "f1": _value(scores.f1[j]),
            "precision": _value(scores.precision[j]),
            "recall": _value(scores.recall[j]),
            "ap": _value(ap[j]),
            "calibration_error": _value(errors[j]),
            **({} if ap_intervals is None else {"ap_interval": _pair(ap_intervals[j])}),
        }
        for j, label in enumerate(labels)
    ]


def without_positives(targets: Targets, labels: Sequence[str]) -> list[str]:
    """Name the classes without positives, which means over classes leave out."""
    support = positives(targets).sum(axis=0, dtype=np.int64)
    return [label for label, count in zip(labels, support, strict=True) if count == 0]


def note_empty_rows(targets: Targets, *, zero_division: float) -> list[str]:
    """A sentence on rows without labels, if there are any: how means over the rows count them."""
    empty = n_empty_rows(targets)
    if not empty:
        return []
    told = counted(empty, f"of {len(targets):,} rows has", f"of {len(targets):,} rows have")
    return [
        f"{told} no labels: samples-f1 counts each as"
        f" {zero_division:g} where nothing is predicted, as it should be, and as 0 elsewhere;"
        " --zero-division changes the former"
    ]


def n_empty_rows(targets: Targets) -> int:
    """The number of rows that are known to have no label."""
    return int((targets == 0).all(axis=1).sum())


def name_classes(labels: Sequence[str], *, most: int = N_NAMED) -> str:
    """Some classes in one line: at most `most` by name, and how many more there are."""
    told = ", ".join(labels[:most])
    return told if len(labels) <= most else f"{told}, … and {len(labels) - most:,} more"


def _pair(values: Float64Array) -> list[float] | None:
    return None if np.isnan(values).any() else values.tolist()


def _value(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
