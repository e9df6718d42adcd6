"""From out-of-fold scores to a decision, with an honest estimate of its value.

1. A calibration map is fitted for each class if it helps on held-out folds. With many classes, only
   where label sets are decoded by it.
2. Thresholds are chosen for the objective on all rows.
3. `nested`: for each fold, the same is done on the other folds, and the fold is decided with the
   result. Tuned scores are optimistic on the rows they were tuned on; `nested` is not.
4. For samples-F1, expected F1 decodes if it is not worse than thresholds on the held-out folds.
5. If the user named no method, thresholds leave 0.5 only if `nested` is above `at_0.5`. For a mean
   over classes they do unless the interval of the gain lies below 0, which loses least
   (`benchmarks/decide/coverage.py`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmfeat import metrics
from mmfeat.config import ThresholdSettings
from mmfeat.core.checks import check_choice
from mmfeat.decide.calibration.calibration import fit_calibration
from mmfeat.decide.decision import Decision
from mmfeat.decide.expected_f1 import fill_empty
from mmfeat.decide.nested import Candidate, Nested, nested
from mmfeat.decide.notes import WARNING, remarks, side_effects, verdict
from mmfeat.decide.per_class import per_class, spread
from mmfeat.decide.resampling import interval, resampled_values
from mmfeat.decide.thresholds import HALF, OBJECTIVES, TuningData
from mmfeat.decide.thresholds.choose import choose_thresholds, method_of
from mmfeat.decide.thresholds.evaluate import value_of
from mmfeat.decide.thresholds.tuning_data import LIMITS, Limits
from mmfeat.errors import ConfigError, RunError, counted
from mmfeat.types import IntArray, OutOfFold, Targets

OF_SETS = (*metrics.HEADLINE, "predicted_per_row")


def tune(
    scores: OutOfFold,
    *,
    objective: str = ThresholdSettings.objective,
    method: str | None = None,
    decode: str | None = None,
    seed: int = 0,
    beta: float = ThresholdSettings.beta,
    floor: float = ThresholdSettings.floor,
    limits: Limits = LIMITS,
) -> Decision:
    """Decide how out-of-fold `scores` become label sets.

    `method` and `decode` default to those of the objective; if given, they are used even if they
    do not pay. `beta` is of the objective f-beta, `floor` of precision-at-least and
    recall-at-least. Raises `PluginError` or `ConfigError` for an unknown objective, method, decode
    or option, and `RunError` where the scores are not probabilities, or come from one fold.
    """
    name = method_of(objective, method)
    decodes = _decodes(objective, method, decode)
    _check(scores)
    targets, folds = scores.targets, scores.folds
    data = TuningData(
        probabilities=scores.probabilities,
        targets=targets,
        beta=_checked("beta", beta, low=0.01, high=100.0) if objective == "f-beta" else 1.0,
        floor=_checked("floor", floor, low=0.0, high=1.0),
        seed=seed,
        limits=limits,
        groups=scores.groups,
    )
    is_decoding = "expected-f1" in decodes
    calibration = None
    if is_decoding or not data.has_many_classes:
        calibration = fit_calibration(
            data.by_class[0].T,
            data.by_class[1].T,
            folds,
            nested=is_decoding,
            coarse=data.has_many_classes,
        )
    decision = Decision(
        labels=scores.labels,
        thresholds=_chosen(data, objective, name),
        objective=objective,
        method=name,
        calibration=calibration.maps if calibration else (),
        reliability=(
            {"before": calibration.before, "after": calibration.after} if calibration else {}
        ),
        options=_options(data, objective),
    )
    decision, found, notes = _best_method(decision, data, folds, is_free=method is None)
    tuned: Targets | None = None
    if is_decoding and calibration:
        decoded = nested(
            data,
            folds,
            objective,
            Candidate(method=decision.method, decode="expected-f1"),
            calibrations=calibration.without,
        )
        tuned = decision.decide(data.probabilities, decode="expected-f1")
        if reason := _against_decoding(decision, data, tuned, by_cut=found, by_set=decoded):
            tuned = None
            notes += [f"thresholds are used instead of expected-f1: {reason}"]
        else:
            decision, found = replace(decision, decode="expected-f1"), decoded
    half = data.predict(np.full(data.n_labels, HALF))
    predicted = {
        "at_0.5": half,
        "tuned": decision.decide(data.probabilities) if tuned is None else tuned,
        "nested": found.sets,
    }
    notes += remarks(decision, data, predicted["tuned"])
    worth = {key: value_of(objective, data, found) for key, found in predicted.items()}
    ranges = intervals(objective, data, folds, half=half, held_out=found.sets)
    told = [verdict(objective, worth, ranges["gain"])]
    is_free, stays = method is None and decode is None, ""
    gain = worth["nested"] - worth["at_0.5"]
    if is_free and _stays(objective, gain, ranges["gain"]):
        asked = decision.decode if decision.decode != "thresholds" else decision.method
        stays = f"thresholds stay at 0.5; --method {asked} uses the tuned ones anyway"
        decision = replace(decision, thresholds=(HALF,) * data.n_labels, decode="thresholds")
        predicted = dict.fromkeys(predicted, half)
        worth = dict.fromkeys(worth, worth["at_0.5"])
        ranges = {**ranges, "nested": ranges["at_0.5"], "gain": [0.0, 0.0]}
    elif is_free and gain <= 0 and not objective.endswith("at-least"):
        told += ["thresholds are tuned all the same; --method fixed keeps 0.5"]
    of_sets = {
        key: metrics.summarise(None, found, targets, names=OF_SETS)
        for key, found in predicted.items()
    }
    told += [stays] if stays else side_effects(decision, data, of_sets)
    notes += sorted(told, key=lambda note: not note.startswith(WARNING))  # a warning comes first
    of_ranking = metrics.summarise(data.probabilities, half, targets, names=("map",))
    return replace(
        decision,
        oof={
            key: {objective.replace("-", "_"): worth[key], **found, **of_ranking}
            for key, found in of_sets.items()
        },
        optimism=worth["tuned"] - worth["nested"],
        intervals=ranges,
        per_class=per_class(decision, data, predicted, spread(data, objective, decision.method)),
        notes=tuple(notes),
        held_out=predicted["nested"],
    )


def _options(data: TuningData, objective: str) -> dict[str, float]:
    options = {"f-beta": {"beta": data.beta}}
    if objective.endswith("at-least"):
        options[objective] = {"floor": data.floor}
    return {"seed": data.seed, **options.get(objective, {})}


def _decodes(objective: str, method: str | None, decode: str | None) -> tuple[str, ...]:
    """The decodes to try, the preferred one first."""
    known = OBJECTIVES[objective].decodes
    if decode is not None:
        check_choice(f"decode of {objective}", decode, known)
        return known if decode == known[0] else (decode,)
    return known if method is None else ("thresholds",)


def _best_method(
    decision: Decision, data: TuningData, folds: IntArray, *, is_free: bool
) -> tuple[Decision, Nested, list[str]]:
    """The decision by the best method on held-out folds, its result there, and notes.

    Another method replaces the default if the 95 % interval of its gain lies above 0.
    """
    objective, notes = decision.objective, []
    found = nested(data, folds, objective, Candidate(method=decision.method))
    for other in OBJECTIVES[objective].instead if is_free else ():
        rival = nested(data, folds, objective, Candidate(method=other))
        ranges = intervals(objective, data, folds, half=found.sets, held_out=rival.sets)
        if ranges["gain"][0] > 0:
            notes += [
                f"{other} is used instead of {decision.method}: it is better on held-out folds"
            ]
            thresholds = _chosen(data, objective, other)
            decision, found = replace(decision, method=other, thresholds=thresholds), rival
    return decision, found, notes


def intervals(
    objective: str, data: TuningData, folds: IntArray, *, half: Targets, held_out: Targets
) -> dict[str, list[float]]:
    """95 % intervals of the objective `at_0.5` and `nested`, and of the `gain` between them.

    `half` and `held_out` are the label sets at 0.5 and those that other folds decided, (n, k).
    """
    sets = {"at_0.5": half, "nested": held_out}
    values = resampled_values(
        objective,
        data,
        {0: folds},
        {name: {0: each} for name, each in sets.items()},
        seed=data.seed,
    )
    worth = {name: value_of(objective, data, each) for name, each in sets.items()}
    values["gain"] = values["nested"] - values["at_0.5"]
    worth["gain"] = worth["nested"] - worth["at_0.5"]
    return {name: list(interval(each, worth[name])) for name, each in values.items()}


def _chosen(data: TuningData, objective: str, method: str) -> tuple[float, ...]:
    return tuple(choose_thresholds(data, objective=objective, method=method).tolist())


def _stays(objective: str, gain: float, interval: list[float]) -> bool:
    """Whether thresholds stay at 0.5, by the gain on held-out folds and its 95 % interval."""
    if objective.endswith("at-least"):  # a floor must be met, whatever 0.5 gives
        return False
    return interval[1] < 0 if OBJECTIVES[objective].unless_loss else gain <= 0


def _against_decoding(
    decision: Decision,
    data: TuningData,
    decoded: Targets,
    *,
    by_cut: Nested,
    by_set: Nested,
) -> str | None:
    """Why thresholds are used instead of expected F1; None if they are not.

    `decoded` are the label sets of greatest expected F1 on all rows.
    """

    def worth(predicted: Targets) -> float:
        filled = fill_empty(predicted, data.probabilities, empty="top1")
        return value_of(decision.objective, data, filled)

    cut, set_ = worth(by_cut.sets), worth(by_set.sets)
    half = data.predict(np.full(data.n_labels, HALF))
    if set_ < cut:
        return f"on held-out folds thresholds reach {cut:.4f}, decoding {set_:.4f}"
    if value_of(decision.objective, data, decoded) < value_of(decision.objective, data, half):
        return "on all rows it is worse than 0.5"
    return None


def _check(scores: OutOfFold) -> None:
    p, targets = scores.probabilities, scores.targets
    remedy = "fit the run again"
    if len(np.unique(scores.folds)) < 2:
        raise RunError("out-of-fold scores come from at least two folds", "there is one", remedy)
    if p.shape != targets.shape or p.shape[1:] != (len(scores.labels),) or len(p) < 2:
        raise RunError(
            "scores and targets have a row per id, a column per label, and at least two rows",
            f"they are of shape {p.shape} and {targets.shape},"
            f" for {counted(len(scores.labels), 'label')}",
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
            f"--{option} must be above {low:g} and at most {high:g}",
            f"it is {value!r}",
            "change its value",
        )
    return value
