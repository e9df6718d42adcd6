"""Apache Parquet, through pyarrow."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from mmfeat.errors import TableError
from mmfeat.tables.readers.columns import Columns, LazyCells


def read_parquet(content: bytes, path: str, _text_col: str) -> Columns:
    """Read columns into Python values; see `READERS`."""
    try:
        table = pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError) as error:
        raise _broken(path, error) from error

    def cells(at: int) -> Sequence[object]:
        try:
            values: list[object] = table.column(at).to_pylist()
        except (pa.ArrowException, ValueError, OverflowError) as error:
            raise _broken(path, error) from error
        return values

    names: dict[str, int] = {}
    for at, name in enumerate(table.column_names):
        names.setdefault(name, at)
    return Columns(
        values=LazyCells(names, cells),
        n_rows=table.num_rows,
        repeated=frozenset(n for n, count in Counter(table.column_names).items() if count > 1),
    )


def _broken(path: str, error: Exception) -> TableError:
    return TableError(
        "a .parquet table must be Apache Parquet", f"{path}: {error}", "write it again"
    )
