"""`mmfeat score`: a submission against the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat_cli.common import JsonOption, print_json, print_table, show_messages


def score(
    submission: Annotated[Path, typer.Argument(help="The file that `mmfeat submit` wrote.")],
    truth: Annotated[Path, typer.Argument(help="The solution, same columns.")],
    as_json: JsonOption = False,
) -> None:
    """Macro, micro and samples F1 of a submission, and a table per class."""
    from mmfeat.submission import score_submission

    show_messages(quiet=False)
    result = score_submission(submission, truth)
    if as_json:
        print_json(result)
        return
    print_table(
        ("metric", "value"),
        [(name, value) for name, value in result.items() if isinstance(value, float)],
    )
    print()
    columns = ("label", "support", "precision", "recall", "f1")
    print_table(columns, [[row[c] for c in columns] for row in result["per_class"]])
