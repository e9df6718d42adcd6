"""The typer app: every command, in the order in which data flows."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Annotated

import typer

from mmfeat import __version__
from mmfeat_cli.messages import ending_well
from mmfeat_cli.terminal import never_fail_to_encode

app = typer.Typer(
    name="mmfeat",
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

    In a folder with an mmfeat.toml, four commands do the whole job: mmfeat extract, mmfeat fit,
    mmfeat tune-thresholds and mmfeat submit.
    """


COMMANDS = {
    "demo": "mmfeat_cli.demo.demo:demo",
    "demo-data": "mmfeat_cli.demo.demo_data:demo_data",
    "check": "mmfeat_cli.extract.check:check",
    "extract": "mmfeat_cli.extract.extract:extract",
    "import": "mmfeat_cli.extract.import_:import_",
    "inspect": "mmfeat_cli.extract.inspect:inspect",
    "verify": "mmfeat_cli.extract.verify:verify",
    "duplicates": "mmfeat_cli.extract.duplicates:duplicates",
    "fit": "mmfeat_cli.fit.fit:fit",
    "sensitivity": "mmfeat_cli.fit.sensitivity:sensitivity",
    "learning-curve": "mmfeat_cli.fit.learning_curve:learning_curve",
    "tune-thresholds": "mmfeat_cli.decide.tune_thresholds:tune_thresholds",
    "predict": "mmfeat_cli.predict.predict:predict",
    "submit": "mmfeat_cli.predict.submit:submit",
    "score": "mmfeat_cli.predict.score:score",
    "compare": "mmfeat_cli.compare.compare:compare",
    "search": "mmfeat_cli.compare.search:search",
    "runs": "mmfeat_cli.runs.runs:runs",
    "clean": "mmfeat_cli.runs.clean:clean",
    "report": "mmfeat_cli.report.report:report",
    "export": "mmfeat_cli.export.export:export",
    "promote": "mmfeat_cli.compare.promote:promote",
    "serve": "mmfeat_cli.serve.serve:serve",
    "list": "mmfeat_cli.list_:list_",
    "config": "mmfeat_cli.config_:config",
}

for name, target in COMMANDS.items():
    module, function = target.split(":")
    app.command(name)(ending_well(name, getattr(import_module(module), function)))


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
