"""Read a table of any registered kind and check it, so that no later stage has to."""

from __future__ import annotations

import hashlib
import shlex
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from mmfeat.config import DataSettings, choices_of
from mmfeat.core.checks import check_choice
from mmfeat.core.files import names_beside, why_no_file
from mmfeat.core.plugins import Plugin, resolve
from mmfeat.errors import TableError, counted, did_you_mean
from mmfeat.tables.find_columns import find_columns
from mmfeat.tables.labels.read import read_labels
from mmfeat.tables.labels.rename import rename_labels
from mmfeat.tables.parts import read_parts, sharing, unescaped, with_suffix
from mmfeat.tables.readers.columns import Columns, as_text
from mmfeat.tables.related import read_folds, read_groups, read_times
from mmfeat.tables.table import Table, TableFormat

READERS: dict[str, Plugin] = {
    ".csv": Plugin("mmfeat.tables.readers.delimited:read_csv", "delimited text, UTF-8 or UTF-16"),
    ".tsv": Plugin("mmfeat.tables.readers.delimited:read_csv", "delimited text, UTF-8 or UTF-16"),
    ".parquet": Plugin("mmfeat.tables.readers.parquet:read_parquet", "Apache Parquet"),
    ".jsonl": Plugin("mmfeat.tables.readers.jsonl:read_jsonl", "one JSON object a line, UTF-8"),
}
NESTED = frozenset({dict, list, tuple, bytes})
POOLS = choices_of(DataSettings, "pool")
NO_TEXT = NESTED - {list, tuple}  # nor parts of a row


def read_table(
    path: Path,
    *,
    data: DataSettings | TableFormat,
    named: Collection[str] = (),
    known: Sequence[str] = (),
) -> Table:
    """Read the table at `path` by its suffix (see `READERS`), with the column names of `data`.

    With the `format` of another table as `data`, it is read in the same way; it may lack captions
    and labels. `named` are fields of `data` that name columns which must be there, and `known`
    labels whose spelling `normalise_labels` gives to their variants.

    Captions are None where the table has no caption column, targets where it has no labels.
    Labels are in numerical order where all are whole numbers, else in alphabetical order.
    Raises `TableError` for a missing, empty or broken file, a column that is missing, repeated or
    used twice, empty or repeated ids, cells that are objects or (but for labels) lists, labels
    that can be read in several ways, and text that no store can hold (NUL, lone surrogates).
    """
    path = Path(path)
    content, columns = read_columns(path, text_col=data.text_col or "")
    found = find_columns(columns, data, path, named=named)
    format = found.format
    ids = _ids(columns, format, path)
    image_paths, image_sep = _images(columns, format, ids, path)
    captions, text_sep = _captions(columns, format, path)
    check_choice("--pool", data.pool or POOLS[0], POOLS)
    pool = (data.pool or POOLS[0]) if image_sep or text_sep else None
    format = replace(format, image_sep=image_sep, text_sep=text_sep, pool=pool)
    read = read_labels(columns, format, path, separator=data.label_sep, known=known)
    read = rename_labels(read, found.format.rename_labels, str(path))
    check_storable("label", read.labels, path)
    groups = read_groups(
        columns,
        found.format,
        ids,
        image_paths,
        shared=sharing(image_paths, image_sep),
        path=path,
        must_match="group_regex" in named,
    )
    check_storable("group", groups or (), path)
    return Table(
        ids=tuple(ids),
        image_paths=tuple(image_paths),
        captions=None if captions is None else tuple(captions),
        targets=read.targets,
        labels=read.labels,
        source=str(path),
        sha256=hashlib.sha256(content).hexdigest(),
        notes=(*columns.notes, *found.notes, *_case_note(ids), *read.notes),
        format=read.format,
        groups=groups,
        folds=read_folds(columns, found.format.fold_col, path),
        times=read_times(columns, found.format.time_col, path),
    )


def read_columns(path: Path, *, text_col: str = "") -> tuple[bytes, Columns]:
    """The bytes of a table and its columns, as the reader of its suffix gives them.

    Raises `TableError` for a missing, empty or broken file.
    """
    suffix = path.suffix.lower()
    if suffix not in READERS and (path.is_file() or not path.exists()):
        raise TableError(
            f"a table is one of {', '.join(READERS)}",
            f"{path} ends in {path.suffix!r}",
            "convert it, or rename it if only the suffix is wrong; pictures are named in a table,"
            " a row each",
        )
    if not path.is_file():
        check = "check the path of the table"
        if path.is_dir():
            check += f"; pictures alone are for `mmfeat predict --images {shlex.quote(str(path))}`"
        raise TableError(
            "the table must be a file",
            f"{path} {why_no_file(path)}",
            did_you_mean(path.name, _tables_beside(path), check),
        )
    content = path.read_bytes()
    columns: Columns = resolve(suffix, READERS, "table reader")(
        content, str(path), text_col
    ).with_plain_names()
    if columns.n_rows == 0:
        raise TableError(
            "a table needs at least one row", f"{path} has none", "check that it is the right file"
        )
    return content, columns


def _tables_beside(path: Path) -> list[str]:
    return [name for name in names_beside(path) if Path(name).suffix.lower() in READERS]


def _ids(columns: Columns, format: TableFormat, path: Path) -> list[str]:
    if format.id_col is None:
        return list(map(str, range(columns.n_rows)))
    ids = _texts(columns, format.id_col, "id", path)
    _check_ids(ids, format.id_col, path)
    return ids


def _images(
    columns: Columns, format: TableFormat, ids: list[str], path: Path
) -> tuple[list[str], str | None]:
    """The images of each row, and what separates them; see `mmfeat.tables.parts`."""
    name = format.image_col
    if name is None:
        id_col = format.id_col or ""
        texts, separator = read_parts(ids, format.image_sep, column=id_col, path=path, detect=False)
    else:
        cells = _plain(columns.values[name], name, path, nested=NO_TEXT)
        texts, separator = read_parts(cells, format.image_sep, column=name, path=path)
        check_storable("image name", unescaped(texts, separator), path)
    if format.image_suffix:
        texts = with_suffix(texts, format.image_suffix, separator)
    return texts, separator


def _captions(
    columns: Columns, format: TableFormat, path: Path
) -> tuple[list[str] | None, str | None]:
    """The captions of each row, and what separates them; None without a column of captions."""
    name = format.text_col
    if name is None:
        return None, format.text_sep
    cells = _plain(columns.values[name], name, path, nested=NO_TEXT)
    texts, separator = read_parts(cells, format.text_sep, column=name, path=path)
    check_storable("caption", unescaped(texts, separator), path)
    return texts, separator


def _texts(columns: Columns, name: str, what: str, path: Path) -> list[str]:
    """The texts of a column; raise `TableError` for nested cells, which have no plain text."""
    texts = as_text(_plain(columns.values[name], name, path))
    check_storable(what, texts, path)
    return texts


def _plain(
    cells: Sequence[object], name: str, path: Path, *, nested: frozenset[type] = NESTED
) -> Sequence[object]:
    """Give the cells of a column back; raise `TableError` for one of a `nested` type."""
    if not nested.isdisjoint(map(type, cells)):
        row, cell = next((i, cell) for i, cell in enumerate(cells) if type(cell) in nested)
        raise TableError(
            "a cell must be text or a number",
            f"row {row} of {path} has {str(cell)[:60]} in {name!r}",
            "write it as text (one row per caption, the path of a picture), or name another column",
        )
    return cells


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
                f"remove repeated rows; or, if one picture has several rows, number them:"
                f" --image-col {shlex.quote(column)} --id-col ''",
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
    return (
        f"{counted(clashes, 'id differs', 'ids differ')} from another only by case; kept apart",
    )
