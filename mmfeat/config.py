"""Every default, once, and the project's own settings from `mmfeat.toml`.

A section of the file is a frozen dataclass below; a key is one of its fields. Flags of the
command line override the file, and the file overrides the defaults here. `mmfeat config` prints
all of it, and `mmfeat.core.settings` reads the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from mmfeat.errors import ConfigError

FILE_NAME = "mmfeat.toml"
MODALITIES = ("image", "text", "joint")  # that encoders embed
FOLDS, MOST_FOLDS = 5, 20  # usually, and of few rows; see mmfeat.fit.held_out
AUTO = "auto"  # weights that a family takes where none are named
DEMO_TRAIN, DEMO_TEST = 3000, 1500  # scenes of the demo
ALL = "all"  # of them, as far as the encoder gives them
RAY_HELP = "address of the Ray cluster; by default RAY_ADDRESS, or a cluster of this machine"


def key(default: Any, help: str) -> Any:
    """Declare a key: its default, and what it means."""
    return field(default=default, metadata={"help": help})


def one_of(*choices: str, help: str) -> Any:
    """Declare a key that takes one of `choices`; the first is its default."""
    return field(default=choices[0], metadata={"choices": choices, "help": help})


def choices_of(section: type, key: str) -> tuple[str, ...]:
    """The choices of a field that was declared by `one_of`; of another field none."""
    declared = next(f for f in fields(section) if f.name == key)
    found: tuple[str, ...] = declared.metadata.get("choices", ())
    return found


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """``[data]``: where the images lie and what the columns of a table are called."""

    images: str = key(".", "folder of the images, or an address such as s3://bucket/folder")
    id_col: str = key("ImageID", "column of the ids; if empty, the rows are numbered")
    image_col: str | None = key(None, "column of the image paths; by default the ids are paths")
    image_sep: str | None = key(None, "separator of several images in a cell; json for lists")
    image_suffix: str | None = key(None, "ending that the names of images lack, e.g. .jpg")
    text_col: str = key("Caption", "column of the captions; empty if there are none")
    text_sep: str | None = key(None, "separator of several captions in a cell; json for lists")
    pool: str = one_of(
        "mean", "max", help="how several images or captions of a row become one vector"
    )
    label_col: str = key("Labels", "column of the labels; empty if there are none")
    label_sep: str | None = key(None, "separator of labels in a cell; detected by default")
    label_cols: tuple[str, ...] = key((), "yes/no or categorical label columns, not label_col")
    normalise_labels: bool = key(False, "merge labels that differ in case, spaces or Unicode form")
    rename_labels: tuple[str, ...] = key((), "new names of labels, OLD=NEW each; equal ones merge")
    group_cols: tuple[str, ...] = key((), "columns that related rows share a value of")
    group_regex: str | None = key(None, "pattern; related rows match it alike in their id or path")
    fold_col: str | None = key(None, "column of the table's own folds")
    time_col: str | None = key(None, "column of dates or numbers; folds are judged forward in time")
    known_col: str | None = key(
        None, "column that lists the labels known of a row, besides its own"
    )
    uncertain_col: str | None = key(None, "column that lists the uncertain labels of a row")

    def __post_init__(self) -> None:
        if self.label_sep == "":
            raise ConfigError(
                "labels need a separator", "label_sep is empty", "set one, e.g. a space"
            )
        for name in ("label_sep", "image_sep", "text_sep"):
            separator = getattr(self, name)
            if separator and not is_utf8(separator):
                raise ConfigError(
                    f"the {name.removesuffix('_sep')} separator must be UTF-8",
                    f"it is {separator!r}",
                    "use another one",
                )


@dataclass(frozen=True, kw_only=True)
class ExtractSettings:
    """``[extract]``: the encoder and how it is run."""

    model: str = key(
        "ViT-L-14", "name of the encoder, e.g. ViT-L-14 or hf:NAME; see `mmfeat list encoders`"
    )
    models: tuple[str, ...] = key(
        (), "encoders, or a file of them, each for a feature set of its own; instead of model"
    )
    pretrained: str = key(
        AUTO,
        "weights of the encoder: a tag, a local file or folder, or random; auto: openai, or those"
        " of the model's name",
    )
    modalities: tuple[str, ...] = key((ALL,), "modalities to encode: all, or of image, text, joint")
    joint_pool: str = one_of(
        AUTO,
        "pooler",
        "first",
        "mean",
        help="what of a model of pairs is stored: its pooler, its first state, or the mean",
    )
    precision: str = one_of("auto", "fp32", "bf16", "fp16", help="numeric precision of the encoder")
    dtype: str = one_of("float16", "float32", help="data type of the stored embeddings")
    batch_size: int = key(0, "number of rows in a batch; 0 chooses it automatically")
    workers: int = key(-1, "number of decoding processes; -1 chooses it automatically, 0 uses none")
    device: str = key("auto", "device of the encoder: auto, cpu, cuda, …")
    shard_rows: int = key(4096, "number of rows in a shard, the most that an interruption costs")
    rows_per_file: int = key(0, "number of rows in each file of the store; 0 writes one file")
    long_captions: str = one_of(
        "cut",
        "windows",
        help="captions longer than the encoder's context: cut, or the mean of windows that fit",
    )
    on_bad_image: str = one_of(
        "record",
        "allow",
        "fail",
        help="record unreadable images, but stop if most are missing; allow any number; or fail",
    )
    max_pixels: int = key(100_000_000, "largest number of pixels; larger images are refused")
    decode: str = one_of("exact", "fast", help="decoding of JPEG files; fast is approximate")
    engine: str = key("local", "engine that runs the encoder; see `mmfeat list engines`")
    ray_address: str | None = key(None, RAY_HELP)
    actors: int = key(0, "number of Ray actors; 0 starts one per GPU, else one per machine")
    num_gpus_per_actor: float = key(-1.0, "GPUs per Ray actor; -1 takes one if there are any")
    shards: str | None = key(None, "address where shards are also stored, e.g. s3://bucket/folder")
    label_prompts: str | None = key(None, "table of label and prompt, or a .txt file of templates")


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """``[fit]``: the head, the fusion and the folds."""

    split: str = key("train", "name of the store to fit")
    head: str = key("logreg", "classifier to fit; see `mmfeat list heads`")
    fusion: str = key("concat", "how modalities are combined; see `mmfeat list fusions`")
    loss: str = key("bce", "training loss; see `mmfeat list losses`")
    folds: int | None = key(None, "number of folds; by default 5, up to 20 if rows are few")
    fold_by: str = one_of(
        "auto",
        "random",
        "column",
        "time",
        help="how rows are held out: as the table says by --fold-col or --time-col, else at random",
    )
    validation: str | None = key(None, "split that judges heads fitted on --split alone")
    seed: int = key(0, "random seed of the folds and the head")
    max_memory: str | None = key(None, "memory for features, e.g. 2GiB; unlimited by default")
    exclude_labels: tuple[str, ...] = key((), "labels that are neither fitted nor predicted")
    min_positives: int = key(0, "positive rows that a label needs to be fitted and predicted")
    near_copies: str = one_of("on", "off", help="whether near-copies are kept in one fold")
    unknown: str = one_of(
        "ignore",
        "negative",
        help="what a fit learns from unknown labels: nothing, or that they are 0",
    )

    def __post_init__(self) -> None:
        if self.folds is not None and self.folds < 2:
            raise ConfigError(
                "cross-validation needs at least 2 folds", f"it is {self.folds}", "use 5, say"
            )
        if self.seed < 0:
            raise ConfigError("a seed is at least 0", f"it is {self.seed}", "choose another seed")


@dataclass(frozen=True, kw_only=True)
class ThresholdSettings:
    """``[thresholds]``: the objective of the per-class thresholds."""

    objective: str = key("macro-f1", "objective of the thresholds; see `mmfeat list objectives`")
    method: str | None = key(None, "method of tune-thresholds; see `mmfeat list methods`")
    beta: float = key(2.0, "beta of f-beta; above 1, recall weighs more than precision")
    floor: float = key(0.9, "lower bound of precision-at-least and recall-at-least")

    def options(self) -> dict[str, float]:
        """What the objective depends on: `beta` of f-beta, `floor` of the two lower bounds."""
        if self.objective == "f-beta":
            return {"beta": self.beta}
        return {"floor": self.floor} if self.objective.endswith("at-least") else {}


USUAL_THRESHOLDS = ThresholdSettings()


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """``[compare]``: the cells of a comparison, and what it may cost."""

    heads: tuple[str, ...] = key(("all",), "heads to compare, or all")
    fusions: tuple[str, ...] = key(("image", "text", "concat"), "fusions to compare, or all")
    losses: tuple[str, ...] = key(("bce",), "losses to compare, or all, for heads that have one")
    seeds: int = key(1, "number of seeds; each repeats all cells on other folds")
    jobs: int = key(0, "number of parallel cells; 0 runs one, or on a cluster one per CPU")
    engine: str = key("local", "engine that fits the cells: local or ray")
    ray_address: str | None = key(None, RAY_HELP)
    budget: str | None = key(None, "time limit, e.g. 10m; by default, all cells are fitted")


@dataclass(frozen=True, kw_only=True)
class SubmitSettings:
    """``[submit]``: the split to predict and the sample to agree with."""

    split: str = key("test", "name of the store to predict")
    sample: str | None = key(None, "sample submission that the file must match")
    decode: str | None = key(None, "how probabilities become label sets; by default as tuned")
    empty: str = key("top1", "prediction for rows that get no label: top1 or blank")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All of `mmfeat.toml`."""

    workspace: str = key("artifacts", "folder of all output: features, runs, submissions and more")
    data: DataSettings = field(default_factory=DataSettings)
    splits: dict[str, str] = field(
        default_factory=dict, metadata={"help": "name and table of each split"}
    )
    extract: ExtractSettings = field(default_factory=ExtractSettings)
    fit: FitSettings = field(default_factory=FitSettings)
    thresholds: ThresholdSettings = field(default_factory=ThresholdSettings)
    compare: CompareSettings = field(default_factory=CompareSettings)
    submit: SubmitSettings = field(default_factory=SubmitSettings)


def is_utf8(text: str) -> bool:
    """Whether a text can be written as UTF-8, which bytes that a shell passes on may not be."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
