"""What `tune` says about a decision: remarks, its side effects and its verdict."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mmfeat.decide.decision import Decision
from mmfeat.decide.per_class import can_spread
from mmfeat.decide.thresholds import SAMPLED, TuningData
from mmfeat.decide.thresholds.evaluate import unmet
from mmfeat.decide.thresholds.samples import rows_used
from mmfeat.decide.thresholds.separable import FEWER_RESAMPLES, N_RESAMPLES
from mmfeat.errors import counted
from mmfeat.metrics import n_empty_rows, name_classes
from mmfeat.metrics.known import note_unknown
from mmfeat.metrics.sets import labels_per_row
from mmfeat.types import Targets

Scores = Mapping[str, float | None]

MUCH_LOWER = 0.05  # a loss of another objective that is worth a warning
MANY_TIMES = 2.0  # the true number of labels per row

WARNING = "warning: "  # how such a sentence begins


def remarks(decision: Decision, data: TuningData, tuned: Targets) -> list[str]:
    """What is unknown, left out, sampled or not reached; `tuned`, (n, k), are the label sets."""
    notes = note_unknown(data.targets)

    def named(chosen: np.ndarray) -> str:
        return name_classes([decision.labels[j] for j in np.flatnonzero(chosen)])

    absent = data.support == 0
    if absent.any():
        notes += [f"no positives, excluded from averages: {named(absent)}"]
        if decision.method != "fixed" and not absent.all():
            notes += [
                "a class without positives is predicted only above its highest score on these rows"
            ]
    few = data.rare & ~absent
    if few.any() and decision.method not in ("global", "micromacro", "fixed"):
        notes += [f"fewer than {data.min_positives} positives, sharing a threshold: {named(few)}"]
    n_rows = len(data.targets)
    if decision.method in SAMPLED and rows_used(data) < n_rows:
        notes += [
            f"thresholds are chosen on {rows_used(data):,} of {n_rows:,} rows drawn at random:"
            " samples-f1 couples the labels of a row, so that at most"
            f" {data.limits.sampled_cells:,} scores are used"
        ]
    if not can_spread(data, decision.objective):
        notes += [
            "no spread of thresholds: with this many scores"
            f" ({n_rows:,} rows of {data.n_labels:,} classes) only macro-f1 and f-beta have one"
        ]
    if data.has_many_classes:
        simpler = "only samples-f1 calibrates the probabilities"
        if decision.reliability:
            simpler = "calibration tries Platt's map alone, on binned scores"
        if decision.method == "bootstrap":
            simpler += f", and {FEWER_RESAMPLES} resamples instead of {N_RESAMPLES} choose a cut"
        notes += [f"with {data.n_labels:,} classes, {simpler}"]
    if empty := n_empty_rows(data.targets):
        told = counted(empty, f"of {n_rows:,} rows has", f"of {n_rows:,} rows have")
        notes += [
            f"{told} no labels: in samples-f1 each counts as 0, even if"
            " nothing is predicted; `mmfeat runs RUN --zero-division 1` counts that as 1"
        ]
    failing = unmet(decision.objective, data, tuned)
    if failing.any():
        notes += [f"no threshold reaches {data.floor:g}; the closest is used: {named(failing)}"]
    return notes


def side_effects(decision: Decision, data: TuningData, of_sets: Mapping[str, Scores]) -> list[str]:
    """What the decision does to the other objectives and to the number of labels per row.

    `of_sets` are the scores `at_0.5` and `nested`. The sentence is a warning where another
    objective falls by more than `MUCH_LOWER`, or where rows get more than `MANY_TIMES` as many
    labels as they have, and more than at 0.5.
    """
    half, found = of_sets["at_0.5"], of_sets["nested"]
    aim = decision.objective.replace("-", "_")
    losses, told = [], []
    for name in ("macro_f1", "micro_f1", "samples_f1"):
        before, after = half[name], found[name]
        if name == aim or before is None or after is None:
            continue
        told.append(f"{name.replace('_', '-')} {before:.4f} -> {after:.4f}")
        losses.append(before - after)
    true = labels_per_row(data.targets, data.targets) or 0.0
    before, after = half["predicted_per_row"] or 0.0, found["predicted_per_row"] or 0.0
    is_bad = max(losses) > MUCH_LOWER or (after > MANY_TIMES * true and after > before)
    sentence = (
        f"other metrics on held-out folds, from 0.5 to tuned: {', '.join(told)},"
        f" labels per row {before:.1f} -> {after:.1f} (true: {true:.1f})"
    )
    if not is_bad:
        return [sentence]
    other = "micro-f1" if decision.objective == "samples-f1" else "samples-f1"
    return [f"{WARNING}{sentence}; --objective {other} optimises the label sets of rows instead"]


def far_from(mean: float, true: float, *, where: str, objective: str) -> str:
    """Say that rows get far more or fewer labels than those `where` have; nothing else.

    `mean` and `true` are labels per row.
    """
    is_many = mean > MANY_TIMES * true
    if not is_many and mean * MANY_TIMES >= true:
        return ""
    why = ""
    if is_many and objective != "samples-f1":
        generous = "macro-f1 is generous with rare labels; " * (objective == "macro-f1")
        why = f": {generous}for tags that people read, see `mmfeat compare --objective samples-f1`"
    return f"{mean:.1f} labels per row, but {true:.1f} in {where}{why}"


def verdict(objective: str, worth: dict[str, float], gain: list[float]) -> str:
    """A sentence on whether tuning pays."""
    difference = worth["nested"] - worth["at_0.5"]
    found = (
        f"on held-out folds {objective} is {worth['nested']:.4f} against {worth['at_0.5']:.4f}"
        f" at 0.5 (gain {difference:+.4f}, 95 % interval {gain[0]:+.4f} to {gain[1]:+.4f})"
    )
    if gain[0] > 0:
        return f"tuning pays: {found}"
    if difference > 0:
        return f"tuning probably pays, though the gain may be chance: {found}"
    if gain[1] >= 0:
        return f"tuning probably does not pay, though the loss may be chance: {found}"
    return f"tuning does not pay: {found}"
