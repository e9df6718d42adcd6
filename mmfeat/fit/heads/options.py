"""Options of heads: each is a field with its type, default, allowed values and meaning.

A declaration with `option` is all that is needed: it parses `--set` texts, checks values before a
fit begins, and is what `mmfeat list heads NAME` prints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from mmfeat.core.checks import check_choice, check_range, check_type
from mmfeat.errors import ConfigError

KEY = "option"  # in the metadata of a field


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What an option means, and which values it takes besides None.

    Numbers lie between `low` and `high`, both included; texts are one of `choices`; a tuple has at
    most `longest` entries.
    """

    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    longest: int = 64

    def check(self, name: str, value: Any) -> None:
        """Raise `ConfigError` for a value that is not allowed."""
        if self.choices:
            check_choice(name, value, self.choices)
        if isinstance(value, tuple) and len(value) > self.longest:
            raise ConfigError(
                f"{name} has at most {self.longest} entries",
                f"it has {len(value):,}",
                "leave some out",
            )
        if self.low is not None and self.high is not None:
            for number in value if isinstance(value, tuple) else (value,):
                check_range(name, number, self.low, self.high)

    @property
    def allowed(self) -> str:
        """The allowed values in words; empty where any value of the type is."""
        if self.choices:
            return ", ".join(self.choices)
        return "" if self.low is None else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, kw_only=True)
class Option:
    """An option of a head: a field of its class."""

    name: str
    type: Any
    default: Any
    rule: Rule

    @property
    def type_name(self) -> str:
        """The type as one writes it, e.g. ``int | None``."""
        return self.type.__name__ if isinstance(self.type, type) else str(self.type)


def option(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare an option of a head, as a field of its dataclass."""
    rule = Rule(help=help, low=low, high=high, choices=choices)
    return field(default=default, metadata={KEY: rule})


def options_of(head: type) -> dict[str, Option]:
    """The options of a head's class by name, with the types as `typing.get_type_hints` gives them.

    A field without `option` is an option, too; only its type is known.
    """
    hints = get_type_hints(head)
    return {
        f.name: Option(
            name=f.name,
            type=hints[f.name],
            default=f.default,
            rule=f.metadata.get(KEY, Rule(help="")),
        )
        for f in fields(head)
    }


def check_options(head: object) -> None:
    """Raise `ConfigError` for an option of a wrong type, or a value that is not allowed."""
    for name, known in options_of(type(head)).items():
        value = getattr(head, name)
        check_type(name, value, known.type)
        if value is not None or NoneType not in get_args(known.type):
            known.rule.check(name, value)


def check_none_is_ignored(settings: Mapping[str, object], ignored: Mapping[str, set[str]]) -> None:
    """Raise `ConfigError` where one setting overrides another.

    `ignored` maps an option to the options that have no effect once it is set.
    """
    for name, others in ignored.items():
        lost = sorted(others & set(settings))
        if settings.get(name) is not None and lost:
            raise ConfigError(
                f"{name} overrides {' and '.join(lost)}",
                f"both {name} and {lost[0]} are set",
                f"leave out {' and '.join(lost)}, or {name}",
            )


def parse_option(key: str, text: str, annotation: Any) -> Any:
    """Turn the text of a `--set` value into its type.

    Understood: bool, int, float, str, ``tuple[int, ...]`` (written ``2048-512``), and any of
    them ``| None`` (written ``none``). Raises `ConfigError` where the text does not fit.
    """
    union = get_origin(annotation) in (Union, UnionType)
    kinds = get_args(annotation) if union else (annotation,)
    if text.lower() == "none" and NoneType in kinds:
        return None
    (kind,) = (k for k in kinds if k is not NoneType)
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        if kind in (int, float, str):
            return kind(text)
        if get_origin(kind) is tuple and get_args(kind)[0] is int:
            return tuple(int(part) for part in text.split("-"))
    except (KeyError, ValueError):
        name = annotation.__name__ if isinstance(annotation, type) else str(annotation)
        raise ConfigError(
            f"--set {key} takes a value of type {name}",
            f"{text!r} is not one",
            "write it as in --set dropout=0.5, --set hidden=2048-512 or --set ema=true",
        ) from None
    raise TypeError(f"options are not of type {annotation}")
