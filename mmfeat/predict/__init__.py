"""Scores of new rows, and the submission: written, checked, scored and uploaded."""

from __future__ import annotations

from mmfeat.predict.check import check_submission
from mmfeat.predict.kaggle import to_kaggle
from mmfeat.predict.submission import SubmissionReport, write_submission
from mmfeat.tables.label_sets import FORMATS

__all__ = [
    "FORMATS",
    "SubmissionReport",
    "check_submission",
    "to_kaggle",
    "write_submission",
]
