"""JSON lines: one object per line."""

from __future__ import annotations

import json

from mmfeat.errors import TableError
from mmfeat.tables.readers.columns import Columns, LazyCells
from mmfeat.tables.readers.encoding import decode


def read_jsonl(content: bytes, path: str, _text_col: str) -> Columns:
    """Read one JSON object per line; a key that a row lacks is a missing cell; see `READERS`."""
    rows: list[dict[str, object]] = []
    for number, line in enumerate(decode(content, path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _broken(path, number, str(error)) from error
        if not isinstance(row, dict):
            raise _broken(path, number, f"it is {line[:40]!r}")
        rows.append(row)
    names = {name: name for row in rows for name in row}
    return Columns(
        values=LazyCells(names, lambda name: [row.get(name) for row in rows]), n_rows=len(rows)
    )


def _broken(path: str, line: int, found: str) -> TableError:
    return TableError(
        "every line must be one JSON object", f"line {line} of {path}: {found}", "correct that line"
    )
