"""Which rows of a table are related, held out together, or follow each other in time."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from mmfeat.core.groups import group_texts
from mmfeat.errors import TableError
from mmfeat.tables.readers.columns import Columns, as_text
from mmfeat.tables.table import TableFormat
from mmfeat.types import Float64Array

MOST_FOLDS = 50  # each of them is a fit


def read_groups(
    columns: Columns,
    format: TableFormat,
    ids: Sequence[str],
    image_paths: Sequence[str],
    *,
    shared: Sequence[str] | None = None,
    path: Path,
    must_match: bool,
) -> tuple[str, ...] | None:
    """Give each row the name of its group, (n,); a row without relatives may have "".

    Rows are related that share a value of one of the columns, or what the pattern finds, or that
    are so through other rows; so are rows with equal names in `shared`, (n,): those of pictures
    that several rows show among others. None where nothing says what is related. Raises
    `TableError` for a pattern that is none, or that finds nothing where it `must_match`.
    """
    ways = {
        name: [text.strip() for text in as_text(columns.values[name])] for name in format.group_cols
    }
    if format.group_regex is not None:
        found = _matches(format.group_regex, ids, image_paths)
        if must_match and not any(found):
            raise TableError(
                "--group-regex must match the id or the path of some rows",
                f"{format.group_regex!r} matches none of {path}, e.g. not {ids[0]!r}",
                "correct it; it is searched anywhere in the text, ^ is the beginning",
            )
        ways["--group-regex"] = found
    if shared is not None:
        ways["image"] = list(shared)
    if len(ways) < 2:
        return next((tuple(names) for names in ways.values()), None)
    groups = group_texts(*ways.values())
    if groups is None:
        return ("",) * len(ids)
    name_of = {
        row: next((f"{way}: {names[row]}" for way, names in ways.items() if names[row]), "")
        for row in np.unique(groups).tolist()
    }
    return tuple(name_of[row] for row in groups.tolist())


def _matches(pattern: str, ids: Sequence[str], image_paths: Sequence[str]) -> list[str]:
    """What the pattern finds in each id, or else in the path: its first group, or all of it."""
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise TableError(
            "--group-regex must be a regular expression",
            f"{pattern!r}: {error}",
            r"correct it, e.g. '^(\d{6})'",
        ) from error
    found = [search(id_) or search(picture) for id_, picture in zip(ids, image_paths, strict=True)]
    return ["" if m is None else (m[1] if m.re.groups else m[0]) or "" for m in found]


def read_folds(columns: Columns, name: str | None, path: Path) -> tuple[str, ...] | None:
    """The fold that the table names for each row, (n,); None where no column was named."""
    if name is None:
        return None
    folds = tuple(text.strip() for text in as_text(columns.values[name]))
    if "" in folds:
        raise TableError(
            "every row needs a fold",
            f"row {folds.index('')} of {path} has none in {name!r}",
            "fill it in, remove the row, or leave out --fold-col",
        )
    if not 2 <= len(set(folds)) <= MOST_FOLDS:
        raise TableError(
            f"a column of folds must name 2 to {MOST_FOLDS}, each in many rows",
            f"{name!r} of {path} names {len(set(folds))}, e.g. {folds[0]!r:.40}",
            "name another column (rows that belong together: --group-col), or none",
        )
    return folds


def read_times(columns: Columns, name: str | None, path: Path) -> Float64Array | None:
    """The time of each row, (n,): a number, or seconds since 1970; None without a column.

    Raises `TableError` unless all cells are numbers, or all are dates as ISO 8601 writes them.
    """
    if name is None:
        return None
    texts = [text.strip() for text in as_text(columns.values[name])]
    parse = _number if _is_number(texts[0]) else _seconds
    times = np.empty(len(texts))
    for row, text in enumerate(texts):
        try:
            times[row] = parse(text)
        except (ValueError, OverflowError) as error:
            raise TableError(
                "times are all numbers, or all dates such as 2024-05-31 or 2024-05-31T12:00",
                f"row {row} of {path} has {text!r:.60} in {name!r}",
                "write it so, remove the row, or leave out --time-col",
            ) from error
    return times


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{value} is no time")
    return value


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _seconds(text: str) -> float:
    """Seconds since 1970 of a date; without a zone it is one of UTC."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
