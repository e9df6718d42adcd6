"""`mmfeat duplicates`: rows of a split that are nearly the same, or all but shown by another."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mmfeat.errors import counted
from mmfeat_cli.messages import note, show_messages
from mmfeat_cli.options import Features, JsonOption, WorkspaceOption, names
from mmfeat_cli.tables import print_json, print_table, print_text

if TYPE_CHECKING:
    from mmfeat.near.duplicates import Duplicates


def duplicates(
    split: Annotated[
        str | None, typer.Argument(help="Split whose rows are compared; by default that of fit.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", help="Split in which their near-copies are looked for."),
    ] = None,
    features: Features = None,
    most: Annotated[
        int, typer.Option("--most", min=1, help="Number of pairs to list, nearest first.")
    ] = 20,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """List near-copies within a split, or between two splits, nearest first."""
    from mmfeat.near.bound import show_cosine
    from mmfeat.near.duplicates import duplicates as verb

    show_messages(quiet=False)
    found = verb(split, against=against, features=names(features), most=most, workspace=workspace)
    if as_json:
        print_json(asdict(found))
        return
    place = f"in {found.against}" if found.against else "in the split"
    if found.pairs:
        print_table(
            ("cosine", "by", f"row of {found.split}", f"near-copy {place}"),
            [
                (show_cosine(each.cosine), each.modality, each.id, each.other)
                for each in found.pairs
            ],
        )
        if found.n_pairs > len(found.pairs):
            print(f"and {found.n_pairs - len(found.pairs):,} more pairs; --most lists more")
    _print_summary(found, place)


def _print_summary(found: Duplicates, place: str) -> None:
    from mmfeat.near.bound import show_cosine

    rows = f"{found.n_rows:,} rows of {found.split}"
    print_text(
        f"{counted(found.n_copied, f'of {rows} has', f'of {rows} have')} a near-copy {place}"
    )
    for modality, bound in found.bounds.items():
        kind = "equal rows alone" if bound is None else f"a cosine of {show_cosine(bound)} or more"
        print_text(f"near-copies by {modality}: {kind}")
    for modality, shared in found.shared.items():
        for id_, count in shared:
            note(f"left out: {counted(count, 'row has', 'rows have')} the {modality} of {id_}")
