"""From out-of-fold scores to a decision, with an honest estimate of what it is worth.

1. a map is fitted to each class's probabilities where that helps on held-out folds;
2. thresholds are chosen for the objective on all rows;
3. `nested`: for each fold the same is done on the other folds alone, and this fold is decided
   by it; what is tuned looks better on its own rows than on new ones, `nested` does not;
4. for samples-F1, decoding by expected F1 is taken where the calibrated probabilities can be
   trusted and it is not worse than thresholds on the held-out folds;
5. where no method was asked for, thresholds leave 0.5 only if tuning pays: if the 95 % interval
   of the gain on the held-out folds lies above 0.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmfeat import metrics
from mmfeat.decide.calibration.calibration import Calibration, fit_calibration
from mmfeat.decide.decision import Decision
from mmfeat.decide.expected_f1 import fill_empty
from mmfeat.decide.intervals import MOST_REFITTED, Resamples, can_spread, per_class, spread
from mmfeat.decide.thresholds import (
    HALF,
    OBJECTIVES,
    TuningData,
    choose_thresholds,
    method_of,
    unmet,
    value_of,
)
from mmfeat.decide.thresholds.samples import MOST_CELLS, drawn_rows, rows_used
from mmfeat.errors import ConfigError, RunError
from mmfeat.types import IntArray, OutOfFold, Targets

TRUSTED = 0.05  # mean calibration error up to which expected F1 is believed
DRAWING = ("coordinate", "expected-f1")  # methods that look at some of very many rows


def tune(
    scores: OutOfFold,
    *,
    objective: str = "macro-f1",
    method: str | None = None,
    seed: int = 0,
    beta: float = 2.0,
    floor: float = 0.9,
) -> Decision:
    """Decide how out-of-fold `scores` become label sets.

    `beta` is of the objective f-beta, `floor` of precision-at-least and recall-at-least.
    Raises `PluginError` or `ConfigError` for an objective, method or option that there is not,
    and `RunError` where the scores are not probabilities, or come from one fold.
    """
    name = method_of(objective, method)
    _check(scores)
    targets, folds = scores.targets, scores.folds
    problem = TuningData(
        probabilities=scores.probabilities,
        targets=targets,
        beta=_checked("beta", beta, low=0.01, high=100.0) if objective == "f-beta" else 1.0,
        floor=_checked("floor", floor, low=0.0, high=1.0),
        seed=seed,
    )
    calibration = fit_calibration(
        problem.probabilities, targets, folds, nested=name == "expected-f1"
    )
    notes: list[str] = []
    decision = Decision(
        labels=scores.labels,
        thresholds=_chosen(problem, objective, name),
        objective=objective,
        method=name,
        calibration=calibration.maps,
        reliability={"before": calibration.before, "after": calibration.after},
        options=_options(problem, objective),
    )
    nested = _nested(decision, problem, folds, calibration)
    resamples = Resamples(problem)
    for other in OBJECTIVES[objective].instead if method is None else ():
        thresholds = _chosen(problem, objective, other)
        rival = replace(decision, method=other, thresholds=thresholds)
        found = _nested(rival, problem, folds, calibration)
        gain = resamples.intervals(
            objective, {"at_0.5": nested["thresholds"], "nested": found["thresholds"]}
        )["gain"]
        if gain[0] > 0:
            notes += [f"{other} is used in place of {name}: it is better on held-out folds"]
            name, decision, nested = other, rival, found
    half, tuned = problem.predict(np.full(problem.n_labels, HALF)), None
    if name == "expected-f1":
        tuned, reason = _decode(decision, problem, half, nested)
        notes += reason
        if tuned is not None:
            decision = replace(decision, decode="expected-f1")
    predicted = {
        "at_0.5": half,
        "tuned": decision.decide(problem.probabilities) if tuned is None else tuned,
        "nested": nested[decision.decode],
    }
    notes += _notes(decision, problem, predicted["tuned"])
    worth = {key: value_of(objective, problem, found) for key, found in predicted.items()}
    ranges = resamples.intervals(objective, predicted)
    notes += [_verdict(objective, worth, ranges["gain"])]
    is_mean = not objective.endswith("at-least")  # a floor is to be met, whatever 0.5 would give
    if method is None and is_mean and ranges["gain"][0] <= 0:
        notes += [f"thresholds stay at 0.5; --method {name} gives the tuned ones all the same"]
        decision = replace(decision, thresholds=(HALF,) * problem.n_labels, decode="thresholds")
        predicted = dict.fromkeys(predicted, half)
        worth = dict.fromkeys(worth, worth["at_0.5"])
        ranges = {**dict.fromkeys(ranges, ranges["at_0.5"]), "gain": [0.0, 0.0]}
    of_sets = {
        key: metrics.summarise(None, found, targets, names=metrics.HEADLINE)
        for key, found in predicted.items()
    }
    of_ranking = metrics.summarise(problem.probabilities, half, targets, names=("map",))
    return replace(
        decision,
        oof={
            key: {objective.replace("-", "_"): worth[key], **found, **of_ranking}
            for key, found in of_sets.items()
        },
        optimism=worth["tuned"] - worth["nested"],
        intervals=ranges,
        per_class=per_class(decision, problem, predicted, spread(problem, objective, name)),
        notes=tuple(notes),
        held_out=predicted["nested"],
    )


def _options(problem: TuningData, objective: str) -> dict[str, float]:
    options = {"f-beta": {"beta": problem.beta}}
    if objective.endswith("at-least"):
        options[objective] = {"floor": problem.floor}
    return {"seed": problem.seed, **options.get(objective, {})}


def _nested(
    decision: Decision, problem: TuningData, folds: IntArray, calibration: Calibration
) -> dict[str, Targets]:
    """Label sets of each fold as decided on the other folds, by thresholds and by decoding."""
    decodes = ["thresholds"] + ["expected-f1"] * (decision.method == "expected-f1")
    predicted = {decode: np.empty_like(problem.targets) for decode in decodes}
    for place, fold in enumerate(np.unique(folds)):
        inside = folds == fold
        rest = np.flatnonzero(~inside)
        if decision.method in DRAWING:  # a copy of the other rows would take much memory
            rest = rest[drawn_rows(problem, len(rest))]
        other = replace(
            decision,
            thresholds=_chosen(problem.rows(rest), decision.objective, decision.method),
            calibration=calibration.without[place] if calibration.without else (),
        )
        for decode in decodes:
            predicted[decode][inside] = other.decide(problem.probabilities[inside], decode=decode)
    return predicted


def _chosen(problem: TuningData, objective: str, method: str) -> tuple[float, ...]:
    return tuple(choose_thresholds(problem, objective=objective, method=method).tolist())


def _decode(
    decision: Decision, problem: TuningData, half: Targets, nested: dict[str, Targets]
) -> tuple[Targets | None, list[str]]:
    """Decode all rows by expected F1; None, and why, where thresholds are to be preferred."""

    def worth(predicted: Targets) -> float:
        filled = fill_empty(predicted, problem.probabilities, empty="top1")
        return value_of(decision.objective, problem, filled)

    error = decision.reliability["after"]["calibration_error"]
    by_set, by_cut = worth(nested["expected-f1"]), worth(nested["thresholds"])
    decoded = decision.decide(problem.probabilities, decode="expected-f1")
    if error > TRUSTED:
        reason = f"the calibration error on the folds, {error:.3f}, is above {TRUSTED}"
    elif by_set < by_cut:
        reason = f"on the folds thresholds reach {by_cut:.4f}, decoding {by_set:.4f}"
    elif value_of(decision.objective, problem, decoded) < value_of(
        decision.objective, problem, half
    ):
        reason = "on all rows it is worse than 0.5"
    else:
        return decoded, []
    return None, [f"thresholds are used in place of expected-f1: {reason}"]


def _notes(decision: Decision, problem: TuningData, tuned: Targets) -> list[str]:
    labels = np.array(decision.labels)
    notes = []
    absent = labels[problem.support == 0]
    if len(absent):
        notes += [f"no positives, left out of means: {', '.join(absent)}"]
    few = labels[problem.rare & (problem.support > 0)]
    if len(few) and decision.method not in ("global", "micromacro", "fixed"):
        notes += [
            f"fewer than {problem.min_positives} positives, sharing a threshold: {', '.join(few)}"
        ]
    n_rows = len(problem.targets)
    if decision.method in DRAWING and rows_used(problem) < n_rows:
        notes += [
            f"thresholds are chosen on {rows_used(problem):,} of {n_rows:,} rows drawn at random:"
            f" samples-f1 ties the rows' labels, and more than {MOST_CELLS:,} scores take minutes"
        ]
    if not can_spread(problem, decision.objective):
        notes += [
            f"no spread of thresholds: above {MOST_REFITTED:,} scores, and these are"
            f" {problem.targets.size:,}, only macro-f1 and f-beta have one"
        ]
    failing = labels[unmet(decision.objective, problem, tuned)]
    if len(failing):
        notes += [
            f"no threshold reaches {problem.floor:g}, the closest is taken: {', '.join(failing)}"
        ]
    return notes


def _verdict(objective: str, worth: dict[str, float], gain: list[float]) -> str:
    """Whether tuning pays, in words."""
    difference = worth["nested"] - worth["at_0.5"]
    told = (
        f"on held-out folds {objective} is {worth['nested']:.4f} against {worth['at_0.5']:.4f}"
        f" at 0.5 (gain {difference:+.4f}, 95 % interval {gain[0]:+.4f} to {gain[1]:+.4f})"
    )
    if gain[0] > 0:
        return f"tuning pays: {told}"
    if difference > 0:
        return f"tuning may pay, but the gain is within chance: {told}"
    return f"tuning does not pay: {told}"


def _check(scores: OutOfFold) -> None:
    p, targets = scores.probabilities, scores.targets
    remedy = "fit the run again"
    if len(np.unique(scores.folds)) < 2:
        raise RunError("out-of-fold scores come from two folds or more", "there is one", remedy)
    if p.shape != targets.shape or p.shape[1:] != (len(scores.labels),) or len(p) < 2:
        raise RunError(
            "scores and targets have one row per id and one column per label, two rows at least",
            f"they are of shape {p.shape} and {targets.shape} for {len(scores.labels)} labels",
            remedy,
        )
    if p.size and not (p.min() >= 0 and p.max() <= 1):  # NaN is neither
        row, column = np.argwhere(~((p >= 0) & (p <= 1)))[0]
        raise RunError(
            "scores are probabilities from 0 to 1",
            f"the row {scores.ids[row]!r} has {p[row, column]} for {scores.labels[column]!r}",
            remedy,
        )


def _checked(option: str, value: float, *, low: float, high: float) -> float:
    if not low < value <= high:
        raise ConfigError(
            f"--{option} lies above {low:g} and is at most {high:g}",
            f"it is {value!r}",
            "change its value",
        )
    return value
