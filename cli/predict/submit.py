"""`mmfeat submit`: the Kaggle file, checked against the sample."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat.config import SubmitSettings
from mmfeat.decide.expected_f1 import DECODES, EMPTIES
from mmfeat.tables.label_sets import FORMATS
from mmfeat_cli.messages import note, show_messages
from mmfeat_cli.options import (
    OUTPUT,
    DecisionOption,
    IdCol,
    LabelCol,
    LabelSep,
    PredictorArgument,
    QuietOption,
    WorkspaceOption,
    of,
)


def submit(
    run: PredictorArgument = None,
    split: Annotated[str | None, of(SubmitSettings, "split")] = None,
    sample: Annotated[Path | None, of(SubmitSettings, "sample")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Path of the submission.", rich_help_panel=OUTPUT),
    ] = None,
    objective: DecisionOption = None,
    decode: Annotated[
        str | None,
        of(SubmitSettings, "decode", choices=DECODES),
    ] = None,
    empty: Annotated[
        str | None,
        of(SubmitSettings, "empty", "Prediction for rows that get no label", choices=EMPTIES),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help=f"Format of the file, by default that of the sample. One of {', '.join(FORMATS)}.",
        ),
    ] = None,
    id_col: IdCol = None,
    label_col: LabelCol = None,
    label_sep: LabelSep = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only check the file at --out against the sample.")
    ] = False,
    kaggle: Annotated[
        str | None,
        typer.Option(
            "--kaggle",
            metavar="COMPETITION",
            help="Competition to upload to with the kaggle client.",
        ),
    ] = None,
    message: Annotated[
        str | None,
        typer.Option("--message", help="Message of the upload; by default the name of the run."),
    ] = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Predict a split with a tuned run and write a submission."""
    from mmfeat.predict.submit import submit as verb

    show_messages(quiet=quiet)
    result = verb(
        run,
        split=split,
        sample=sample,
        out=out,
        objective=objective,
        decode=decode,
        empty=empty,
        format=form,
        id_col=id_col,
        label_col=label_col,
        label_sep=label_sep,
        check=check,
        kaggle=kaggle,
        message=message,
        workspace=workspace,
    )
    if check:
        print(result.report)
        return
    note(str(result.report))
    print(result.path)
    if result.uploaded is not None:
        print(result.uploaded)
