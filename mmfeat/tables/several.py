"""Several tables of one project, read alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mmfeat.config import DataSettings
from mmfeat.tables.find_columns import named_columns
from mmfeat.tables.read import read_table
from mmfeat.tables.table import Table


def read_tables(
    paths: Mapping[str, Path],
    *,
    data: DataSettings,
    given: Mapping[str, object],
    unlabelled: str | None = None,
) -> dict[str, Table]:
    """Read the table of each split; the separator found in the first holds for the others.

    `given` are the options of the command line: columns that they or `data` name must be there,
    but for the labels of the split `unlabelled`, which is to be predicted. Errors as in
    `read_table`.
    """
    tables: dict[str, Table] = {}
    known: Sequence[str] = ()
    for name, path in paths.items():
        named = named_columns(given, data, labelled=name != unlabelled)
        table = tables[name] = read_table(path, data=data, named=named, known=known)
        if table.format.label_col is not None and table.targets is not None:
            data = replace(data, label_sep=table.format.label_sep)
            known = known or table.labels
    return tables
