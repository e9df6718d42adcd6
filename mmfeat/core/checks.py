"""Checks of single options, with one wording for all commands and heads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, get_args, get_type_hints

from mmfeat.core.settings import has_type, in_words
from mmfeat.errors import ConfigError, did_you_mean

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def check_choice(option: str, value: str, choices: Iterable[str]) -> None:
    """Raise `ConfigError` unless `value` is one of `choices`; `option` names it in the message."""
    valid = tuple(choices)
    if value not in valid:
        raise ConfigError(
            f"{option} is one of {', '.join(valid)}",
            f"{value!r} is not",
            did_you_mean(value, valid, "choose one of them"),
        )


def check_range(option: str, value: float, low: float, high: float) -> None:
    """Raise `ConfigError` unless low <= value <= high; `option` names it in the message."""
    if not low <= value <= high:
        raise ConfigError(
            f"{option} lies between {low} and {high}", f"it is {value}", f"choose another {option}"
        )


def check_type(option: str, value: object, annotation: Any) -> None:
    """Raise `ConfigError` unless `value` has the type of `annotation`, see `has_type`."""
    if not has_type(value, annotation):
        wanted = in_words(annotation)
        listed = isinstance(value, str) and has_type((value,), annotation)
        raise ConfigError(
            f"{option} is {wanted}",
            f"it is {value!r:.200}",
            f"write [{value!r}]" if listed else f"give {wanted}",
        )


def check_arguments(verb: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Make a function raise `ConfigError` for an argument of another type than its annotation.

    Options that are collected by ``**options: Unpack[…]`` are checked one by one; those that the
    annotation does not have are left to the function.
    """
    signature = inspect.signature(verb)

    @wraps(verb)
    def checked(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        types = get_type_hints(verb)
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                (options,) = get_args(types[name])  # of Unpack
                known = get_type_hints(options)
                for option in known.keys() & value:
                    check_type(option, value[option], known[option])
            else:
                check_type(name, value, types[name])
        return verb(*args, **kwargs)

    return checked
