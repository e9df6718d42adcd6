"""The verb `score`: a submission against the solution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from mmfeat import metrics
from mmfeat.core.checks import check_arguments
from mmfeat.core.settings import override, read_settings
from mmfeat.decide.ap_intervals import class_ap_intervals
from mmfeat.errors import SubmissionError
from mmfeat.metrics.known import judged_rows, known_only, note_unknown
from mmfeat.metrics.sets import row_f1
from mmfeat.predict.sheets import (
    check_same_ids,
    columns_of,
    find_separator_of,
    name_some,
    submission_errors,
)
from mmfeat.tables.label_sets import label_columns, read_numbers, read_sets, read_unknown
from mmfeat.tables.labels import indicator, sorted_labels, split_labels
from mmfeat.tables.labels.known import mark_unknown
from mmfeat.tables.sheet import Sheet, SheetColumns, read_sheet
from mmfeat.types import FloatArray, Targets

N_WORST = 10
_FALSE_ALARMS = "never in the truth, so that each prediction is a false alarm: {}"


@check_arguments
@submission_errors()
def score(
    submission: Path | str,
    truth: Path | str,
    *,
    labels: Sequence[str] | None = None,
    n_worst: int = N_WORST,
    zero_division: float = 0.0,
    id_col: str | None = None,
    label_col: str | None = None,
    label_sep: str | None = None,
    known_col: str | None = None,
    uncertain_col: str | None = None,
) -> dict[str, Any]:
    """Score `submission` against `truth`, both of any format, in any order of rows.

    Returns every metric of `mmfeat.metrics.METRICS` (None where it needs probabilities and the
    submission has label sets), `per_class`, `worst` (the rows of the lowest F1), `rows`,
    `zero_division` and `notes`. The classes are `labels`, or the labels that occur in the truth.
    What the truth says to be unknown, in the ways of a table, counts nowhere. Raises
    """
    data = override(
        read_settings().data,
        id_col=id_col,
        label_col=label_col,
        label_sep=label_sep,
        known_col=known_col,
        uncertain_col=uncertain_col,
    )
    found, wanted = read_sheet(Path(submission)), read_sheet(Path(truth))
    columns = SheetColumns(
        id_col=data.id_col, label_col=data.label_col, label_sep=data.label_sep or " "
    )
    if data.label_sep is None:
        columns = replace(columns, label_sep=find_separator_of(wanted, columns, labels))
    its = columns_of(found, columns)
    ids, order = found.ids(its), wanted.ids(columns)
    check_same_ids(ids, order, what=str(submission), where=str(truth))
    if not order:
        raise SubmissionError("a solution needs rows", f"{truth} has none", "check the path")
    true_sets = dict(zip(order, read_sets(wanted, columns, marks=True), strict=True))
    names = list(labels) if labels is not None else _classes(wanted, true_sets.values(), columns)
    if data.label_sep is None:
        its = replace(its, label_sep=find_separator_of(found, its, names))
    sets = dict(zip(ids, read_sets(found, its), strict=True))
    never = sorted({name for row in sets.values() for name in row} - set(names))
    if labels is None:
        names += never
    listed = {
        name: _listed(wanted, name, columns)
        for name, given in ((data.known_col, known_col), (data.uncertain_col, uncertain_col))
        if name and (given or name in wanted.header)
    }
    doubts = [listed.get(data.uncertain_col or ""), read_unknown(wanted, columns)]
    doubted = [rows for rows in doubts if rows is not None]
    targets, left_out = mark_unknown(
        _matrix(true_sets, order, names, str(truth)),
        names,
        known=listed.get(data.known_col or ""),
        uncertain=[sum(row, ()) for row in zip(*doubted, strict=True)] if doubted else None,
        source=str(truth),
    )
    predicted = _matrix(sets, order, names, str(submission))
    probabilities = _probabilities(found, ids, order, names, its)
    absent = metrics.without_positives(targets, names)
    return {
        **metrics.summarise(
            probabilities,
            predicted,
            targets,
            names=tuple(metrics.METRICS),
            zero_division=zero_division,
        ),
        "per_class": metrics.per_class(
            probabilities,
            predicted,
            targets,
            names,
            zero_division=zero_division,
            ap_intervals=class_ap_intervals(probabilities, targets),
        ),
        "worst": _worst(order, predicted, targets, names, n_worst),
        "rows": len(order),
        "zero_division": zero_division,
        "notes": [
            *([_FALSE_ALARMS.format(name_some(never))] * bool(never)),
            *left_out,
            *note_unknown(targets),
            *(
                [f"no positives, excluded from averages: {metrics.name_classes(absent)}"]
                * bool(absent)
            ),
            *metrics.note_empty_rows(targets, zero_division=zero_division),
        ],
    }


def _classes(wanted: Sheet, sets: Any, columns: SheetColumns) -> list[str]:
    """The labels of the truth: those that occur, sorted, or its label columns in their order."""
    if columns.label_col not in wanted.header:
        return label_columns(wanted, columns, marks=True)
    return list(sorted_labels({name for row in sets for name in row}))


def _listed(wanted: Sheet, name: str, columns: SheetColumns) -> list[tuple[str, ...]]:
    """The labels that a column lists, row by row."""
    return [split_labels(cell, columns.label_sep) for cell in wanted.column(name)]


def _matrix(
    sets: dict[str, tuple[str, ...]], order: Sequence[str], names: Sequence[str], source: str
) -> Targets:
    rows, known = [sets[row_id] for row_id in order], set(names)
    for row_id, row in zip(order, rows, strict=True):
        for name in row:
            if name not in known:
                raise SubmissionError(
                    f"the labels are {name_some(names)}",
                    f"{source}, id {row_id!r} has {name!r}",
                    "correct it, or name all labels of the task with --labels",
                )
    return indicator(rows, names)


def _probabilities(
    found: Sheet,
    ids: Sequence[str],
    order: Sequence[str],
    names: Sequence[str],
    columns: SheetColumns,
) -> FloatArray | None:
    """The submission's probabilities, where it has any between 0 and 1."""
    if columns.label_col in found.header or not set(names) <= set(found.header):
        return None
    values = np.array(read_numbers(found, names), dtype=np.float32)
    if np.isin(values, (0, 1)).all():
        return None
    at = {name: i for i, name in enumerate(ids)}
    return values[[at[name] for name in order]]


def _worst(
    order: Sequence[str],
    predicted: Targets,
    targets: Targets,
    names: Sequence[str],
    n_worst: int,
) -> list[dict[str, Any]]:
    """The rows of the lowest F1, and of equal F1 those with the most wrong labels."""
    sets, truth = known_only(predicted, targets)
    judged, f1 = judged_rows(targets), row_f1(sets, truth)
    rows = np.arange(len(order)) if judged is None else judged
    wrong = (sets != truth).sum(axis=1)
    return [
        {
            "id": order[i],
            "f1": float(f1[i]),
            "true": list(compress(names, truth[i])),
            "predicted": list(compress(names, predicted[i])),
        }
        for i in rows[np.lexsort((-wrong[rows], f1[rows]))[:n_worst]]
    ]
