"""Read a table of any registered kind and check it, so that no later stage has to."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mmfeat.config import DataSettings
from mmfeat.core.plugins import Plugin, resolve
from mmfeat.errors import TableError
from mmfeat.tables.columns import Columns, as_text
from mmfeat.tables.labels import targets_from_columns, targets_from_text
from mmfeat.types import Table

READERS: dict[str, Plugin] = {
    ".csv": Plugin("mmfeat.tables.delimited:read_csv", "delimited text, UTF-8"),
    ".tsv": Plugin("mmfeat.tables.delimited:read_csv", "delimited text, UTF-8"),
    ".parquet": Plugin("mmfeat.tables.parquet:read_parquet", "Apache Parquet"),
    ".jsonl": Plugin("mmfeat.tables.jsonl:read_jsonl", "one JSON object a line, UTF-8"),
}
NESTED = {dict, list, bytes}


def read_table(path: Path, *, data: DataSettings) -> Table:
    """Read the table at `path` by its suffix (see `READERS`), with the column names of `data`.

    Captions are None where the table has no caption column, targets where it has no labels.
    Labels are in numerical order where all are whole numbers, else in alphabetical order.
    Raises `TableError` for a missing, empty or broken file, a missing id column, empty or
    repeated ids, cells that are objects or (but for labels) lists, and text that no store can
    hold (NUL, lone surrogates).
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise TableError(
            f"a table is one of {', '.join(READERS)}",
            f"{path} ends in {path.suffix!r}",
            "convert it, or rename it if only the suffix is wrong",
        )
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "is not there"
        raise TableError(
            "the table must be a file", f"{path} {found}", "check the path of the table"
        )
    content = path.read_bytes()
    columns: Columns = resolve(suffix, READERS, "table reader")(content, str(path), data.text_col)
    if columns.n_rows == 0:
        raise TableError(
            "a table needs at least one row", f"{path} has none", "check that it is the right file"
        )
    for name in (data.id_col, data.image_col, data.text_col, data.label_col):
        _check_flat(columns.values.get(name or "", ()), name, path, lists=name == data.label_col)
    ids = as_text(_column(columns, data.id_col, path, option="--id-col"))
    _check_ids(ids, data.id_col, path)
    image_paths = (
        ids
        if data.image_col is None
        else as_text(_column(columns, data.image_col, path, option="--image-col"))
    )
    captions = as_text(columns.values[data.text_col]) if data.text_col in columns.values else None
    for name, texts in (("id", ids), ("image name", image_paths), ("caption", captions or ())):
        check_storable(name, texts, path)
    targets, labels, label_notes = (
        targets_from_columns(columns, data.label_cols, path)
        if data.label_cols
        else targets_from_text(columns.values.get(data.label_col), data.label_sep)
    )
    check_storable("label", labels, path)
    return Table(
        ids=tuple(ids),
        image_paths=tuple(image_paths),
        captions=None if captions is None else tuple(captions),
        targets=targets,
        labels=labels,
        source=str(path),
        sha256=hashlib.sha256(content).hexdigest(),
        notes=(*columns.notes, *_case_note(ids), *label_notes),
    )


def _column(columns: Columns, name: str, path: Path, *, option: str) -> Sequence[object]:
    if name not in columns.values:
        raise TableError(
            f"the table must have the column {name!r}",
            f"{path} has {', '.join(repr(c) for c in columns.values)}",
            f"name the right column with {option}",
        )
    return columns.values[name]


def _check_flat(
    cells: Sequence[object], name: str | None, path: Path, *, lists: bool = False
) -> None:
    """Refuse nested cells, which have no plain text; `lists` allows lists of labels."""
    if NESTED.isdisjoint(map(type, cells)):
        return
    for row, cell in enumerate(cells):
        for part in cell if lists and isinstance(cell, list) else (cell,):
            if type(part) in NESTED:
                raise TableError(
                    "a cell must be text or a number",
                    f"row {row} of {path} has {str(part)[:60]} in {name!r}",
                    "write it as text, or name another column",
                )


def _check_ids(ids: Sequence[str], column: str, path: Path) -> None:
    for row, value in enumerate(ids):
        if not value.strip():
            raise TableError(
                "every row needs an id",
                f"row {row} of {path} has none in {column!r}",
                "fill it in or remove the row",
            )
    if len(set(ids)) == len(ids):
        return
    seen: dict[str, int] = {}
    for row, value in enumerate(ids):
        if value in seen:
            twice = sum(count - 1 for count in Counter(ids).values())
            raise TableError(
                "ids must be unique",
                f"rows {seen[value]} and {row} of {path} are both {value!r}"
                f" ({twice} repeated rows in all)",
                "remove or rename the repeated rows",
            )
        seen[value] = row


def check_storable(name: str, texts: Sequence[str], path: Path) -> None:
    """Raise `TableError` for a text with a NUL or a lone surrogate, which no store can hold."""
    try:
        if "\0" not in "\n".join(texts).encode("utf-8").decode("utf-8"):
            return
    except UnicodeEncodeError:
        pass
    for row, text in enumerate(texts):
        if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
            raise TableError(
                f"every {name} must be plain text",
                f"row {row} of {path} has a NUL or half a character in it: {text[:60]!r}",
                "remove that character",
            )


def _case_note(ids: Sequence[str]) -> tuple[str, ...]:
    clashes = len(ids) - len({value.lower() for value in ids})
    if not clashes:
        return ()
    return (f"{clashes} ids differ from another only by case; they are kept apart",)
