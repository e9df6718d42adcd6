"""The typer app: every command, in the order in which data flows."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from mmfeat import __version__
from mmfeat_cli import list_
from mmfeat_cli.compare import compare, search
from mmfeat_cli.decide import tune_thresholds
from mmfeat_cli.demo import demo, demo_data
from mmfeat_cli.extract import extract, import_, inspect, verify
from mmfeat_cli.fit import fit
from mmfeat_cli.messages import ending_well
from mmfeat_cli.predict import predict, score, submit
from mmfeat_cli.report import report
from mmfeat_cli.runs import runs

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

    In a folder with an mmfeat.toml these four lines are the whole job: mmfeat extract,
    mmfeat fit, mmfeat tune-thresholds, mmfeat submit.
    """


COMMANDS = {
    "demo": demo.demo,
    "demo-data": demo_data.demo_data,
    "extract": extract.extract,
    "import": import_.import_,
    "inspect": inspect.inspect,
    "verify": verify.verify,
    "fit": fit.fit,
    "tune-thresholds": tune_thresholds.tune_thresholds,
    "predict": predict.predict,
    "submit": submit.submit,
    "score": score.score,
    "compare": compare.compare,
    "search": search.search,
    "runs": runs.runs,
    "report": report.report,
    "list": list_.list_,
}

for name, command in COMMANDS.items():
    app.command(name)(ending_well(command))


def main() -> None:
    """Entry point of the console script."""
    # Read when torch or LightGBM loads OpenMP: threads that wait sleep instead of spinning, so
    # that decoding processes and other jobs on the machine get the core meanwhile.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app()


if __name__ == "__main__":
    main()
