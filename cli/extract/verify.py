"""`mmfeat verify`: is a feature store whole?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat.errors import counted
from mmfeat_cli.messages import fail, show_messages
from mmfeat_cli.options import JsonOption
from mmfeat_cli.tables import print_json, print_lines


def verify(
    store: Annotated[Path, typer.Argument(help="Feature store: a .h5 file or a folder.")],
    as_json: JsonOption = False,
) -> None:
    """Check that a feature store is intact; exit with status 1 if it is not."""
    from mmfeat.store.verify import verify_store

    show_messages(quiet=False)
    findings = verify_store(store)
    if as_json:
        print_json({"store": str(store), "whole": not findings, "findings": findings})
    else:
        for finding in findings:
            print_lines(finding)
        print(f"{store}: {'NOT whole' if findings else 'whole'}")
    if findings:
        fail(
            f"a feature store must match its own checksums and shapes; {store} has"
            f" {counted(len(findings), 'fault')}: {findings[0]}{' …' * (len(findings) > 1)};"
            " make it again with `mmfeat extract` or `mmfeat import`"
        )
