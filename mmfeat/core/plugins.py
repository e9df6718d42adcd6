"""Registries: a name, where it lives as "module:attr", and one line about it.

Nothing is imported before it is used, so that listing names stays fast.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmfeat.errors import PluginError, did_you_mean


@dataclass(frozen=True)
class Plugin:
    """Where a plug-in lives (``"module:attr"``) and one line about it for `mmfeat list`.

    `extra` is the optional dependency group of mmfeat that installs what the plug-in imports.
    """

    target: str
    summary: str
    extra: str | None = None


def check_name(name: str, registry: Mapping[str, object], kind: str) -> str:
    """Return `name`; raise `PluginError` listing the valid names if it is not registered."""
    if name not in registry:
        raise PluginError(
            f"{'an' if kind[0] in 'aeiou' else 'a'} {kind} is one of {', '.join(registry)}",
            f"{name!r} is not",
            did_you_mean(
                name, registry, f"see `mmfeat list {kind}{'es' if kind.endswith('s') else 's'}`"
            ),
        )
    return name


def resolve(name: str, registry: Mapping[str, Plugin], kind: str) -> Any:
    """Import the plug-in `name`; raise `PluginError` if it is unknown or needs an extra."""
    plugin = registry[check_name(name, registry, kind)]
    module, attr = plugin.target.split(":")
    try:
        return getattr(importlib.import_module(module), attr)
    except ModuleNotFoundError as error:
        raise missing_package(f"the {kind} {name!r}", error, extra=plugin.extra) from error


def missing_package(
    what: str, error: ModuleNotFoundError, *, extra: str | None = None
) -> PluginError:
    """Build the error that says how to install the package that `what` could not import."""
    wanted = f"'mmfeat[{extra}]'" if extra else error.name
    return PluginError(
        f"{what} needs the package {error.name}",
        "it is not installed",
        f"install it with `pip install {wanted}`",
    )
