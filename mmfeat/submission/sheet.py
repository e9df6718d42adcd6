"""A submission, its sample or a solution as a sheet of texts.

Three formats hold label sets: `labels` (one column of label names with a separator between
them), `multihot` (one column of 0 and 1 per label) and `probabilities` (the same with numbers
from 0 to 1). Columns that are none of these are kept as they are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmfeat.errors import SubmissionError

FORMATS = ("labels", "multihot", "probabilities")
DELIMITERS = (",", "\t", ";", "|")
MAX_NAMED = 5  # ids or labels that an error names


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What the columns are called, and what separates the labels in a cell."""

    id_col: str = "ImageID"
    label_col: str = "Labels"
    label_sep: str = " "


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """The texts of a csv file: its header, and rows that are all as long as it."""

    source: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    delimiter: str = ","

    def column(self, name: str) -> list[str]:
        """The texts of one column; raise `SubmissionError` where there is none of that name."""
        if name not in self.header:
            raise SubmissionError(
                f"{self.source} needs a column {name!r}",
                f"its columns are {', '.join(self.header)}",
                "name the columns with --id-col and --label-col, or mend the header",
            )
        at = self.header.index(name)
        return [row[at] for row in self.rows]

    def ids(self, columns: Columns) -> list[str]:
        """The ids; raise `SubmissionError` where one is empty or occurs twice."""
        ids = self.column(columns.id_col)
        seen: dict[str, int] = {}
        for line, name in enumerate(ids, start=2):
            if not name or name in seen:
                found = f"it occurs in rows {seen[name]} and {line}" if name else "it is empty"
                raise SubmissionError(
                    f"every id of {self.source} is there once",
                    f"row {line}, id {name!r}: {found}",
                    "remove one of the rows",
                )
            seen[name] = line
        return ids

    def text(self) -> str:
        """The sheet as csv with its own delimiter."""
        out = io.StringIO()
        writer = csv.writer(out, delimiter=self.delimiter, lineterminator="\n")
        writer.writerow(self.header)
        writer.writerows(self.rows)
        return out.getvalue()


def read_sheet(path: Path) -> Sheet:
    """Read a csv file; its delimiter is the one of , tab ; | that its header has most of.

    Raises `SubmissionError` where it is missing, no text, empty or ragged, naming the row.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise SubmissionError(
            "the file must exist", f"{path} does not", "check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise SubmissionError(
            "the file must be UTF-8 text", f"{path}: {error}", "save it as UTF-8 csv"
        ) from error
    first = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    try:
        lines = [line for line in csv.reader(io.StringIO(text), delimiter=delimiter) if line]
    except csv.Error as error:
        raise SubmissionError("the file must be csv", f"{path}: {error}", "mend it") from error
    if not lines:
        raise SubmissionError("the file needs a header", f"{path} is empty", "check the path")
    header = lines[0]
    if len(set(header)) < len(header):
        raise SubmissionError(
            "every column has its own name", f"{path}: {', '.join(header)}", "rename one of them"
        )
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(header):
            raise SubmissionError(
                f"every row of {path} has {len(header)} cells",
                f"row {number} has {len(line)}: {delimiter.join(line)[:80]!r}",
                "quote cells that hold the delimiter",
            )
    rows = tuple(tuple(line) for line in lines[1:])
    return Sheet(source=str(path), header=tuple(header), rows=rows, delimiter=delimiter)


def read_sets(sheet: Sheet, columns: Columns) -> list[tuple[str, ...]]:
    """The labels of each row of a sheet of any format (probabilities from 0.5 on)."""
    if columns.label_col in sheet.header:
        return split_cells(sheet, columns)
    names = label_columns(sheet, columns)
    values = read_numbers(sheet, names)
    return [
        tuple(name for name, value in zip(names, row, strict=True) if value >= 0.5)
        for row in values
    ]


def split_cells(sheet: Sheet, columns: Columns) -> list[tuple[str, ...]]:
    """The labels in each cell of the label column; raise where a row names one twice."""
    sets = []
    for line, cell in enumerate(sheet.column(columns.label_col), start=2):
        names = tuple(part.strip() for part in cell.split(columns.label_sep) if part.strip())
        if len(set(names)) < len(names):
            raise SubmissionError(
                "a row names each of its labels once",
                f"{sheet.source}, row {line}: {cell!r}",
                "remove the second one",
            )
        sets.append(names)
    return sets


def label_columns(sheet: Sheet, columns: Columns) -> list[str]:
    """The columns of a multihot or probabilities sheet that are labels: all but the id, if they
    hold numbers."""
    names = []
    for name in sheet.header:
        if name != columns.id_col and all(_is_share(text) for text in sheet.column(name)):
            names.append(name)
    if not names:
        raise SubmissionError(
            f"{sheet.source} needs a column {columns.label_col!r}, or one per label",
            f"its columns are {', '.join(sheet.header)}",
            "name the column with --label-col",
        )
    return names


def read_numbers(sheet: Sheet, names: Sequence[str]) -> list[list[float]]:
    """The numbers from 0 to 1 of the columns `names`, row by row; raise where one is none."""
    at = [sheet.header.index(name) for name in names]
    values = []
    for line, row in enumerate(sheet.rows, start=2):
        for name, i in zip(names, at, strict=True):
            if not _is_share(row[i]):
                raise SubmissionError(
                    f"the column {name!r} of {sheet.source} holds numbers from 0 to 1",
                    f"row {line} has {row[i]!r}",
                    "mend it",
                )
        values.append([float(row[i]) for i in at])
    return values


def same_ids(ids: Iterable[str], wanted: Iterable[str], *, what: str, where: str) -> None:
    """Raise `SubmissionError` unless `ids` of `what` are those that `where` wants, in any order."""
    found, needed = set(ids), set(wanted)
    for rows, verb in ((needed - found, "lacks"), (found - needed, "has in excess")):
        if rows:
            raise SubmissionError(
                f"the ids of {what} are exactly those of {where}",
                f"{what} {verb} {len(rows)} of {len(needed)}: {named(rows)}",
                "check that both are of the same split",
            )


def named(names: Iterable[str]) -> str:
    """Some of the names, sorted, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - MAX_NAMED} more" if len(ordered) > MAX_NAMED else ""
    return ", ".join(ordered[:MAX_NAMED]) + more


def _is_share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False
