"""The typer app: every command, in panels that follow the data."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Annotated

import typer

from mmfeat import __version__
from mmfeat_cli.help.command_page import CommandPage
from mmfeat_cli.help.next_step import FirstPage
from mmfeat_cli.messages import ending_well
from mmfeat_cli.terminal import never_fail_to_encode

app = typer.Typer(
    name="mmfeat",
    cls=FirstPage,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"mmfeat {__version__}")
        raise typer.Exit(0)


@app.callback()
def mmfeat(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Find the best frozen-feature classifier for images with captions, and predict with it.

    Four commands are the whole job, in a folder with a table and pictures:

      mmfeat init       look at the folder, and write the settings, mmfeat.toml
      mmfeat extract    run the encoder once over pictures and captions
      mmfeat compare    fit heads and fusions: which is best, and how good it is
      mmfeat predict    label new rows: --table new.csv --out labels.csv
    """


PANELS: dict[str, dict[str, str]] = {
    "Start": {
        "init": "mmfeat_cli.start.init:init",
        "convert": "mmfeat_cli.start.convert:convert",
        "check": "mmfeat_cli.extract.check:check",
        "demo": "mmfeat_cli.demo.demo:demo",
        "demo-data": "mmfeat_cli.demo.demo_data:demo_data",
    },
    "Stage one: from a table to features": {
        "extract": "mmfeat_cli.extract.extract:extract",
        "import": "mmfeat_cli.extract.import_:import_",
        "inspect": "mmfeat_cli.extract.inspect:inspect",
        "verify": "mmfeat_cli.extract.verify:verify",
        "duplicates": "mmfeat_cli.extract.duplicates:duplicates",
    },
    "Stage two: from features to the best run": {
        "compare": "mmfeat_cli.compare.compare:compare",
        "fit": "mmfeat_cli.fit.fit:fit",
        "tune-thresholds": "mmfeat_cli.decide.tune_thresholds:tune_thresholds",
        "search": "mmfeat_cli.compare.search:search",
        "report": "mmfeat_cli.report.report:report",
        "runs": "mmfeat_cli.runs.runs:runs",
        "learning-curve": "mmfeat_cli.fit.learning_curve:learning_curve",
        "sensitivity": "mmfeat_cli.fit.sensitivity:sensitivity",
    },
    "The winner": {
        "predict": "mmfeat_cli.predict.predict:predict",
        "submit": "mmfeat_cli.predict.submit:submit",
        "score": "mmfeat_cli.predict.score:score",
        "export": "mmfeat_cli.export.export:export",
        "serve": "mmfeat_cli.serve.serve:serve",
        "promote": "mmfeat_cli.compare.promote:promote",
    },
    "Upkeep": {
        "list": "mmfeat_cli.list_:list_",
        "config": "mmfeat_cli.config_:config",
        "clean": "mmfeat_cli.runs.clean:clean",
    },
}
COMMANDS = {name: panel for panel, commands in PANELS.items() for name in commands}

for name, panel in COMMANDS.items():
    module, function = PANELS[panel][name].split(":")
    command = ending_well(name, getattr(import_module(module), function))
    app.command(name, cls=CommandPage, rich_help_panel=panel)(command)


def main() -> None:
    """Entry point of the console script."""
    # Read when torch or LightGBM loads OpenMP: threads that wait sleep instead of spinning, so
    # that decoding processes and other jobs on the machine get the core meanwhile.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["PYTHONSAFEPATH"] = "1"  # no process runs code of the folder that a user stands in
    never_fail_to_encode()
    app()


if __name__ == "__main__":
    main()
