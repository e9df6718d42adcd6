"""Readers of the user's files: tables, label prompts and sheets of label sets."""

from __future__ import annotations

from mmfeat.tables.prompts import read_prompts
from mmfeat.tables.read import READERS, read_table
from mmfeat.tables.summary import TableSummary
from mmfeat.tables.table import TableFormat

__all__ = ["READERS", "TableFormat", "TableSummary", "read_prompts", "read_table"]
