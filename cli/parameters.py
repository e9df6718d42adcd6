"""The parameters of a command: its flags and arguments, with their types.

A command that takes all options of a verb declares them as the verb does, `**options:
Unpack[FitOptions]`: each becomes a flag, with the help text and the default of its key.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, OptionInfo

from mmfeat_cli.help.completion import COMPLETED
from mmfeat_cli.options import PANELS, option_of


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


def signature_of(command: Callable[..., Any]) -> inspect.Signature:
    """The signature of a command as typer reads it: every option a parameter of its own.

    They stand in the order of `PANELS`, after those that are in none of them; those of a
    TypedDict come first.
    """
    function = inspect.unwrap(command)
    hints = get_type_hints(function, include_extras=True)
    found: list[inspect.Parameter] = []
    for name, given in inspect.signature(function).parameters.items():
        if given.kind is given.VAR_KEYWORD:
            (options,) = get_args(hints[name])
            found[:0] = [
                inspect.Parameter(
                    key, given.KEYWORD_ONLY, default=None, annotation=option_of(key, kind)
                )
                for key, kind in get_type_hints(options).items()
            ]
        else:
            found.append(given.replace(annotation=hints[name], kind=given.KEYWORD_ONLY))
    found.sort(key=_place)
    for given in found:
        info = _info(given.annotation)
        info.autocompletion = info.autocompletion or COMPLETED.get(given.name)
    return inspect.Signature(found, return_annotation=None)


def parameters_of(command: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The parameters of a command's function, in order."""
    return tuple(
        _parameter(name, given.annotation)
        for name, given in signature_of(command).parameters.items()
    )


def flags_of(command: Callable[..., Any]) -> frozenset[str]:
    """Every flag that a command's function declares."""
    return frozenset(flag for found in parameters_of(command) for flag in found.flags)


def _parameter(name: str, annotation: Any) -> Parameter:
    kind, info = get_args(annotation)[0], _info(annotation)
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (part for part in get_args(kind) if part is not NoneType)
    flags: tuple[str, ...] = ()
    if isinstance(info, OptionInfo):
        # In an annotation, the first flag stands where a default would.
        declared = (info.default, *(info.param_decls or ()))
        flags = tuple(one for one in declared if isinstance(one, str) and one.startswith("-"))
        flags = flags or (f"--{name.replace('_', '-')}",)
    of_many = get_origin(kind) in (list, Sequence)
    return Parameter(name=name, flags=flags, kind=get_args(kind)[0] if of_many else kind)


def _place(given: inspect.Parameter) -> int:
    panel = _info(given.annotation).rich_help_panel
    return PANELS.index(panel) + 1 if panel in PANELS else 0


def _info(annotation: Any) -> ArgumentInfo | OptionInfo:
    _, *parts = get_args(annotation)
    (found,) = (one for one in parts if isinstance(one, ArgumentInfo | OptionInfo))
    return found
