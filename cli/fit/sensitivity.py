"""`mmfeat sensitivity`: how much estimates depend on near neighbours."""

from __future__ import annotations

from typing import Annotated

import typer

from mmfeat_cli.messages import show_messages
from mmfeat_cli.options import Features, JsonOption, WorkspaceOption, names
from mmfeat_cli.tables import print_json, print_table, print_text


def sensitivity(
    split: Annotated[
        str | None, typer.Argument(help="Split to measure; by default that of fit.")
    ] = None,
    features: Features = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Show how estimates change when near neighbours are held out together."""
    from mmfeat.sensitivity.sensitivity import sensitivity as verb

    show_messages(quiet=False)
    curve = verb(split, features=names(features), workspace=workspace)
    if as_json:
        print_json({**curve.to_json(), "verdict": curve.verdict})
        return
    print_table(
        ("kept together", "rows with a neighbour", "macro-f1", "squared error"),
        [
            (
                "near-copies" if point.cosine is None else f"cosine {point.cosine:.4f} and above",
                f"{point.linked:.0%}",
                point.value,
                point.error,
            )
            for point in curve.points
        ],
    )
    print_text(curve.verdict)
