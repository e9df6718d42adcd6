"""The project's own settings: `mmfeat.toml` is read, and options override its keys.

The keys and their defaults stand in `mmfeat.config`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from mmfeat.config import FILE_NAME, Settings
from mmfeat.errors import ConfigError, did_you_mean

LARGEST = 10**18  # fits the 64 bits of numpy and torch

Section = TypeVar("Section")


def read_settings(folder: Path = Path()) -> Settings:
    """Read `mmfeat.toml` in `folder`; without such a file, the defaults.

    Raises `ConfigError` for broken TOML, an unknown section or key, and a value of a wrong type.
    """
    return _fill(Settings(), read_document(folder), where=str(folder / FILE_NAME))


def read_document(folder: Path = Path()) -> dict[str, Any]:
    """What `mmfeat.toml` in `folder` holds, unchecked; raise `ConfigError` for broken TOML."""
    path = folder / FILE_NAME
    if not path.exists():
        return {}
    if not path.is_file():
        raise ConfigError(
            f"{FILE_NAME} must be a file", f"{path} is not a file", "remove or rename it"
        )
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(
            f"{FILE_NAME} must be TOML", f"{path}: {error}", "correct that line"
        ) from error


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
            raise ConfigError(
                f"the options are {', '.join(valid)}",
                f"{name!r} is not one of them",
                did_you_mean(name, valid, "check the spelling"),
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
                did_you_mean(key, known, "check the spelling or remove it"),
            )
        if is_dataclass(known[key]) and isinstance(value, dict):
            changes[key] = _fill(known[key], value, where=f"{where} [{key}]")
            continue
        given = _stored(value)
        if not has_type(given, types[key]):
            raise ConfigError(
                f"{key} in {where} is {in_toml(types[key])}",
                f"it is {value!r}",
                _meant(key, value, known),
            )
        changes[key] = float(given) if types[key] is float else given
    return replace(section, **changes)  # type: ignore[type-var]


def _meant(key: str, value: Any, known: Mapping[str, Any]) -> str:
    """The remedy for a value of a wrong type: one in place of a list, or a list in place of one."""
    if isinstance(value, list) and f"{key}s" in known:
        return f"a list is given as {key}s = {json.dumps(value, ensure_ascii=False)}"
    if isinstance(value, str) and isinstance(known[key], tuple):
        return f"write {key} = [{json.dumps(value, ensure_ascii=False)}]"
    return "change its value"


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


def in_toml(annotation: Any) -> str:
    """Say the same of a key of `mmfeat.toml`, where a tuple is written as a list."""
    return in_words(annotation).replace("a tuple", "a list")
