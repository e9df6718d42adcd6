"""The Kaggle file: written as the sample has it, checked against it, scored, uploaded."""

from __future__ import annotations

from mmfeat.submission.kaggle import to_kaggle
from mmfeat.submission.score import score_submission
from mmfeat.submission.sheet import FORMATS, Columns
from mmfeat.submission.write import SubmissionReport, check_submission, write_submission

__all__ = [
    "FORMATS",
    "Columns",
    "SubmissionReport",
    "check_submission",
    "score_submission",
    "to_kaggle",
    "write_submission",
]
