"""Readers of the user's files: tables, label prompts and sheets of label sets."""

from __future__ import annotations

from mmfeat.tables.prompts import read_prompts
from mmfeat.tables.read import READERS, read_table

__all__ = ["READERS", "read_prompts", "read_table"]
