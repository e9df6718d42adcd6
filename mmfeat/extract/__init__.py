"""Stage one: a table and a folder of images become a feature store."""

from __future__ import annotations

from mmfeat.extract.engines import ENGINES
from mmfeat.extract.run import Progress, extract_table
from mmfeat.extract.summary import ExtractSummary

__all__ = ["ENGINES", "ExtractSummary", "Progress", "extract_table"]
