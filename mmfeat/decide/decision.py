"""The decision of `tune-thresholds`: how the probabilities of a run become label sets.

`predict`, `submit` and every estimate call `Decision.decide`, so they always agree.
`thresholds.json` is the result of `to_json`. Thresholds apply to the raw probabilities of the
run; calibration is used by expected F1 only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mmfeat.core.checks import check_choice
from mmfeat.core.parallel import thread_map
from mmfeat.decide.calibration.calibrator import Calibrator, calibrate
from mmfeat.decide.expected_f1 import DECODES, decode_expected_f1, fill_empty
from mmfeat.errors import RunError, counted
from mmfeat.types import FloatArray, Targets

SLICE_CELLS = 2**20  # per thread at a time, which bounds the memory

HALVES = "none"  # the objective of 0.5 for every label

Estimates = dict[str, dict[str, float | None]]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Thresholds or decoding, and their value on the tuning rows.

    Attributes
    ----------
    thresholds
        One per label; a label is predicted where its probability is at least this.
    decode
        `thresholds` or `expected-f1`.
    calibration
        One map per label; empty: the raw probabilities are used.
    oof
        Metrics `at_0.5`, `tuned` and `nested`. `nested` is the honest estimate: each fold is
        decided with thresholds chosen on the other folds.
    optimism
        Tuned minus nested, of the objective.
    intervals
        95 % intervals of the objective: `at_0.5`, `nested`, and `gain`, which is `nested` minus
        `at_0.5`. `tuned` has none: it is optimistic.
    reliability
        Log-loss and calibration error `before` and `after` calibration, out of fold.
    per_class
        One row per label.
    options
        Of the objective: beta, floor, seed.
    notes
        Remarks for the user, one sentence each.
    held_out
        The label sets behind `nested`, of shape (n, k); stored beside thresholds.json.
    """

    labels: tuple[str, ...]
    thresholds: tuple[float, ...]
    objective: str
    method: str
    decode: str = "thresholds"
    calibration: tuple[Calibrator, ...] = ()
    oof: Estimates = field(default_factory=dict)
    optimism: float | None = None
    intervals: dict[str, list[float]] = field(default_factory=dict)
    reliability: dict[str, dict[str, float]] = field(default_factory=dict)
    per_class: tuple[dict[str, Any], ...] = ()
    options: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    held_out: Targets | None = field(default=None, compare=False, repr=False)

    def decide(
        self,
        probabilities: FloatArray,
        *,
        empty: str = "blank",
        decode: str | None = None,
        slice_cells: int = SLICE_CELLS,
    ) -> Targets:
        """Turn probabilities of shape (n, k) into label sets of shape (n, k), 0 or 1.

        `decode` overrides that of the decision. `empty` is `top1` (a row without labels gets its
        most probable one) or `blank`. Raises `RunError` if the number of labels differs or a
        probability is missing, and `ConfigError` for an unknown choice.
        """
        if probabilities.ndim != 2 or probabilities.shape[1] != len(self.labels):
            raise RunError(
                f"these thresholds are for {counted(len(self.labels), 'label')}",
                f"the scores are of shape {probabilities.shape}",
                "tune the thresholds of the run that gave the scores",
            )
        if probabilities.size and np.isnan(probabilities.min()):
            row, column = np.argwhere(np.isnan(probabilities))[0]
            raise RunError(
                "a decision needs a probability for each row and label",
                f"row {row} has none for {self.labels[column]!r}",
                "fit the run again",
            )
        how = self.decode if decode is None else decode
        check_choice("--decode", how, DECODES)
        predicted = np.empty(probabilities.shape, dtype=np.uint8)
        slice_rows = max(1, slice_cells // max(1, len(self.labels)))

        def decide_part(start: int) -> None:
            part = probabilities[start : start + slice_rows]
            if how == "expected-f1":
                calibrated = calibrate(self.calibration, part) if self.calibration else part
                sets = decode_expected_f1(calibrated)
            else:
                sets = (part >= np.array(self.thresholds)).view(np.uint8)
            predicted[start : start + slice_rows] = fill_empty(sets, part, empty=empty)

        thread_map(decide_part, range(0, len(probabilities), slice_rows))
        return predicted

    def thresholds_in_use(self, decode: str | None = None) -> tuple[float, ...] | None:
        """The thresholds, (k,), that `decide` cuts at; None where it maximises expected F1."""
        return self.thresholds if (decode or self.decode) == "thresholds" else None

    def describe(self, decode: str | None = None) -> str:
        """How it decides, in a few words; `decode` as in `decide`."""
        if (decode or self.decode) == "expected-f1":
            how = "sets of greatest expected F1"
        elif all(value == 0.5 for value in self.thresholds):
            how = "0.5 for every label"
        else:
            how = f"thresholds by {self.method}"
        return f"{how}, not tuned" if self.objective == HALVES else f"{how}, for {self.objective}"

    def to_json(self) -> dict[str, Any]:
        """The content of thresholds.json."""
        return {
            "objective": self.objective,
            "method": self.method,
            "options": self.options,
            "thresholds": dict(zip(self.labels, self.thresholds, strict=True)),
            "decode": self.decode,
            "oof": self.oof,
            "optimism": self.optimism,
            "intervals": self.intervals,
            "reliability": self.reliability,
            "per_class": list(self.per_class),
            "calibration": {
                label: f.to_json() for label, f in zip(self.labels, self.calibration, strict=False)
            },
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Decision:
        """Read the result of `to_json`; raise `RunError` if a part is missing or invalid."""
        try:
            thresholds = {str(k): float(v) for k, v in document["thresholds"].items()}
            if not all(math.isfinite(value) for value in thresholds.values()):
                raise ValueError("a threshold is not finite")
            maps = document.get("calibration", {})
            return cls(
                labels=tuple(thresholds),
                thresholds=tuple(thresholds.values()),
                objective=document["objective"],
                method=document["method"],
                decode=document["decode"],
                calibration=tuple(_calibrator(maps[label]) for label in thresholds if maps),
                oof=document["oof"],
                optimism=document.get("optimism"),
                intervals=document.get("intervals", {}),
                reliability=document.get("reliability", {}),
                per_class=tuple(document["per_class"]),
                options=document.get("options", {}),
                notes=tuple(document.get("notes", ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunError(
                "thresholds.json must hold what tune-thresholds wrote",
                f"it does not: {type(error).__name__} {error}",
                "run `mmfeat tune-thresholds` again",
            ) from error


def halves(labels: Sequence[str]) -> Decision:
    """The decision where nothing was tuned: 0.5 for every label."""
    names = tuple(labels)
    return Decision(labels=names, thresholds=(0.5,) * len(names), objective=HALVES, method="fixed")


def _calibrator(document: dict[str, Any]) -> Calibrator:
    parameters: Sequence[float] = document["parameters"]
    return Calibrator(document["kind"], tuple(float(value) for value in parameters))
