"""What every table reader returns: columns of equal length, and notes on repaired rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of a table by name, in the file's order.

    Attributes
    ----------
    values
        One sequence of length `n_rows` per column; cells are texts, numbers, lists or None.
    notes
        What the reader repaired, one sentence each.
    repeated
        Names that several columns have; `values` has the first of each.
    """

    values: Mapping[str, Sequence[object]]
    n_rows: int
    notes: tuple[str, ...] = ()
    repeated: frozenset[str] = frozenset()

    def with_plain_names(self) -> Columns:
        """Leave out columns without a name, and remove blanks around the names of the others."""
        plain: dict[str, str] = {}
        repeated = {name.strip() for name in self.repeated}
        for name in self.values:
            if plain.setdefault(name.strip(), name) != name:
                repeated.add(name.strip())
        if list(plain) == list(self.values) and "" not in plain:
            return self
        plain.pop("", None)
        values = LazyCells(plain, self.values.__getitem__)
        return replace(self, values=values, repeated=frozenset(repeated))


Key = TypeVar("Key")


class LazyCells(Mapping[str, Sequence[object]], Generic[Key]):
    """Columns whose cells are read when they are asked for: a wide table costs what is used of it.

    `keys` says by name what `read` is called with.
    """

    def __init__(self, keys: Mapping[str, Key], read: Callable[[Key], Sequence[object]]) -> None:
        self._keys, self._read = keys, read

    def __getitem__(self, name: str) -> Sequence[object]:
        return self._read(self._keys[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, name: object) -> bool:
        return name in self._keys


def as_text(cells: Sequence[object]) -> list[str]:
    """Convert cells to texts: None and NaN become empty, 3.0 becomes 3."""
    return [cell if type(cell) is str else _text(cell) for cell in cells]


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return "" if math.isnan(cell) else str(int(cell)) if cell.is_integer() else str(cell)
    return str(cell)
