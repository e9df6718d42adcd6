"""`mmfeat submit`: the Kaggle file, checked against the sample."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat_cli.common import QuietOption, RunArgument, WorkspaceOption, note, start


def submit(
    run: RunArgument = None,
    split: Annotated[str | None, typer.Option("--split", help="Name of the store.")] = None,
    sample: Annotated[
        Path | None, typer.Option("--sample", help="The sample submission to agree with.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Path of the submission.")] = None,
    decode: Annotated[
        str | None, typer.Option("--decode", help="thresholds or expected-f1.")
    ] = None,
    empty: Annotated[
        str | None, typer.Option("--empty", help="A row without labels: top1 or blank.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", help="labels, multihot or probabilities; default: as the sample has it."
        ),
    ] = None,
    id_col: Annotated[str | None, typer.Option("--id-col", help="Of the sample.")] = None,
    label_col: Annotated[str | None, typer.Option("--label-col", help="Of the sample.")] = None,
    label_sep: Annotated[
        str | None, typer.Option("--label-sep", help="Between the labels of a cell.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only check the file at --out against the sample.")
    ] = False,
    kaggle: Annotated[
        str | None,
        typer.Option("--kaggle", metavar="COMPETITION", help="Upload it by the kaggle client."),
    ] = None,
    message: Annotated[
        str | None, typer.Option("--message", help="Of the upload; default: the run's name.")
    ] = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Predict a split with the newest tuned run and write the submission."""
    from mmfeat.config import override
    from mmfeat.predict import check_submission, to_kaggle, write_submission
    from mmfeat.predict.scores import predict_scores
    from mmfeat.runs.listing import find_run

    settings, space = start(workspace, quiet=quiet)
    options = override(
        settings.submit,
        split=split,
        sample=str(sample) if sample else None,
        decode=decode,
        empty=empty,
    )
    data = override(settings.data, id_col=id_col, label_col=label_col, label_sep=label_sep)
    names = {"id_col": data.id_col, "label_col": data.label_col, "label_sep": data.label_sep}
    wanted = Path(options.sample) if options.sample else None
    if check and out:
        print(check_submission(out, wanted, **names))
        return
    found = find_run(space, run, tuned=True)
    path = out or space.submissions / f"{found.name}-{options.split}.csv"
    if check:
        print(check_submission(path, wanted, labels=found.oof.labels, **names))
        return
    note(f"predicting {options.split} with {found.name}")
    scores = predict_scores(found, space, options.split)
    report = write_submission(
        path,
        ids=scores.ids,
        labels=scores.labels,
        predicted=found.decision.decide(
            scores.probabilities, empty=options.empty, decode=options.decode
        ),
        probabilities=scores.probabilities,
        sample=wanted,
        format=form,
        **names,
    )
    note(str(report))
    print(path)
    if kaggle:
        print(to_kaggle(path, kaggle, message or found.name))
