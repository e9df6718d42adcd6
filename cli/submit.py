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
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Predict a split with the newest tuned run and write the submission."""
    from mmfeat.config import override
    from mmfeat.predict import predict_scores
    from mmfeat.runs import find_run
    from mmfeat.submission import write_submission

    settings, space = start(workspace, quiet=quiet)
    options = override(
        settings.submit,
        split=split,
        sample=str(sample) if sample else None,
        decode=decode,
        empty=empty,
    )
    found = find_run(space, run, tuned=True)
    note(f"predicting {options.split} with {found.name}")
    scores = predict_scores(found, space, options.split)
    predicted = found.decision().decide(
        scores.probabilities, empty=options.empty, decode=options.decode
    )
    path = out or space.submissions / f"{found.name}-{options.split}.csv"
    report = write_submission(
        path,
        ids=scores.ids,
        labels=scores.labels,
        predicted=predicted,
        sample=Path(options.sample) if options.sample else None,
    )
    note(str(report))
    print(path)
