"""The Kaggle file: written as the sample has it, checked against it, scored, uploaded."""

from __future__ import annotations

from mmfeat.predict.kaggle import to_kaggle
from mmfeat.predict.score import score_submission
from mmfeat.predict.submission import SubmissionReport, check_submission, write_submission
from mmfeat.tables.sheet import FORMATS, Columns

__all__ = [
    "FORMATS",
    "Columns",
    "SubmissionReport",
    "check_submission",
    "score_submission",
    "to_kaggle",
    "write_submission",
]
