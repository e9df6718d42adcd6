"""The labels of a table, however they are written, as targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmfeat.tables.labels.cells import read_cells
from mmfeat.tables.labels.columns import read_columns
from mmfeat.tables.labels.separator import writable_separator
from mmfeat.tables.labels.targets import check_number, indicator, sorted_labels
from mmfeat.tables.labels.variants import join_variants, whole_numbers
from mmfeat.tables.readers.columns import Columns
from mmfeat.types import TableFormat, Targets


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Targets (n, k) or None, their labels, the format with its separator, and what is told."""

    targets: Targets | None
    labels: tuple[str, ...]
    format: TableFormat
    notes: tuple[str, ...] = ()


def read_labels(
    columns: Columns,
    format: TableFormat,
    path: Path,
    *,
    separator: str | None,
    known: Sequence[str] = (),
) -> Labels:
    """Read the labels of the columns of `format`; without a `separator`, it is found in the cells.

    There are no targets where there is no label column, or no label in it. Labels of cells are in
    numerical order where all are whole numbers, else in alphabetical order; those of columns are
    in the order of the columns. `known` are spellings that variants are joined to.
    """
    if format.label_cols:
        found = read_columns(columns, format.label_cols, str(path))
        sign = separator or writable_separator(found.labels)
        return Labels(
            targets=found.targets,
            labels=found.labels,
            format=replace(format, label_sep=sign),
            notes=found.notes,
        )
    if format.label_col is None:
        return Labels(targets=None, labels=(), format=format)
    name = format.label_col
    cells = read_cells(columns.values[name], separator, column=name, source=str(path))
    format = replace(format, label_sep=cells.separator)
    rows, numbers = whole_numbers(cells.rows)
    distinct = {label for row in rows for label in row}
    if not distinct:
        note = "the label column is empty; the table counts as unlabelled"
        return Labels(targets=None, labels=(), format=format, notes=(note,))
    check_number(len(distinct), columns.n_rows, f"the column {name!r}", str(path))
    rows, variants = join_variants(rows, join=format.normalise_labels, known=known)
    labels = sorted_labels({label for row in rows for label in row})
    lists = ("the cells of labels are read as lists",) if cells.as_lists else ()
    return Labels(
        targets=indicator(rows, labels),
        labels=labels,
        format=format,
        notes=(*numbers, *variants, *lists),
    )
