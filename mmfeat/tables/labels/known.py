"""Which labels of a row are known, by columns that list the known ones or the uncertain ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmfeat.errors import TableError
from mmfeat.tables.labels.targets import indicator
from mmfeat.types import UNKNOWN, Targets

MAX_TOLD = 6  # labels in a note


def mark_unknown(
    targets: Targets,
    labels: Sequence[str],
    *,
    known: Sequence[Sequence[str]] | None,
    uncertain: Sequence[Sequence[str]] | None,
    source: str,
) -> tuple[Targets, tuple[str, ...]]:
    """Mark what is unknown in `targets`, (n, k), by label sets of its n rows; and give notes.

    With `known`, a label is known of a row that has it, or that lists it there. A label in
    `uncertain` is unknown, whatever else is said of it. Raises `TableError` where none of the
    listed labels is one of `labels`.
    """
    notes: list[str] = []
    if known is not None:
        listed = _listed(known, labels, "--known-col", source, notes)
        targets = np.where(listed | targets, targets, UNKNOWN).astype(np.uint8)
    if uncertain is not None:
        listed = _listed(uncertain, labels, "--uncertain-col", source, notes)
        targets = np.where(listed, UNKNOWN, targets).astype(np.uint8)
    return targets, tuple(notes)


def _listed(
    rows: Sequence[Sequence[str]], labels: Sequence[str], flag: str, source: str, notes: list[str]
) -> Targets:
    """The targets of label sets; other labels are left out, which `notes` tells."""
    wanted, found = set(labels), {label for row in rows for label in row}
    others = sorted(found - wanted)
    more = f" and {len(others) - MAX_TOLD} more" if len(others) > MAX_TOLD else ""
    told = ", ".join(others[:MAX_TOLD]) + more
    if others and len(others) == len(found):
        raise TableError(
            f"{flag} must name a column that lists labels of the table",
            f"none of the {len(found)} in that column of {source} is one: {told}",
            "name another column, or give the separator with --label-sep",
        )
    if others:
        notes.append(f"{flag} lists labels that no row has, which are left out: {told}")
    return indicator([[label for label in row if label in wanted] for row in rows], labels)
