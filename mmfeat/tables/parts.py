"""Cells that hold several parts of a row: several pictures, or several captions.

A row with one part has it as its text; one with several has them as a JSON list of texts. So every
table and store has one text per row, and only what encodes or shows a row looks inside.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from mmfeat.errors import TableError
from mmfeat.tables.readers.columns import as_text
from mmfeat.tables.table import Table, TableFormat

LISTS = "json"  # the separator of cells that are lists, of JSON or of parquet
LIST = "["  # with which a cell of several parts begins


def read_parts(
    cells: Sequence[object], separator: str | None, *, column: str, path: Path, detect: bool = True
) -> tuple[list[str], str | None]:
    """Give the text of each cell, and what separates parts; None: every cell is one part.

    Lists are taken for what they are, also in JSON where every cell that is not blank is such a
    list and `detect` is set. Blank parts are left out. Raises `TableError` for a list of anything
    but texts and numbers.
    """
    is_list = [isinstance(cell, (list, tuple)) for cell in cells]
    filled = [cell for cell in cells if isinstance(cell, str) and cell.strip()]
    if separator is None and (
        any(is_list) or (detect and filled and all(_items(cell) is not None for cell in filled))
    ):
        separator = LISTS
    if separator is None:
        return as_text(cells), None
    return [
        join_parts(_parts(cell, separator, row, column, path)) for row, cell in enumerate(cells)
    ], separator


def join_parts(parts: Iterable[str]) -> str:
    """Put the parts of a row into one text; blank ones are left out."""
    kept = [stripped for part in parts if (stripped := part.strip())]
    if len(kept) == 1 and not kept[0].startswith(LIST):
        return kept[0]
    return json.dumps(kept, ensure_ascii=False) if kept else ""


def split_parts(cell: str) -> tuple[str, ...]:
    """The parts of a text of `join_parts`; one that is blank where it has none."""
    return tuple(_items(cell) or ()) or (cell,)


def unescaped(cells: Sequence[str], separator: str | None) -> Sequence[str]:
    """Texts of `read_parts` without the escapes of JSON, to look for characters in them."""
    return cells if separator is None else ["\n".join(split_parts(cell)) for cell in cells]


def with_suffix(cells: Sequence[str], suffix: str, separator: str | None) -> list[str]:
    """Texts of `read_parts` whose parts all end in `suffix`, whatever the case; but for blanks.

    Examples
    --------
    >>> with_suffix(["a", "b.JPG", ""], ".jpg", None)
    ['a.jpg', 'b.JPG', '']
    """

    def whole(part: str) -> str:
        is_whole = not part.strip() or part.lower().endswith(suffix.lower())
        return part if is_whole else f"{part}{suffix}"

    if separator is None:
        return [whole(cell) for cell in cells]
    return [join_parts(map(whole, split_parts(cell))) for cell in cells]


def are_several(cells: Iterable[str], separator: str | None) -> bool:
    """Whether one of the texts of `read_parts` has several parts."""
    return separator is not None and any(cell.startswith(LIST) for cell in cells)


def separator_of(format: TableFormat, modality: str) -> str | None:
    """What separates the parts of a modality; None where every cell is one."""
    return {"image": format.image_sep, "text": format.text_sep}.get(modality)


def with_first_parts(table: Table) -> Table:
    """Give the table with the first image of each row alone."""
    if not are_several(table.image_paths, table.format.image_sep):
        return table
    return replace(table, image_paths=tuple(split_parts(cell)[0] for cell in table.image_paths))


def sharing(cells: Sequence[str], separator: str | None) -> tuple[str, ...] | None:
    """Name what each row shares with others through one of several parts, (n,); "" where nothing.

    None where no cell has several parts.
    """
    if not are_several(cells, separator):
        return None
    first: dict[str, str] = {}  # of each part, the one that stands for all that are linked to it

    def root(part: str) -> str:
        while first[part] != part:
            part = first[part] = first[first[part]]
        return part

    rows = [tuple(filter(None, map(str.strip, split_parts(cell)))) for cell in cells]
    for part in chain.from_iterable(rows):
        first.setdefault(part, part)
    for head, *others in filter(None, rows):
        for other in others:
            first[root(other)] = root(head)
    return tuple(root(parts[0]) if parts else "" for parts in rows)


def _parts(cell: object, separator: str, row: int, column: str, path: Path) -> list[str]:
    if isinstance(cell, (list, tuple)):
        if any(isinstance(item, (list, tuple, dict, bytes)) for item in cell):
            raise TableError(
                "a list of pictures or captions holds texts",
                f"row {row} of {path} has {str(cell)[:60]} in {column!r}",
                "write a flat list of texts, or name another column",
            )
        return as_text(cell)
    (text,) = as_text([cell])
    if separator == LISTS:
        found = _items(text)
        return [text] if found is None else found
    return text.split(separator)


def _items(cell: str) -> list[str] | None:
    """The texts of a JSON list; None for anything else."""
    if not cell.lstrip().startswith(LIST):
        return None
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    is_list = isinstance(found, list) and all(isinstance(item, str) for item in found)
    return found if is_list else None
