"""The parameters of a command: its flags and arguments, with their types."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, OptionInfo


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """An option or argument of a command.

    Attributes
    ----------
    name
        Of the function's parameter.
    flags
        All that is written for it, e.g. ``-w`` and ``--workspace``; of an argument none.
    kind
        Its type, without None; of a list, that of its items.
    """

    name: str
    flags: tuple[str, ...]
    kind: Any


def parameters_of(command: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The parameters of a command's function, in order."""
    function = inspect.unwrap(command)
    return tuple(
        _parameter(*item)
        for item in get_type_hints(function, include_extras=True).items()
        if item[0] != "return"
    )


def flags_of(command: Callable[..., Any]) -> frozenset[str]:
    """Every flag that a command's function declares."""
    return frozenset(flag for found in parameters_of(command) for flag in found.flags)


def _parameter(name: str, annotation: Any) -> Parameter:
    kind, *parts = get_args(annotation)
    (info,) = (one for one in parts if isinstance(one, ArgumentInfo | OptionInfo))
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (part for part in get_args(kind) if part is not NoneType)
    flags: tuple[str, ...] = ()
    if isinstance(info, OptionInfo):
        # In an annotation, the first flag stands where a default would.
        declared = (info.default, *(info.param_decls or ()))
        flags = tuple(one for one in declared if isinstance(one, str) and one.startswith("-"))
        flags = flags or (f"--{name.replace('_', '-')}",)
    return Parameter(
        name=name, flags=flags, kind=get_args(kind)[0] if get_origin(kind) is list else kind
    )
