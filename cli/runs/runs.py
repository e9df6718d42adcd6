"""`mmfeat runs`: the runs of the workspace, or everything measured about one."""

from __future__ import annotations

from typing import Annotated

import typer

from mmfeat_cli.messages import note, show_messages
from mmfeat_cli.options import JsonOption, WorkspaceOption
from mmfeat_cli.tables import print_json, print_table


def runs(
    run: Annotated[
        str | None, typer.Argument(help="A run: all its metrics out of fold, and per class.")
    ] = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """List the runs: what they are, whether they are finished, how good out of fold."""
    from mmfeat.core.workspace import open_project
    from mmfeat.runs.listing import find_run, list_runs, measure_run, summarise_run

    show_messages(quiet=False)
    space = open_project(workspace)[1]
    if run is not None:
        document = measure_run(find_run(space, run))
        if as_json:
            print_json(document)
            return
        note(
            f"out of fold, decided by {document['decision']}, which was chosen on these rows"
            " (`nested` of tune-thresholds is the honest estimate); a ratio 0/0 counts as 0"
        )
        print_table(("metric", "value"), list(document["metrics"].items()))
        print()
        columns = tuple(document["per_class"][0])
        print_table(columns, [[row[c] for c in columns] for row in document["per_class"]])
        return
    rows = [summarise_run(found) for found in list_runs(space)]
    if as_json:
        print_json({"runs": rows})
        return
    if not rows:
        note(f"no runs in {space.runs}; `mmfeat fit` makes one")
        return
    print_table(tuple(rows[0]), [list(row.values()) for row in rows])
