"""Apache Parquet, through pyarrow."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq

from mmfeat.errors import TableError
from mmfeat.tables.columns import Columns


def read_parquet(content: bytes, path: str, _text_col: str) -> Columns:
    """Read all columns into Python values; see `READERS`."""
    try:
        table = pq.read_table(io.BytesIO(content))
        values = {name: table.column(name).to_pylist() for name in table.column_names}
    except (pa.ArrowException, OSError, KeyError) as error:
        raise TableError(
            "a .parquet table must be Apache Parquet with unique column names",
            f"{path}: {error}",
            "write it again",
        ) from error
    return Columns(values=values, n_rows=table.num_rows)
