"""The answer of `promote`: the difference of two models, and whether it is within the margin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mmfeat import metrics
from mmfeat.decide.paired import paired_classes, paired_interval
from mmfeat.decide.thresholds import TuningData
from mmfeat.decide.thresholds.evaluate import value_of
from mmfeat.errors import RunError, counted
from mmfeat.metrics.known import note_unknown
from mmfeat.promote.changes import Changes, find_changes
from mmfeat.promote.rows import Candidate, JudgedRows, Models

FORMAT = 1  # of the JSON
FEWEST = 30  # unrelated rows: an interval of fewer tells nothing
Verdict = Literal["better", "not-worse", "unsure", "worse"]


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """Whether a new model may replace an old one.

    Attributes
    ----------
    old, new
        Each with ``name``, ``kind`` (run or bundle), ``decision``, in words, and ``labels``: those
        that it alone knows.
    rows
        ``source``, ``count``, ``unrelated`` (groups of related rows, or rows), ``left_out`` by
        id, content and group, and the ``labels`` that are judged.
    objective, margin
        By what both are judged, and how much worse the new one may be.
    values, difference, interval
        The objective of old and new; new minus old, and its 95 % interval, paired.
    per_class
        For each label, the one that differs most first: ``label``, ``support``, F1 ``old`` and
        ``new`` (None without positives), ``difference``, ``interval``.
    changes
        The rows that change sides.
    notes, doubts
        Remarks, and why the scores of a model may be too good, a sentence each.
    """

    old: dict[str, Any]
    new: dict[str, Any]
    rows: dict[str, Any]
    objective: str
    margin: float
    values: tuple[float, float]
    difference: float
    interval: tuple[float, float]
    per_class: tuple[dict[str, Any], ...]
    changes: Changes
    notes: tuple[str, ...]
    doubts: tuple[str, ...]

    @property
    def promoted(self) -> bool:
        """Whether the lower end of the interval is at least minus the margin."""
        return self.interval[0] >= -self.margin

    @property
    def verdict(self) -> Verdict:
        """``better`` or ``not-worse`` where it is promoted, else ``worse`` or ``unsure``.

        It is better where the whole interval lies above 0, and worse where it lies below minus the
        margin.
        """
        low, high = self.interval
        if self.promoted:
            return "better" if low > 0 else "not-worse"
        return "worse" if high < -self.margin else "unsure"

    def to_json(self) -> dict[str, Any]:
        """Give the answer for a pipeline; keys are only ever added to it."""
        return {
            "format": FORMAT,
            "promoted": self.promoted,
            "verdict": self.verdict,
            "objective": self.objective,
            "margin": self.margin,
            "values": {"old": self.values[0], "new": self.values[1]},
            "difference": self.difference,
            "interval": list(self.interval),
            "old": self.old,
            "new": self.new,
            "rows": self.rows,
            "per_class": list(self.per_class),
            "changes": self.changes.to_json(),
            "notes": list(self.notes),
            "doubts": list(self.doubts),
        }


def judge(
    rows: JudgedRows,
    models: Models,
    *,
    objective: str,
    margin: float,
    options: Mapping[str, float],
) -> Promotion:
    """Compare two models on rows that both decided; `options` are those of the objective.

    Raises `RunError` where there are too few rows for an interval, or none with a label.
    """
    if rows.n_unrelated < FEWEST:
        raise RunError(
            f"two models are compared on {FEWEST} unrelated rows or more",
            f"{rows.source} gives {rows.n_unrelated} of them",
            "give more rows",
        )
    data = TuningData(
        probabilities=rows.probabilities[1],
        targets=rows.targets,
        groups=rows.groups,
        beta=options.get("beta", TuningData.beta),
        floor=options.get("floor", TuningData.floor),
    )
    if not data.support.any():
        raise RunError(
            "two models are compared on rows that have labels which both know",
            f"no row of {rows.source} has one of {metrics.name_classes(rows.labels)}",
            "check the spelling of the labels and the name of their column",
        )
    was, now = rows.decided
    values = value_of(objective, data, was.sets), value_of(objective, data, now.sets)
    difference = values[1] - values[0]
    absent = metrics.without_positives(rows.targets, rows.labels)
    return Promotion(
        old=_told(*models),
        new=_told(*models[::-1]),
        rows={
            "source": rows.source,
            "count": len(rows.ids),
            "unrelated": rows.n_unrelated,
            "left_out": rows.left_out,
            "labels": list(rows.labels),
        },
        objective=objective,
        margin=margin,
        values=values,
        difference=difference,
        interval=paired_interval(objective, data, now, was, difference=difference),
        per_class=tuple(map(_class, paired_classes(rows.labels, data, now, was))),
        changes=find_changes(rows),
        notes=(
            *rows.notes,
            *_notes(models, objective),
            *note_unknown(rows.targets),
            *([f"no positives, not judged: {metrics.name_classes(absent)}"] * bool(absent)),
        ),
        doubts=rows.doubts,
    )


def _told(one: Candidate, other: Candidate) -> dict[str, Any]:
    return {
        "name": one.run.name,
        "kind": one.kind,
        "decision": one.decision.describe(),
        "labels": [label for label in one.run.labels if label not in other.run.labels],
    }


def _class(row: dict[str, Any]) -> dict[str, Any]:
    new, old = row["f1"] or (None, None)
    known = {key: row[key] for key in ("label", "support")}
    return {**known, "old": old, "new": new} | {k: row[k] for k in ("difference", "interval")}


def _notes(models: Models, objective: str) -> list[str]:
    notes = []
    for one, other in (models, models[::-1]):
        alone = [label for label in one.run.labels if label not in other.run.labels]
        if alone:
            many = counted(len(alone), "label", "labels")
            notes.append(
                f"{one.run.name} alone knows {many}, not judged: {metrics.name_classes(alone)}"
            )
        if one.decision.objective != objective:
            notes.append(
                f"{one.run.name} was not tuned for {objective}; it is judged as it decides:"
                f" {one.decision.describe()}"
            )
    return notes
