"""What the user has: a table of ids, image names, captions and labels, read into a `Table`."""

from __future__ import annotations

from mmfeat.tables.prompts import read_prompts
from mmfeat.tables.read import READERS, read_table

__all__ = ["READERS", "read_prompts", "read_table"]
