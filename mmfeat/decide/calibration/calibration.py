"""Calibration: maps that make a class's probabilities match the observed frequencies.

For each class the map is chosen by its log-loss on folds that it was not fitted on. If no map is
better than the raw probabilities by more than one standard error, they stay as they are. Every
map rises, so thresholds on the raw probabilities keep their meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmfeat.core.parallel import thread_map
from mmfeat.decide.calibration.binned_logits import COARSE
from mmfeat.decide.calibration.calibrator import Calibrator
from mmfeat.decide.calibration.class_maps import ClassMaps, Reliability, other_folds
from mmfeat.metrics.known import of_known
from mmfeat.metrics.probability import class_calibration_error, class_log_loss
from mmfeat.types import FloatArray, IntArray, Targets

MANY = 2**13  # rows above which smooth maps are fitted on binned logits
THREADED = 2**18  # and classes in threads: on fewer rows, numpy's calls are so short that they wait


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The maps of all classes, and the reliability before and after mapping each held-out fold.

    Attributes
    ----------
    maps
        One per class, fitted on all rows.
    before, after
        `log_loss` and `calibration_error`, means over the classes.
    without
        For each fold the maps fitted on the other folds; empty unless requested.
    """

    maps: tuple[Calibrator, ...]
    before: dict[str, float]
    after: dict[str, float]
    without: tuple[tuple[Calibrator, ...], ...] = ()


def fit_calibration(
    probabilities: FloatArray,
    targets: Targets,
    folds: IntArray,
    *,
    nested: bool = False,
    many: int = MANY,
    coarse: bool = False,
) -> Calibration:
    """Choose and fit a map for each class; if `nested`, also without each fold.

    `probabilities` and `targets` are of shape (n, k), `folds` of shape (n,). A class is calibrated
    in the rows of which it is known, unless a fold has none. With more than
    `many` rows, smooth maps are fitted on binned logits. `coarse` is for many classes: only Platt's
    map is tried, on coarse bins, and whether a class has a map without a fold is decided with it.
    """
    how: dict[str, Any] = {"many": many}
    if coarse:
        how = {"many": 0, "width": COARSE, "kinds": ("platt",)}
    all_rows = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]

    def fit_class(j: int) -> tuple[Calibrator, list[Calibrator], Reliability, Reliability]:
        rows = [of_known(part, targets[part, j])[0] for part in all_rows]
        if not all(map(len, rows)):
            raw = _reliability(probabilities[:, [j]], targets[:, [j]])
            return Calibrator(), [Calibrator()] * len(rows) * (coarse or nested), raw, raw
        class_maps = ClassMaps(probabilities[:, j], targets[:, j], rows, **how)
        best, held_out = class_maps.best(class_maps.folds)
        without = (
            list(held_out)
            if coarse
            else [
                class_maps.best(other_folds(class_maps.folds, fold))[0]
                for fold in class_maps.folds * nested
            ]
        )
        before = class_maps.reliability((Calibrator(),) * len(rows))
        after = class_maps.reliability(held_out) if best.kind != "identity" else before
        return best, without, before, after

    classes = range(targets.shape[1])
    is_threaded = len(probabilities) > THREADED
    fits = thread_map(fit_class, classes) if is_threaded else map(fit_class, classes)
    maps, without, before, after = zip(*fits, strict=True)
    return Calibration(
        maps=maps,
        before=_means(before),
        after=_means(after),
        without=tuple(zip(*without, strict=True)),
    )


def _reliability(probabilities: FloatArray, targets: Targets) -> Reliability:
    """That of one class, (n, 1), without a map; NaN where nothing is known of it."""
    loss = class_log_loss(probabilities, targets)
    return float(loss[0]), float(class_calibration_error(probabilities, targets)[0])


def _means(classes: Sequence[Reliability]) -> dict[str, float]:
    known = [one for one in classes if not np.isnan(one[0])]
    log_loss, error = np.mean(known, axis=0).tolist()
    return {"log_loss": log_loss, "calibration_error": error}
