"""A table that is extracted into a store of one file and one of many."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmfeat.tables.table import Table
from tests.support.parts import CUT
from tests.support.stage_one.extraction import extract, repeating_table


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """20 rows that repeat one another across files, with failures, as `a.h5` and cut as `b/`."""
    table = repeating_table(tmp_path)
    extract(table, tmp_path, tmp_path / "a.h5")
    extract(table, tmp_path, tmp_path / "b.h5", settings=CUT)
    return table
