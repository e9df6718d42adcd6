"""Cells of label sets: text with a separator, lists as text, or the lists of parquet and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmfeat.errors import TableError
from mmfeat.tables.labels.lists import FLATTEN, are_lists, parse_list
from mmfeat.tables.labels.separator import (
    find_separator,
    note_unused,
    split_labels,
    writable_separator,
)
from mmfeat.tables.labels.variants import Rows
from mmfeat.tables.readers.columns import as_text

SEQUENCES = (list, tuple, np.ndarray)
NESTED = (dict, list, tuple, bytes, np.ndarray)


@dataclass(frozen=True, kw_only=True)
class LabelCells:
    """The labels of each row, what separates them where they are text, and notes about it."""

    rows: Rows
    separator: str
    as_lists: bool = False
    notes: tuple[str, ...] = ()


def read_cells(
    cells: Sequence[object], separator: str | None, *, column: str, source: str
) -> LabelCells:
    """Read the label sets of a column; without a `separator`, it is found.

    Raises `TableError` for structures, and where the separator is not clear.
    """
    for row, cell in enumerate(cells):
        if isinstance(cell, (dict, bytes)):
            raise _structure(cell, row, column, source)
    texts = _texts(cells)
    counts = Counter(text for text in texts if text.strip())
    listed = {
        row: _flat(cell, row, column, source)
        for row, cell in enumerate(cells)
        if isinstance(cell, SEQUENCES)
    }
    if are_lists(counts):
        parsed = {text: parse_list(text, column, source) for text in counts}
        rows = [listed.get(row) or parsed.get(text, ()) for row, text in enumerate(texts)]
        return _of_lists(rows, separator)
    if listed and not counts:
        return _of_lists([listed.get(row, ()) for row in range(len(texts))], separator)
    _check_structures(counts, column, source)
    found = separator or find_separator(counts, column, source)
    split = {text: split_labels(text, found) for text in counts}
    rows = [listed.get(row) or split.get(text, ()) for row, text in enumerate(texts)]
    notes = note_unused(counts, separator) if separator else ()
    return LabelCells(rows=rows, separator=found, notes=notes)


def shared_separator(
    columns: Sequence[Sequence[object]], *, column: str, source: str
) -> str | None:
    """Find the separator of the texts of several columns, the first of them named `column`.

    None where they are lists; raises as `read_cells`.
    """
    counts = Counter(text for cells in columns for text in _texts(cells) if text.strip())
    return None if are_lists(counts) or not counts else find_separator(counts, column, source)


def _texts(cells: Sequence[object]) -> list[str]:
    """The cells as texts; empty where one is a list."""
    return ["" if isinstance(cell, SEQUENCES) else as_text([cell])[0] for cell in cells]


def _of_lists(rows: Rows, separator: str | None) -> LabelCells:
    labels = list({label for row in rows for label in row})
    return LabelCells(rows=rows, separator=separator or writable_separator(labels), as_lists=True)


def _flat(cell: object, row: int, column: str, source: str) -> tuple[str, ...]:
    parts = list(cell)  # type: ignore[call-overload]  # one of SEQUENCES
    for part in parts:
        if isinstance(part, NESTED):
            raise _structure(part, row, column, source)
    return tuple(name for part in as_text(parts) if (name := part.strip()))


def _structure(found: object, row: int, column: str, source: str) -> TableError:
    return TableError(
        "labels must be names, not structures",
        f"row {row} of {source} has {str(found)[:60]} in {column!r}",
        FLATTEN,
    )


def _check_structures(counts: Counter[str], column: str, source: str) -> None:
    """Refuse cells of a mixed column that are structures, as JSON writes them."""
    for text in counts:
        if text.strip()[:2] in ("[{", "{'", '{"', "[[") and text.strip()[-1:] in "]}":
            parse_list(text, column, source)
    n_lists = sum(n for text, n in counts.items() if are_lists((text,)))
    if 2 * n_lists > counts.total():
        odd = next(text for text in counts if not are_lists((text,)))
        raise TableError(
            "either all label cells are lists or none",
            f"{column!r} of {source} has lists, and {odd[:60]!r}",
            "write that cell as a list, too",
        )
