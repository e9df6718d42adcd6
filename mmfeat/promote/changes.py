"""Rows that change sides: cells of a row and a label that two models decide differently."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mmfeat.promote.rows import JudgedRows
from mmfeat.types import UNKNOWN, BoolArray

N_EXAMPLES = 5  # of each direction


@dataclass(frozen=True, kw_only=True)
class Change:
    """A label of a row that only one of the two models gives.

    Attributes
    ----------
    old, new, truth
        Whether the label is given by the old model and by the new one, and whether the row has it.
    probabilities
        Of the old and of the new model.
    """

    label: str
    id: str
    old: bool
    new: bool
    truth: bool
    probabilities: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What changes sides.

    Attributes
    ----------
    rows
        How many rows get another label set.
    to_right, to_wrong, unknown
        How many cells of these change from a wrong answer to the right one, from the right one to
        a wrong one, and where the truth is not known.
    examples
        The cells whose probability moves most, first those that become wrong.
    """

    rows: int
    to_right: int
    to_wrong: int
    unknown: int
    examples: tuple[Change, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


def find_changes(rows: JudgedRows, *, n_examples: int = N_EXAMPLES) -> Changes:
    """Find the cells that change, and at most `n_examples` of those that become wrong or right."""
    old, new = (each.sets for each in rows.decided)
    changed, known = old != new, rows.targets != UNKNOWN
    is_right = new == rows.targets
    return Changes(
        rows=int(changed.any(axis=1).sum()),
        to_right=int((changed & known & is_right).sum()),
        to_wrong=int((changed & known & ~is_right).sum()),
        unknown=int((changed & ~known).sum()),
        examples=(
            *_examples(rows, changed & known & ~is_right, n_examples),
            *_examples(rows, changed & known & is_right, n_examples),
        ),
    )


def _examples(rows: JudgedRows, cells: BoolArray, n_examples: int) -> list[Change]:
    at, label = np.nonzero(cells)
    one, other = (scores[at, label] for scores in rows.probabilities)
    most = np.argsort(-np.abs(other - one), kind="stable")[:n_examples]
    return [
        Change(
            label=rows.labels[label[cell]],
            id=rows.ids[at[cell]],
            old=bool(rows.decided[0].sets[at[cell], label[cell]]),
            new=bool(rows.decided[1].sets[at[cell], label[cell]]),
            truth=bool(rows.targets[at[cell], label[cell]]),
            probabilities=(float(one[cell]), float(other[cell])),
        )
        for cell in most
    ]
