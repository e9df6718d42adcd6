"""`mmfeat score`: a submission against the truth."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mmfeat.errors import counted
from mmfeat_cli.messages import note, show_messages
from mmfeat_cli.options import (
    IdCol,
    JsonOption,
    KnownCol,
    LabelCol,
    LabelSep,
    PerClassOption,
    UncertainCol,
    ZeroDivisionOption,
    names,
)
from mmfeat_cli.tables import print_classes, print_json, print_table, print_text

MAX_SET = 25  # characters of a label set in the table of the worst rows


def score(
    submission: Annotated[Path, typer.Argument(help="Submission, as written by `mmfeat submit`.")],
    truth: Annotated[Path, typer.Argument(help="Solution with the same columns.")],
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels", help="All labels of the task, comma-separated; by default those of TRUTH."
        ),
    ] = None,
    worst: Annotated[
        int, typer.Option("--worst", min=0, help="Number of worst-scored rows to list.")
    ] = 10,
    zero_division: ZeroDivisionOption = 0.0,
    per_class: PerClassOption = False,
    id_col: IdCol = None,
    label_col: LabelCol = None,
    label_sep: LabelSep = None,
    known_col: KnownCol = None,
    uncertain_col: UncertainCol = None,
    as_json: JsonOption = False,
) -> None:
    """Score a submission: macro, micro and samples F1, the classes, and the worst rows."""
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
        known_col=known_col,
        uncertain_col=uncertain_col,
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
    if result["worst"]:
        print()
        print_table(
            ("worst rows", "f1", "true", "predicted"),
            [
                (row["id"], row["f1"], *(_short(row[f]) for f in ("true", "predicted")))
                for row in result["worst"]
            ],
        )
    print_classes(
        result["per_class"],
        ("label", "support", "precision", "recall", "f1", "ap"),
        by="f1",
        every=per_class,
    )
    found = (
        f"{name.replace('_', '-')} {'n/a' if result[name] is None else format(result[name], '.4f')}"
        for name in ("macro_f1", "micro_f1", "samples_f1")
    )
    print_text(f"{', '.join(found)} on {counted(result['rows'], 'row')}")


def _short(labels: Sequence[str]) -> str:
    """A label set, cut where it is long."""
    return textwrap.shorten(" ".join(labels), MAX_SET, placeholder=" …") or "-"
