"""A submission, its sample or a solution as a sheet of texts, read row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mmfeat.errors import TableError
from mmfeat.tables.readers.delimited import (
    SAMPLE_LINES,
    find_delimiter,
    read_rows,
    repeated_names,
)
from mmfeat.tables.readers.encoding import read_lines


@dataclass(frozen=True, kw_only=True)
class SheetColumns:
    """The names of the columns of a sheet, and what separates the labels in a cell."""

    id_col: str = "ImageID"
    label_col: str = "Labels"
    label_sep: str = " "


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """The texts of a delimited file: its header, and rows that are all as long as it.

    The rows can be iterated again and again; those of a file are never in memory all at once.
    """

    source: str
    header: tuple[str, ...]
    rows: Iterable[Sequence[str]]
    delimiter: str = ","

    def column(self, name: str) -> Iterator[str]:
        """The texts of one column; raise `TableError` for an unknown name."""
        if name not in self.header:
            raise TableError(
                f"{self.source} needs a column {name!r}",
                f"its columns are {', '.join(self.header)}",
                "name the columns with --id-col and --label-col, or correct the header",
            )
        at = self.header.index(name)
        return (row[at] for row in self.rows)

    def ids(self, columns: SheetColumns) -> list[str]:
        """The ids; raise `TableError` for an empty or repeated one."""
        seen: dict[str, int] = {}
        for line, name in enumerate(self.column(columns.id_col), start=2):
            if not name or name in seen:
                found = f"it occurs in rows {seen[name]} and {line}" if name else "it is empty"
                raise TableError(
                    f"the ids of {self.source} must be unique",
                    f"row {line}, id {name!r}: {found}",
                    "remove one of the rows",
                )
            seen[name] = line
        return list(seen)


@dataclass(frozen=True)
class FileRows:
    """The rows of a delimited file below its header, read each time they are asked for."""

    path: Path
    delimiter: str

    def __iter__(self) -> Iterator[list[str]]:
        rows = read_file(self.path, self.delimiter)
        next(rows, None)
        return rows


def read_sheet(path: Path) -> Sheet:
    """Open a delimited file; its delimiter is found in its header.

    Raises `TableError` where it is missing, empty or no UTF-8 text; iterating over its rows
    raises one that names a row of another length.
    """
    delimiter = find_delimiter(list(islice(read_lines(path), SAMPLE_LINES)))
    header = next(read_file(path, delimiter), None)
    if header is None:
        raise TableError("the file needs a header", f"{path} is empty", "check the path")
    if repeated := repeated_names(header):
        raise TableError(
            "column names must be unique", f"{path} has {repeated[0]!r} twice", "rename one of them"
        )
    rows = FileRows(path, delimiter)
    return Sheet(source=str(path), header=tuple(header), rows=rows, delimiter=delimiter)


def read_file(path: Path, delimiter: str) -> Iterator[list[str]]:
    """The header and the rows of a file; quotes inside cells need not be doubled."""
    return read_rows(read_lines(path), delimiter, source=str(path), strict=False)
