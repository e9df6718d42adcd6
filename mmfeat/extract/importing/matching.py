"""Which row of a source belongs to which row of the table: one rule for all rows, and no doubt.

A rule turns names of both sides into keys, e.g. file names without their suffix. The first of
`RULES` that finds more than half of the rows counts, else the one that finds most. No rule is
mixed with another, and a key that stands for two rows of either side is an error: the row of a
source is never given to two rows of a table, nor a row one of two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from mmfeat.errors import ExtractError
from mmfeat.extract.images.nearby import SUFFIXES
from mmfeat.tables.table import Table
from mmfeat.types import IntArray


def _as_written(name: str) -> str:
    return name


def _file_name(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name


def _without_suffix(name: str) -> str:
    """Drop the suffix of an image; what follows another dot is part of the name."""
    stem, dot, suffix = name.rpartition(".")
    return stem if stem and f"{dot}{suffix}".lower() in SUFFIXES else name


def _bare_name(name: str) -> str:
    return _without_suffix(_file_name(name))


@dataclass(frozen=True)
class Rule:
    """Names are the same where `key` of both is; `names` are those of the table."""

    told: str
    names: Callable[[Table], Sequence[str]]
    key: Callable[[str], str]


def _ids(table: Table) -> Sequence[str]:
    return table.ids


def _paths(table: Table) -> Sequence[str]:
    return table.image_paths


RULES = (
    Rule("id", _ids, _as_written),
    Rule("image path", _paths, _as_written),
    Rule("id without suffix", _ids, _without_suffix),
    Rule("image path without suffix", _paths, _without_suffix),
    Rule("file name in the id", _ids, _file_name),
    Rule("file name in the image path", _paths, _file_name),
    Rule("file name in the id without suffix", _ids, _bare_name),
    Rule("file name in the image path without suffix", _paths, _bare_name),
)


@dataclass(frozen=True)
class Matching:
    """For each row of the table the row of the source, (n,), -1: none; and the rule by which."""

    rows: IntArray
    rule: Rule

    @property
    def n_found(self) -> int:
        """How many rows of the table have a row of the source."""
        return int((self.rows >= 0).sum())

    def __str__(self) -> str:
        """The rule and how many rows it found."""
        return f"{self.n_found} of {len(self.rows)} rows matched by {self.rule.told}"


def match_rows(table: Table, names: Sequence[str], source: Path, *, modality: str) -> Matching:
    """Find the rows of a source, whose rows are called `names`, for the rows of a table.

    Raises `ExtractError` where no rule finds a row, or the best one finds two for one.
    """
    best: Matching | None = None
    for rule in _rules_for(table, modality):
        row_of = {rule.key(name): row for row, name in enumerate(names)}
        keys = map(rule.key, rule.names(table))
        rows = np.fromiter((row_of.get(key, -1) for key in keys), np.int64, table.n_rows)
        found = Matching(rows, rule)
        if best is None or found.n_found > best.n_found:
            best = found
        if 2 * best.n_found > table.n_rows:
            break
    assert best is not None, "there are rules"
    if not best.n_found:
        raise ExtractError(
            "the source must name the ids of the table",
            f"{source} names e.g. {names[0]!r}, {table.source} e.g. {table.ids[0]!r}",
            "check --id-col, or that the source belongs to the table",
        )
    _check_distinct(best, table, names, source)
    return best


def _rules_for(table: Table, modality: str) -> Iterator[Rule]:
    """The rules for a table; rows of one image share its embedding, and nothing else."""
    paths = table.image_paths
    by_path = paths != table.ids and (modality == "image" or len(set(paths)) == len(paths))
    return (rule for rule in RULES if by_path or rule.names is _ids)


def _check_distinct(found: Matching, table: Table, names: Sequence[str], source: Path) -> None:
    """Raise `ExtractError` where a key that matched stands for several names of either side."""
    key, own = found.rule.key, found.rule.names(table)
    matched = {key(own[row]) for row in np.flatnonzero(found.rows >= 0).tolist()}
    for where, those in ((table.source, own), (str(source), names)):
        first: dict[str, int] = {}
        for row, name in enumerate(those):
            shared = key(name)
            at = first.setdefault(shared, row)
            if shared in matched and those[at] != name:
                raise ExtractError(
                    "each row of the source belongs to one row of the table",
                    f"by {found.rule.told}, {shared!r} stands for row {at} ({those[at]}) and row"
                    f" {row} ({name}) of {where}",
                    "name the rows of the source by the ids of the table, or name the column of"
                    " ids with --id-col",
                )
