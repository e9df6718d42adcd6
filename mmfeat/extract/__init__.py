"""Stage one: a table and a folder of images become a feature store."""

from __future__ import annotations

from mmfeat.extract.engines.base import ENGINES, load_encoder_for
from mmfeat.extract.run import extract_table, help_extract, is_helping
from mmfeat.extract.summary import ExtractSummary
from mmfeat.extract.updates.missing import Progress

__all__ = [
    "ENGINES",
    "ExtractSummary",
    "Progress",
    "extract_table",
    "help_extract",
    "is_helping",
    "load_encoder_for",
]
