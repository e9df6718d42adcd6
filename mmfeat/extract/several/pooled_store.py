"""A store of parts, read as the store of the rows that they make up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfeat.extract.several.parts import BETWEEN, RowParts, join_values
from mmfeat.store.layout import FailedRow
from mmfeat.store.reader import FeatureStore
from mmfeat.types import IntArray

GAP = 1024  # rows: what lies closer is read at once


@dataclass(frozen=True, kw_only=True)
class PooledStore:
    """The rows of `parts`, one modality of which is in `store` part by part."""

    store: FeatureStore
    parts: RowParts

    def __contains__(self, name: str) -> bool:
        """As in `FeatureStore`."""
        return name in self.store

    @property
    def widths(self) -> dict[str, int]:
        """As in `FeatureStore`."""
        return self.store.widths

    def numbers(self, name: str, rows: slice) -> NDArray[Any]:
        """As in `FeatureStore`."""
        bounds = self.parts.bounds[rows.start : rows.stop + 1]
        places = self.parts.places[bounds[0] : bounds[-1]]
        if not len(places):
            return self.store.numbers(name, slice(0, 0))
        values = read_rows(self.store, name, places)
        return join_values(name, values, bounds - bounds[0], self.parts.how)

    @property
    def failed(self) -> Iterator[FailedRow]:
        """Every row without an embedding, and why: of several parts, why the first has none."""
        for row, failed in enumerate(self._failed_by_row):
            parts = self.parts.parts_of(row)
            if len(failed) == len(parts):
                why = failed[0]
                told = "" if len(parts) == 1 else f"none of {len(parts)} parts; {why.part}: "
                status = min(part.status for part in failed)
                yield replace(why, part="", reason=f"{told}{why.reason}", status=status)

    @property
    def failed_parts(self) -> Iterator[FailedRow]:
        """Every part without an embedding, of rows with several, and why.

        A picture is told once, however many captions it has.
        """
        for row, failed in enumerate(self._failed_by_row):
            if len(self.parts.parts_of(row)) > 1:
                yield from {part.part: part for part in failed}.values()

    @cached_property
    def _failed_by_row(self) -> list[list[FailedRow]]:
        """The failed parts of each row."""
        why = {failed.row: failed for failed in self.store.failed}
        return [
            [
                replace(why[at], row=row, id="", part=self.parts.texts[at].partition(BETWEEN)[0])
                for at in self.parts.parts_of(row).tolist()
                if at in why
            ]
            for row in range(len(self.parts.bounds) - 1)
        ]

    def close(self) -> None:
        """Close the store."""
        self.store.close()


def read_rows(store: FeatureStore | PooledStore, name: str, rows: IntArray) -> NDArray[Any]:
    """Read any rows (m,) of a dataset, those that lie near each other together."""
    unique, which = np.unique(rows, return_inverse=True)
    groups = np.split(unique, np.flatnonzero(np.diff(unique) > GAP) + 1)
    parts = [
        store.numbers(name, slice(int(group[0]), int(group[-1]) + 1))[group - group[0]]
        for group in groups
    ]
    return np.concatenate(parts)[which]
