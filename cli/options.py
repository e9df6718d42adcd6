"""Options that commands share, and help texts made of the settings and registries behind them.

A default or a list of choices is never typed into a help text: `of` reads both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from mmfeat.config import DataSettings as Data
from mmfeat.config import FitSettings, Settings, choices_of
from mmfeat.errors import ConfigError

DATA, OUTPUT, SPEED = "Table", "Output", "Speed and memory"


def of(
    section: type,
    key: str,
    help: str,
    *,
    choices: Iterable[str] = (),
    flag: str | None = None,
    **how: Any,
) -> Any:
    """An option that stands for a key of `mmfeat.toml`: its help tells choices and default."""
    default = next(f.default for f in fields(section) if f.name == key)
    shown = ",".join(default) if isinstance(default, tuple) else default
    told = [help.rstrip(".") + "."]
    if listed := ", ".join(choices or choices_of(section, key)):
        told.append(f"One of {listed}.")
    return typer.Option(
        flag or f"--{key.replace('_', '-')}",
        help=" ".join(told),
        show_default=False if shown in (None, "") else repr(shown) if shown == " " else str(shown),
        **how,
    )


WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "-w",
        "--workspace",
        envvar="MMFEAT_WORKSPACE",
        help="Folder of features, runs, ….",
        show_default=Settings().workspace,
        rich_help_panel=OUTPUT,
    ),
]
QuietOption = Annotated[
    bool,
    typer.Option("--quiet", help="No progress, only results and errors.", rich_help_panel=OUTPUT),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object.", rich_help_panel=OUTPUT)
]
DecisionOption = Annotated[
    str | None,
    typer.Option(
        "--objective",
        help="The run's decision for it; none: 0.5 for every label; left out: the one in use.",
    ),
]
PerClassOption = Annotated[
    bool, typer.Option("--per-class", help="A row per label, worst first.", rich_help_panel=OUTPUT)
]
ForRowsOption = Annotated[
    int | None,
    typer.Option("--for-rows", min=1, help="Forecast the score on a new test of so many rows."),
]
ZeroDivisionOption = Annotated[
    float, typer.Option("--zero-division", min=0, max=1, help="What 0/0 counts as.")
]
WideOption = Annotated[
    bool, typer.Option("--wide", help="All columns, however wide.", rich_help_panel=OUTPUT)
]
RunArgument = Annotated[
    str | None, typer.Argument(help="A run's name; left out: the best of the last comparison.")
]
Split = Annotated[str | None, of(FitSettings, "split", "Name of the store")]
Features = Annotated[
    str | None, typer.Option("--features", help="Feature sets to join, comma-separated.")
]
Pairs = Annotated[
    list[str] | None,
    typer.Option("--set", help="An option of the head, key=value; see `mmfeat list heads NAME`."),
]

TrackOption = Annotated[
    str | None,
    typer.Option(
        "--track", help="Send the run; see `mmfeat list trackers`.", rich_help_panel=OUTPUT
    ),
]
MaxMemoryOption = Annotated[
    str | None,
    of(
        FitSettings,
        "max_memory",
        "E.g. 2GiB: features beyond it are read slice by slice",
        rich_help_panel=SPEED,
    ),
]
ExcludeLabels = Annotated[
    str | None,
    of(FitSettings, "exclude_labels", "Labels to leave out, comma-separated"),
]
MinPositives = Annotated[
    int | None, of(FitSettings, "min_positives", "Leave out labels with fewer rows", min=0)
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address", help="Of --engine ray: auto, or HOST:PORT.", rich_help_panel=SPEED
    ),
]

# The columns of a table.
IdCol = Annotated[
    str | None,
    of(Data, "id_col", "Column of the ids; '' numbers the rows", rich_help_panel=DATA),
]
ImageCol = Annotated[
    str | None,
    of(Data, "image_col", "Column of the images' paths; else the id", rich_help_panel=DATA),
]
TextCol = Annotated[
    str | None, of(Data, "text_col", "Column of the captions; '' for none", rich_help_panel=DATA)
]
LabelCol = Annotated[
    str | None, of(Data, "label_col", "Column of the labels; '' for none", rich_help_panel=DATA)
]
LabelSep = Annotated[
    str | None,
    of(
        Data,
        "label_sep",
        "Separates the labels of a cell; else found in the cells",
        rich_help_panel=DATA,
    ),
]
LabelCols = Annotated[
    str | None,
    of(
        Data,
        "label_cols",
        "Columns of yes or no, or of categories, comma-separated",
        rich_help_panel=DATA,
    ),
]
NormaliseLabels = Annotated[
    bool | None,
    of(
        Data,
        "normalise_labels",
        "Join labels that differ by case, blanks or Unicode form",
        rich_help_panel=DATA,
    ),
]

StoreSplit = Annotated[
    str | None, typer.Option("--split", help="Name of the store; else the table's name.")
]
FeatureSet = Annotated[
    str | None, typer.Option("--features", help="Name of a feature set of its own.")
]
StoreOut = Annotated[
    Path | None, typer.Option("--out", help="Path of the store.", rich_help_panel=OUTPUT)
]


def settings_pairs(pairs: Sequence[str] | None) -> dict[str, str]:
    """Split `--set key=value` texts; dashes in a key may be written for underscores."""
    found: dict[str, str] = {}
    for pair in pairs or ():
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise ConfigError(
                "--set takes key=value", f"{pair!r} is not", "write e.g. --set dropout=0.5"
            )
        found[key.strip().replace("-", "_")] = value.strip()
    return found


def names(text: str | None) -> tuple[str, ...]:
    """Split a comma-separated option."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())
