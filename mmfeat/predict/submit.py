"""The verb `submit`: the Kaggle file, checked against the sample and uploaded."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from mmfeat.core.checks import check_arguments
from mmfeat.core.files import check_output
from mmfeat.core.settings import override_all
from mmfeat.core.workspace import inputs_of, open_project
from mmfeat.decide.decision import HALVES
from mmfeat.fit.related import warn_seen_by
from mmfeat.predict.check import check_submission
from mmfeat.predict.kaggle import to_kaggle
from mmfeat.predict.scores import predict_scores
from mmfeat.predict.submission import SubmissionReport, write_submission
from mmfeat.runs.bundle import Bundle, find_predictor
from mmfeat.runs.run import Run
from mmfeat.tables.label_sets import find_sample_separator

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SubmitResult:
    """A submission.

    Attributes
    ----------
    path
        Where it lies.
    report
        How it agrees with the sample.
    uploaded
        What the kaggle client said; None where it was not asked.
    """

    path: Path
    report: SubmissionReport
    uploaded: str | None = None


@check_arguments
def submit(
    run: Run | str | None = None,
    *,
    split: str | None = None,
    sample: Path | str | None = None,
    out: Path | str | None = None,
    objective: str | None = None,
    decode: str | None = None,
    empty: str | None = None,
    format: str | None = None,
    id_col: str | None = None,
    label_col: str | None = None,
    label_sep: str | None = None,
    check: bool = False,
    kaggle: str | None = None,
    message: str | None = None,
    workspace: Path | str | None = None,
) -> SubmitResult:
    """Predict a split with a tuned run and write the submission as the sample has it.

    Parameters
    ----------
    run
        A run or its name; None: the best of the last comparison, or the newest finished one that
        has thresholds.
    split, sample, decode, empty
        See `mmfeat.config.SubmitSettings`, which has the defaults.
    out
        Path of the submission.
    objective
        Which decision of the run is used; ``none``: 0.5 for every label. None: the one in use.
    format
        labels, multihot or probabilities; None: as the sample has it.
    id_col, label_col, label_sep
        Of the sample, see `mmfeat.config.DataSettings`.
    check
        Only check the file at `out` against the sample.
    kaggle, message
        The competition to upload it to, and the message; None: the run's name.

    Raises
    ------
    MmfeatError
        `RunError` for the run, `StoreError` for the split, `SubmissionError` for the files.
    """
    settings, space = open_project(workspace)
    options, data = override_all(
        {
            "split": split,
            "sample": None if sample is None else str(sample),
            "decode": decode,
            "empty": empty,
            "id_col": id_col,
            "label_col": label_col,
            "label_sep": label_sep,
        },
        settings.submit,
        settings.data,
    )
    wanted = Path(options.sample) if options.sample else None
    separator = data.label_sep
    if separator is None and wanted is not None:
        separator = find_sample_separator(wanted, data.label_col)
    columns = {"id_col": data.id_col, "label_col": data.label_col}
    if check and out is not None:
        path = Path(out)
        report = check_submission(path, wanted, label_sep=separator, **columns)
        return SubmitResult(path=path, report=report)
    found = find_predictor(space, run, tuned=objective != HALVES, objective=objective)
    decision = found.decision_for(objective)
    label_sep = separator or found.label_sep
    if data.label_sep is None and label_sep != " ":
        whence = "the sample" if separator else "the table of the run"
        log.info("the separator of labels is %r, as in %s", label_sep, whence)
    path = Path(out) if out else space.submissions / f"{found.name}-{options.split}.csv"
    if check:
        report = check_submission(path, wanted, labels=found.labels, label_sep=label_sep, **columns)
        return SubmitResult(path=path, report=report)
    check_output(path, (wanted, *inputs_of(settings)))
    if not isinstance(found, Bundle):
        warn_seen_by(space, found.config, options.split)
    how = decision.describe(options.decode)
    log.info("predicting %s with %s, decided by %s", options.split, found.name, how)
    scores = predict_scores(found, space, options.split)
    report = write_submission(
        path,
        ids=scores.ids,
        labels=scores.labels,
        predicted=decision.decide(scores.probabilities, empty=options.empty, decode=options.decode),
        probabilities=scores.probabilities,
        sample=wanted,
        format=format,
        label_sep=label_sep,
        **columns,
    )
    uploaded = to_kaggle(path, kaggle, message or found.name) if kaggle else None
    return SubmitResult(path=path, report=report, uploaded=uploaded)
