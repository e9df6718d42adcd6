"""What every format is read as: rows of a split, and counts of what was odd."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmfeat.errors import TableError
from mmfeat.init.roles import CAPTIONS, IDS, LABELS, is_named


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of a split.

    Attributes
    ----------
    picture
        The name of a file below the folder of pictures, or the content of one.
    labels
        None where nobody has labelled the row, which is not the same as no label.
    """

    split: str
    id: str
    picture: str | bytes
    captions: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None


@dataclass(kw_only=True)
class Source:
    """What is converted, and what was found on the way.

    Attributes
    ----------
    path
        The file or the folder.
    images
        Folder of pictures that are files; a format sets it where none is given.
    columns
        Names of columns or fields by their role: ``id_col``, ``text_col``, ``label_col``.
    odd
        How often each thing was found that is told.
    """

    path: Path
    images: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    odd: Counter[str] = field(default_factory=Counter)

    def find(self, role: str, names: Iterable[str]) -> str | None:
        """The name that has a role: the one given, else the first that is called like it."""
        if role in self.columns:
            return self.columns[role] or None
        wanted = ROLES[role]
        return next((name for name in names if is_named(name, wanted)), None)


ROLES = {"id_col": IDS, "text_col": CAPTIONS, "label_col": (*LABELS, "cls")}


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format: whether a file or folder looks like it, and how its rows are read.

    `read` gives the rows one at a time and raises `TableError` for a source that is damaged.
    """

    is_format_of: Callable[[Path], bool]
    read: Callable[[Source], Iterator[Row]]


def texts(value: Any) -> tuple[str, ...]:
    """A text, a number, or a list of them as texts; anything else has none."""
    items = value if isinstance(value, (list, tuple)) else [value]
    return tuple(
        text
        for item in items
        if isinstance(item, (str, int, float)) and (text := str(item).strip())
    )


def damaged(path: Path, finding: str) -> TableError:
    """The error about a source that is not what its format says."""
    return TableError(
        f"{path} must be whole, and of its format",
        finding,
        "get it again, or name its format with --from; see `mmfeat list formats`",
    )
