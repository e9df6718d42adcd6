"""`mmfeat runs`: the runs of the workspace."""

from __future__ import annotations

from mmfeat_cli.common import JsonOption, WorkspaceOption, note, print_json, print_table, start


def runs(as_json: JsonOption = False, workspace: WorkspaceOption = None) -> None:
    """List the runs: what they are, whether they are finished, how good out of fold."""
    from mmfeat.runs import list_runs, summarise_run

    _, space = start(workspace)
    rows = [summarise_run(run) for run in list_runs(space)]
    if as_json:
        print_json({"runs": rows})
        return
    if not rows:
        note(f"no runs in {space.runs}; `mmfeat fit` makes one")
        return
    print_table(tuple(rows[0]), [list(row.values()) for row in rows])
