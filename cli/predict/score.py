"""`mmfeat score`: a submission against the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat_cli.messages import note, show_messages
from mmfeat_cli.options import IdCol, JsonOption, LabelCol, LabelSep, names
from mmfeat_cli.tables import print_json, print_table


def score(
    submission: Annotated[Path, typer.Argument(help="The file that `mmfeat submit` wrote.")],
    truth: Annotated[Path, typer.Argument(help="The solution, same columns.")],
    labels: Annotated[
        str | None,
        typer.Option("--labels", help="All labels of the task, comma-separated; default: truth's."),
    ] = None,
    worst: Annotated[
        int, typer.Option("--worst", min=0, help="How many of the worst-scored rows to list.")
    ] = 10,
    zero_division: Annotated[
        float, typer.Option("--zero-division", min=0, max=1, help="What 0/0 counts as.")
    ] = 0.0,
    id_col: IdCol = None,
    label_col: LabelCol = None,
    label_sep: LabelSep = None,
    as_json: JsonOption = False,
) -> None:
    """Macro, micro and samples F1 of a submission, a table per class, and the worst rows."""
    from mmfeat.predict.score import score as verb

    show_messages(quiet=False)
    result = verb(
        submission,
        truth,
        labels=names(labels) or None,
        n_worst=worst,
        zero_division=zero_division,
        id_col=id_col,
        label_col=label_col,
        label_sep=label_sep,
    )
    if as_json:
        print_json(result)
        return
    for sentence in result["notes"]:
        note(sentence)
    print_table(
        ("metric", "value"),
        [(name, value) for name, value in result.items() if isinstance(value, float)],
    )
    print()
    fields = ("label", "support", "precision", "recall", "f1", "ap")
    print_table(fields, [[row[f] for f in fields] for row in result["per_class"]])
    if result["worst"]:
        print()
        print_table(
            ("worst rows", "f1", "true", "predicted"),
            [
                (row["id"], row["f1"], *(" ".join(row[f]) or "-" for f in ("true", "predicted")))
                for row in result["worst"]
            ],
        )
