"""`mmfeat init`: looks at a folder and writes its mmfeat.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat_cli.messages import note, show_messages


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of the tables and pictures.")
    ] = Path(),
    force: Annotated[
        bool, typer.Option("--force", help="Replace an mmfeat.toml that is there.")
    ] = False,
) -> None:
    """Look at a folder of tables and pictures, and write its settings, mmfeat.toml."""
    from mmfeat.init.init import init as verb

    show_messages(quiet=False)
    found = verb(folder, force=force)
    print(found.text, end="")
    note(f"wrote {found.path}; change it where it is wrong")
    roles = found.project.roles
    if roles.group_cols:
        names = " or ".join(map(repr, roles.group_cols))
        note(
            f"where rows that share a value of {names} are related, take the # before group_cols"
            " away: else scores come out too good"
        )
    if roles.place is None and not roles.text_col:
        note("next: mmfeat import, since there are neither pictures nor captions to encode")
    else:
        note("next: mmfeat check, and then mmfeat extract")
