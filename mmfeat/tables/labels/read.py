"""The labels of a table, however they are written, as targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmfeat.tables.labels.cells import LabelCells, read_cells, shared_separator
from mmfeat.tables.labels.columns import read_columns
from mmfeat.tables.labels.known import mark_unknown
from mmfeat.tables.labels.separator import writable_separator
from mmfeat.tables.labels.targets import check_number, indicator, sorted_labels
from mmfeat.tables.labels.variants import Rows, join_variants, whole_numbers
from mmfeat.tables.readers.columns import Columns
from mmfeat.tables.table import TableFormat
from mmfeat.types import Targets


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
    in the order of the columns. `known` are spellings that variants are joined to. Targets are
    unknown where the columns say so, see `mmfeat.tables.labels.known`.
    """
    if format.label_cols:
        found = read_columns(columns, format.label_cols, str(path))
        sign = separator or writable_separator(found.labels)
        listing = [part.rows for part in _read(columns, _listing(format), separator, path)]
        targets, notes = _marked(found.targets, found.labels, listing, format, path)
        return Labels(
            targets=targets,
            labels=found.labels,
            format=replace(format, label_sep=sign),
            notes=(*found.notes, *notes),
        )
    if format.label_col is None:
        return Labels(targets=None, labels=(), format=format)
    name = format.label_col
    cells, *others = _read(columns, (name, *_listing(format)), separator, path)
    format = replace(format, label_sep=cells.separator)
    n_rows = columns.n_rows
    rows, numbers = whole_numbers([row for part in (cells, *others) for row in part.rows])
    distinct = {label for row in rows[:n_rows] for label in row}
    if not distinct:
        note = "the label column is empty; the table counts as unlabelled"
        return Labels(targets=None, labels=(), format=format, notes=(note,))
    check_number(len(distinct), n_rows, f"the column {name!r}", str(path))
    rows, variants = join_variants(rows, join=format.normalise_labels, known=known)
    own = rows[:n_rows]
    listing = [rows[start : start + n_rows] for start in range(n_rows, len(rows), n_rows)]
    labels = sorted_labels({label for row in own for label in row})
    targets, notes = _marked(indicator(own, labels), labels, listing, format, path)
    lists = ("the cells of labels are read as lists",) if cells.as_lists else ()
    return Labels(
        targets=targets,
        labels=labels,
        format=format,
        notes=(*cells.notes, *numbers, *variants, *lists, *notes),
    )


def _listing(format: TableFormat) -> tuple[str, ...]:
    """The columns that list known labels, or uncertain ones."""
    return tuple(name for name in (format.known_col, format.uncertain_col) if name is not None)


def _read(
    columns: Columns, names: Sequence[str], separator: str | None, path: Path
) -> list[LabelCells]:
    """The label sets of several columns; without a `separator`, all have the same."""
    if separator is None and len(names) > 1:
        cells = [columns.values[name] for name in names]
        separator = shared_separator(cells, column=names[0], source=str(path))
    return [
        read_cells(columns.values[name], separator, column=name, source=str(path)) for name in names
    ]


def _marked(
    targets: Targets, labels: Sequence[str], listing: list[Rows], format: TableFormat, path: Path
) -> tuple[Targets, tuple[str, ...]]:
    """The targets with unknown ones, by the label sets of the columns of `_listing`."""
    return mark_unknown(
        targets,
        labels,
        known=None if format.known_col is None else listing[0],
        uncertain=None if format.uncertain_col is None else listing[-1],
        source=str(path),
    )
