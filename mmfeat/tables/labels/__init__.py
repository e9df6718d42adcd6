"""The labels of a table: cells of label sets, columns of yes or no, columns of categories."""

from __future__ import annotations

from mmfeat.tables.labels.separator import split_labels
from mmfeat.tables.labels.targets import indicator, sorted_labels

__all__ = ["indicator", "sorted_labels", "split_labels"]
