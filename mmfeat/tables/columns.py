"""What every table reader returns: columns of equal length, and notes on repaired rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of a table by name, in the file's order.

    Attributes
    ----------
    values
        One sequence of length `n_rows` per column; cells are texts, numbers, lists or None.
    notes
        What the reader repaired, one sentence each.
    """

    values: dict[str, Sequence[object]]
    n_rows: int
    notes: tuple[str, ...] = ()


def as_text(cells: Sequence[object]) -> list[str]:
    """Convert cells to texts: None and NaN become empty, 3.0 becomes 3."""
    return [cell if type(cell) is str else _text(cell) for cell in cells]


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return "" if math.isnan(cell) else str(int(cell)) if cell.is_integer() else str(cell)
    return str(cell)
