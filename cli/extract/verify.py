"""`mmfeat verify`: is a feature store whole?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat_cli.messages import fail, show_messages
from mmfeat_cli.options import JsonOption
from mmfeat_cli.tables import print_json


def verify(
    store: Annotated[Path, typer.Argument(help="A feature store, .h5 or a folder")],
    as_json: JsonOption = False,
) -> None:
    """Check a store; exit with 1 if something is wrong with it."""
    from mmfeat.store.verify import verify_store

    show_messages(quiet=False)
    findings = verify_store(store)
    if as_json:
        print_json({"store": str(store), "whole": not findings, "findings": findings})
    else:
        for finding in findings:
            print(finding)
        print(f"{store}: {'NOT whole' if findings else 'whole'}")
    if findings:
        fail(
            f"a store must agree with what it says of itself; {store}: {findings[0]}"
            f" ({len(findings)} findings); make it again"
        )
