"""Every default, once, and the project's own settings from `mmfeat.toml`.

A section of the file is a frozen dataclass below; a key is one of its fields. Flags of the
command line override the file, and the file overrides the defaults here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from difflib import get_close_matches
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from mmfeat.errors import ConfigError

FILE_NAME = "mmfeat.toml"
LARGEST = 10**18  # fits the 64 bits of numpy and torch


def one_of(*choices: str) -> Any:
    """Declare a field that takes one of `choices`; the first is its default."""
    return field(default=choices[0], metadata={"choices": choices})


def choices_of(section: type, key: str) -> tuple[str, ...]:
    """The choices of a field that was declared by `one_of`; of another field none."""
    found: tuple[str, ...] = next(f for f in fields(section) if f.name == key).metadata.get(
        "choices", ()
    )
    return found


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """``[data]``: where the images lie and what the columns of a table are called."""

    images: str = "."  # a folder, or an address such as s3://bucket/folder
    id_col: str = "ImageID"
    image_col: str | None = None  # None: the id is the image's path
    text_col: str = "Caption"
    label_col: str = "Labels"
    label_sep: str | None = None  # None: found in the cells
    label_cols: tuple[str, ...] = ()  # columns of yes or no, or of categories; not label_col
    normalise_labels: bool = False  # join labels that differ by case, blanks or Unicode form

    def __post_init__(self) -> None:
        if self.label_sep == "":
            raise ConfigError(
                "labels need a separator", "label_sep is empty", "set one, e.g. a space"
            )


@dataclass(frozen=True, kw_only=True)
class ExtractSettings:
    """``[extract]``: the encoder and how it is run."""

    model: str = "ViT-L-14"
    pretrained: str = "openai"
    modalities: tuple[str, ...] = ("image", "text")
    precision: str = one_of("auto", "fp32", "bf16", "fp16")
    dtype: str = one_of("float16", "float32")  # of the stored embeddings
    batch_size: int = 0  # 0: auto
    workers: int = -1  # processes that decode images; -1: auto, 0: none
    device: str = "auto"
    shard_rows: int = 4096
    rows_per_file: int = 0  # 0: the store is one file
    on_bad_image: str = one_of("record", "allow", "fail")
    max_pixels: int = 100_000_000
    decode: str = one_of("exact", "fast")
    engine: str = "local"
    ray_address: str | None = None  # None: RAY_ADDRESS, or a cluster of this machine alone
    actors: int = 0  # of the engine ray; 0: one per GPU, without GPUs one per machine
    num_gpus_per_actor: float = -1.0  # -1: one where the cluster has GPUs
    shards: str | None = None  # an address of fsspec where shards are kept, too
    label_prompts: str | None = None  # a table of label, prompt; or a .txt of templates


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """``[fit]``: the head, the fusion and the folds."""

    split: str = "train"
    head: str = "logreg"
    fusion: str = "concat"
    loss: str = "bce"
    folds: int = 5
    seed: int = 0
    max_memory: str | None = None  # e.g. 2GiB; None: all features are read into memory

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ConfigError("a seed is at least 0", f"it is {self.seed}", "choose another seed")


@dataclass(frozen=True, kw_only=True)
class ThresholdSettings:
    """``[thresholds]``: the objective of the per-class thresholds."""

    objective: str = "macro-f1"
    method: str | None = None  # None: the objective's default
    beta: float = 2.0  # of f-beta: above 1 recall counts more
    floor: float = 0.9  # of precision-at-least and recall-at-least


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """``[compare]``: the cells of a comparison, and what it may cost."""

    heads: tuple[str, ...] = ("all",)
    fusions: tuple[str, ...] = ("image", "text", "concat")
    losses: tuple[str, ...] = ("bce",)
    seeds: int = 1
    jobs: int = 0  # cells side by side; 0: one here, on a cluster one per CPU
    engine: str = "local"
    ray_address: str | None = None
    budget: str | None = None  # e.g. 10m; None: until all cells are finished


@dataclass(frozen=True, kw_only=True)
class SubmitSettings:
    """``[submit]``: the split to predict and the sample to agree with."""

    split: str = "test"
    sample: str | None = None
    decode: str | None = None  # None: as tune-thresholds decided
    empty: str = "top1"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All of `mmfeat.toml`."""

    workspace: str = "artifacts"
    data: DataSettings = field(default_factory=DataSettings)
    splits: dict[str, str] = field(default_factory=dict)  # name -> table
    extract: ExtractSettings = field(default_factory=ExtractSettings)
    fit: FitSettings = field(default_factory=FitSettings)
    thresholds: ThresholdSettings = field(default_factory=ThresholdSettings)
    compare: CompareSettings = field(default_factory=CompareSettings)
    submit: SubmitSettings = field(default_factory=SubmitSettings)


Section = TypeVar("Section")


def read_settings(folder: Path = Path()) -> Settings:
    """Read `mmfeat.toml` in `folder`; without such a file, the defaults.

    Raises `ConfigError` for broken TOML, an unknown section or key, and a value of a wrong type.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return Settings()
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(
            f"{FILE_NAME} must be TOML", f"{path}: {error}", "correct that line"
        ) from error
    return _fill(Settings(), document, where=str(path))


def override(section: Section, **flags: Any) -> Section:
    """Return `section` with every flag that was given (is not None) in place of its field.

    A list is stored as a tuple, and a path as a string.
    """
    given = {name: _stored(value) for name, value in flags.items() if value is not None}
    return replace(section, **given)  # type: ignore[type-var]


def _stored(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, int) and abs(value) > LARGEST:
        raise ConfigError("a whole number has at most 18 digits", f"it is {value}", "use less")
    return tuple(value) if isinstance(value, list) else value


def override_all(options: Mapping[str, Any], *sections: Any) -> tuple[Any, ...]:
    """Return each of `sections` with those of `options` that are its fields.

    An option that is None was not given. Raises `ConfigError` for an option of no section.
    """
    keys = [{f.name for f in fields(section)} for section in sections]
    for name in options:
        if not any(name in known for known in keys):
            valid = sorted(set().union(*keys))
            near = get_close_matches(name, valid, n=1)
            raise ConfigError(
                f"the options are {', '.join(valid)}",
                f"{name!r} is not one of them",
                f"did you mean {near[0]}?" if near else "check the spelling",
            )
    return tuple(
        override(section, **{k: v for k, v in options.items() if k in known})
        for section, known in zip(sections, keys, strict=True)
    )


def _fill(section: Section, document: dict[str, Any], *, where: str) -> Section:
    known = {f.name: getattr(section, f.name) for f in fields(section)}  # type: ignore[arg-type]
    types = get_type_hints(type(section))
    changes: dict[str, Any] = {}
    for key, value in document.items():
        if key not in known:
            raise ConfigError(
                f"{where} takes the keys {', '.join(known)}",
                f"it has {key!r}",
                "check the spelling or remove it",
            )
        if is_dataclass(known[key]) and isinstance(value, dict):
            changes[key] = _fill(known[key], value, where=f"{where} [{key}]")
            continue
        given = _stored(value)
        if not has_type(given, types[key]):
            raise ConfigError(
                f"{key} in {where} is {in_words(types[key])}",
                f"it is {value!r}",
                "change its value",
            )
        changes[key] = float(given) if types[key] is float else given
    return replace(section, **changes)  # type: ignore[type-var]


def has_type(value: Any, annotation: Any) -> bool:
    """Whether an option's value has the type of its annotation.

    `annotation` is what `typing.get_type_hints` gives. Numbers of numpy are numbers, a whole
    number is a ``float`` as well, and a bool is no number. A string is no ``Sequence``.
    """
    kind, parts = get_origin(annotation) or annotation, get_args(annotation)
    if kind in (Union, UnionType):
        return any(has_type(value, part) for part in parts)
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    if kind in (tuple, list, Sequence):
        items = isinstance(value, kind) and not isinstance(value, str)
        return items and all(has_type(item, parts[0]) for item in value)
    if kind in (dict, Mapping):
        key, item = parts
        return isinstance(value, kind) and all(
            has_type(k, key) and has_type(v, item) for k, v in value.items()
        )
    return kind is Any or not isinstance(kind, type) or isinstance(value, kind)


WORDS = {int: "an integer", float: "a number", str: "a string", bool: "true or false"}


def in_words(annotation: Any) -> str:
    """Say what an annotation allows besides None, e.g. "a list of strings"."""
    kind, parts = get_origin(annotation) or annotation, get_args(annotation)
    if kind in (Union, UnionType):
        return " or ".join(in_words(part) for part in parts if part is not NoneType)
    if kind in (tuple, list, Sequence):
        items = {int: "integers", float: "numbers", str: "strings"}.get(parts[0])
        return f"a {'tuple' if kind is tuple else 'list'}{f' of {items}' if items else ''}"
    if kind in (dict, Mapping):
        return "a mapping"
    if kind is Callable:
        return "a function"
    return WORDS.get(kind, f"a {kind.__name__}")
