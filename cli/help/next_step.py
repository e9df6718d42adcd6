"""The first page of help, which ends with what to do next in this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.core import TyperGroup

from mmfeat.config import FILE_NAME
from mmfeat.core.workspace import open_project
from mmfeat.errors import MmfeatError
from mmfeat.runs.listing import list_runs
from mmfeat.store.missing import has_stores
from mmfeat_cli.flags import what_is


def next_step() -> str:
    """What to do next in this folder, as far as its files tell."""
    if not Path(FILE_NAME).exists():
        return "mmfeat init, or mmfeat demo to see it all"
    try:
        space = open_project()[1]
    except MmfeatError:
        return f"mmfeat config, which says what is wrong with {FILE_NAME}"
    if not has_stores(space.features):
        return "mmfeat extract"
    if not any(run.is_done for run in list_runs(space)):
        return "mmfeat compare"
    return "mmfeat report, mmfeat predict, or mmfeat export"


# What a newcomer may look for, by the name of the command.
OTHER_WORDS = {
    "init": ("start", "new", "setup", "configure"),
    "check": ("validate", "lint"),
    "extract": ("embed", "encode", "features"),
    "compare": ("train", "benchmark", "evaluate", "best"),
    "fit": ("train", "learn"),
    "report": ("leaderboard", "results", "show", "plot", "open"),
    "predict": ("tag", "label", "classify", "annotate", "infer"),
    "export": ("save", "bundle", "deploy"),
}


class FirstPage(TyperGroup):
    """The group of all commands; its help says what is next."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; the error about one that is not there knows other words for it."""
        try:
            return super().resolve_command(ctx, args)
        except Exception as error:
            missing: Any = error
            names = [name for name, words in OTHER_WORDS.items() if args[0] in words]
            if type(missing).__name__ == "UsageError":  # typer does not export it
                if names:
                    told = " or ".join(f"'{name}'" for name in names)
                    missing.message = f"No such command '{args[0]}'. Did you mean {told}?"
                elif what_is(args[0]):
                    missing.message = f"{args[0]!r} is no command; mmfeat init looks at a folder"
            raise

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        self.help = f"{self.help}\n\nNext in this folder: {next_step()}"
        super().format_help(ctx, formatter)
