"""Options that commands share, and help texts made of the settings and registries behind them.

A default or a list of choices is never typed into a help text: `of` reads both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

import typer

from mmfeat.config import DataSettings as Data
from mmfeat.config import ExtractSettings, FitSettings, Settings, choices_of
from mmfeat.decide.forecast import MOST_ROWS
from mmfeat.errors import ConfigError
from mmfeat.extract.engines.base import ENGINES
from mmfeat_cli.help.completion import one_of

DATA, OUTPUT, SPEED = "Table", "Output", "Speed and memory"
ENCODER, IMAGES, FOLDS = "Encoder", "Images", "Labels and folds"
PANELS = (ENCODER, IMAGES, DATA, FOLDS, SPEED, OUTPUT)  # of several commands, in their order

_REPEATED = ("rename_labels",)  # once per item, since an item may have a comma


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
    default = None if isinstance(field.default, bool) else field.default
    shown = ",".join(default) if isinstance(default, tuple) else default
    text = (help or str(field.metadata["help"])).rstrip(".")
    sentences = [f"{text[0].upper()}{text[1:]}."]
    if isinstance(default, tuple):
        sentences.append("Repeatable." if key in _REPEATED else "Comma-separated.")
    if allowed := tuple(choices or choices_of(section, key)):
        sentences.append(f"One of {', '.join(allowed)}.")
        how.setdefault("autocompletion", one_of(allowed))
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
        "--quiet",
        "-q",
        help="Hide progress; print only results and errors.",
        rich_help_panel=OUTPUT,
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
DryRunOption = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Say how long it takes, by trying some of it, and what is reused; write nothing.",
    ),
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
PredictorArgument = Annotated[
    str | None,
    typer.Argument(
        help="Name of a run, folder of a bundle, or hub:OWNER/NAME; by default the best of the"
        " last comparison.",
    ),
]
StoreArgument = Annotated[
    str,
    typer.Argument(metavar="SPLIT|PATH", help="Split of a feature store, or its file or folder."),
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
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        help="Address of the Ray cluster for --engine ray: auto or HOST:PORT.",
        rich_help_panel=SPEED,
    ),
]

# Some of the columns of a table, for commands that do not take all of `TableOptions`.
IdCol = Annotated[str | None, of(Data, "id_col", rich_help_panel=DATA)]
ImageCol = Annotated[str | None, of(Data, "image_col", rich_help_panel=DATA)]
TextCol = Annotated[str | None, of(Data, "text_col", rich_help_panel=DATA)]
LabelCol = Annotated[str | None, of(Data, "label_col", rich_help_panel=DATA)]
LabelSep = Annotated[str | None, of(Data, "label_sep", rich_help_panel=DATA)]
KnownCol = Annotated[str | None, of(Data, "known_col", rich_help_panel=DATA)]
UncertainCol = Annotated[str | None, of(Data, "uncertain_col", rich_help_panel=DATA)]

# The scenes of the demo.
TrainScenes = Annotated[int, typer.Option("--train", min=1, help="Number of labelled rows.")]
TestScenes = Annotated[int, typer.Option("--test", min=1, help="Number of test rows.")]
SceneSeed = Annotated[int, typer.Option("--seed", min=0, help="Random seed of the scenes.")]

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


# How the keys of sections look that commands take all of, where `of` does not know it already.
_PANELS: dict[str, dict[str, Any]] = {
    key: {"rich_help_panel": panel}
    for panel, keys in {
        ENCODER: (
            "model",
            "models",
            "pretrained",
            "modalities",
            "precision",
            "dtype",
            "label_prompts",
            "long_captions",
            "joint_pool",
        ),
        IMAGES: ("images", "on_bad_image", "max_pixels", "decode"),
        FOLDS: (
            *("folds", "seed", "fold_by", "validation", "near_copies"),
            *("exclude_labels", "min_positives", "unknown"),
        ),
        SPEED: (
            *("batch_size", "workers", "device", "shard_rows", "rows_per_file", "engine"),
            *("ray_address", "actors", "num_gpus_per_actor", "shards", "max_memory"),
        ),
    }.items()
    for key in keys
}
_HOW: dict[str, dict[str, Any]] = {
    "batch_size": {"min": 0},
    "workers": {"min": -1},
    "shard_rows": {"min": 1},
    "rows_per_file": {"min": 0},
    "max_pixels": {"min": 1},
    "engine": {"choices": ENGINES},
    "actors": {"min": 0},
    "num_gpus_per_actor": {"min": -1.0},
    "shards": {"metavar": "ADDRESS"},
    "models": {"metavar": "FILE|NAMES"},
    "label_prompts": {
        "metavar": "PATH",
        "help": "Prompts of the labels, for the heads zeroshot and logreg: a table with the columns"
        " label and prompt, or a .txt file of templates, e.g. `a photo of a {}`",
    },
    "label_cols": {"help": "Yes/no or categorical label columns, instead of --label-col"},
    "rename_labels": {"flag": "--rename-label", "metavar": "OLD=NEW"},
    "group_cols": {"flag": "--group-col"},
    "folds": {"min": 2},
    "seed": {"min": 0},
    "min_positives": {"min": 0},
    "max_memory": {
        "help": "Memory for features, e.g. 2GiB; larger features are read slice by slice"
    },
}


def option_of(key: str, kind: Any) -> Any:
    """The annotated option of a key of a TypedDict of options, whose values are of type `kind`.

    It shows what `mmfeat.config` says of the key, which is one of how a table is read, encoded or
    fitted.
    """
    section = next(
        one for one in (Data, ExtractSettings, FitSettings) if key in {f.name for f in fields(one)}
    )
    kinds = [one for one in get_args(kind) if one is not NoneType]
    how: dict[str, Any] = {"rich_help_panel": DATA} if section is Data else {}
    how |= _PANELS.get(key, {}) | _HOW.get(key, {})
    if get_origin(kinds[0]) is not Sequence:
        return Annotated[kinds[-1] | None, of(section, key, **how)]
    if key in _REPEATED:
        return Annotated[list[str] | None, of(section, key, **how)]
    how = {"callback": names, "metavar": "NAMES", **how}
    return Annotated[list[str] | None, of(section, key, **how)]


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


def names(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """The names of a comma-separated option, which may be repeated; none: it was not given."""
    texts = [given] if isinstance(given, str) else given or ()
    return tuple(name for text in texts for part in text.split(",") if (name := part.strip()))
