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
from mmfeat.decide.forecast import MOST_ROWS
from mmfeat.errors import ConfigError

DATA, OUTPUT, SPEED = "Table", "Output", "Speed and memory"


def of(
    section: type,
    key: str,
    help: str | None = None,
    *,
    choices: Iterable[str] = (),
    flag: str | None = None,
    **how: Any,
) -> Any:
    """An option that stands for a key of `mmfeat.toml`: its help shows choices and default.

    `help` is by default that of the key.
    """
    field = next(f for f in fields(section) if f.name == key)
    default = field.default
    shown = ",".join(default) if isinstance(default, tuple) else default
    text = (help or str(field.metadata["help"])).rstrip(".")
    sentences = [f"{text[0].upper()}{text[1:]}."]
    if isinstance(default, tuple):
        sentences.append("Comma-separated.")
    if listed := ", ".join(choices or choices_of(section, key)):
        sentences.append(f"One of {listed}.")
    return typer.Option(
        flag or f"--{key.replace('_', '-')}",
        help=" ".join(sentences),
        show_default=False if shown in (None, "") else repr(shown) if shown == " " else str(shown),
        **how,
    )


WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "-w",
        "--workspace",
        envvar="MMFEAT_WORKSPACE",
        help="Folder of features, runs and all other output.",
        show_default=Settings().workspace,
        rich_help_panel=OUTPUT,
    ),
]
QuietOption = Annotated[
    bool,
    typer.Option(
        "--quiet", help="Hide progress; print only results and errors.", rich_help_panel=OUTPUT
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print the result as one JSON object.", rich_help_panel=OUTPUT),
]
DecisionOption = Annotated[
    str | None,
    typer.Option(
        "--objective",
        help="Objective whose tuned decision is used; by default the decision in use. With"
        " `none`, every threshold is 0.5.",
    ),
]
PerClassOption = Annotated[
    bool,
    typer.Option("--per-class", help="Print a row per label, worst first.", rich_help_panel=OUTPUT),
]
ForRowsOption = Annotated[
    int | None,
    typer.Option(
        "--for-rows",
        min=1,
        max=MOST_ROWS,
        help="Also forecast the score on a new test set of this many rows.",
    ),
]
ZeroDivisionOption = Annotated[
    float,
    typer.Option("--zero-division", min=0, max=1, help="Value of a ratio 0/0, as in scikit-learn."),
]
WideOption = Annotated[
    bool,
    typer.Option(
        "--wide", help="Print all columns, however wide the table.", rich_help_panel=OUTPUT
    ),
]
RunArgument = Annotated[
    str | None, typer.Argument(help="Name of a run; by default the best of the last comparison.")
]
Split = Annotated[str | None, of(FitSettings, "split")]
Features = Annotated[
    str | None,
    typer.Option("--features", help="Names of the feature sets to join, comma-separated."),
]
Pairs = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Option of the head as key=value, repeatable; see `mmfeat list heads NAME`."
    ),
]

TrackOption = Annotated[
    str | None,
    typer.Option(
        "--track",
        help="Experiment tracker to send the run to; see `mmfeat list trackers`.",
        rich_help_panel=OUTPUT,
    ),
]
MaxMemoryOption = Annotated[
    str | None,
    of(
        FitSettings,
        "max_memory",
        "Memory for features, e.g. 2GiB; larger features are read slice by slice",
        rich_help_panel=SPEED,
    ),
]
ExcludeLabels = Annotated[
    str | None,
    of(FitSettings, "exclude_labels"),
]
MinPositives = Annotated[int | None, of(FitSettings, "min_positives", min=0)]
NearCopies = Annotated[str | None, of(FitSettings, "near_copies")]
Unknown = Annotated[str | None, of(FitSettings, "unknown")]
FoldBy = Annotated[str | None, of(FitSettings, "fold_by")]
Validation = Annotated[str | None, of(FitSettings, "validation")]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        help="Address of the Ray cluster for --engine ray: auto or HOST:PORT.",
        rich_help_panel=SPEED,
    ),
]

# The columns of a table.
IdCol = Annotated[
    str | None,
    of(Data, "id_col", rich_help_panel=DATA),
]
ImageCol = Annotated[
    str | None,
    of(Data, "image_col", rich_help_panel=DATA),
]
TextCol = Annotated[str | None, of(Data, "text_col", rich_help_panel=DATA)]
LabelCol = Annotated[str | None, of(Data, "label_col", rich_help_panel=DATA)]
LabelSep = Annotated[
    str | None,
    of(
        Data,
        "label_sep",
        rich_help_panel=DATA,
    ),
]
LabelCols = Annotated[
    str | None,
    of(
        Data,
        "label_cols",
        "Yes/no or categorical label columns, instead of --label-col",
        rich_help_panel=DATA,
    ),
]
NormaliseLabels = Annotated[
    bool | None,
    of(
        Data,
        "normalise_labels",
        rich_help_panel=DATA,
    ),
]
RenameLabel = Annotated[
    list[str] | None,
    of(Data, "rename_labels", flag="--rename-label", rich_help_panel=DATA, metavar="OLD=NEW"),
]

GroupCol = Annotated[str | None, of(Data, "group_cols", flag="--group-col", rich_help_panel=DATA)]
GroupRegex = Annotated[str | None, of(Data, "group_regex", rich_help_panel=DATA)]
FoldCol = Annotated[str | None, of(Data, "fold_col", rich_help_panel=DATA)]
TimeCol = Annotated[str | None, of(Data, "time_col", rich_help_panel=DATA)]
KnownCol = Annotated[str | None, of(Data, "known_col", rich_help_panel=DATA)]
UncertainCol = Annotated[str | None, of(Data, "uncertain_col", rich_help_panel=DATA)]

StoreSplit = Annotated[
    str | None, typer.Option("--split", help="Name of the store; by default that of the table.")
]
FeatureSet = Annotated[
    str | None,
    typer.Option("--features", help="Name of the feature set that the store belongs to."),
]
StoreOut = Annotated[
    Path | None,
    typer.Option(
        "--out", help="Path of the store; by default in the workspace.", rich_help_panel=OUTPUT
    ),
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
