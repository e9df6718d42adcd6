"""`mmfeat list`: what there is to choose from, one line each."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from mmfeat_cli.help.registries import Kind, registry

if TYPE_CHECKING:
    from mmfeat.fit.heads.options import Option


def list_(
    kind: Annotated[
        str,
        typer.Argument(help=f"What to list: {', '.join(Kind)}.", autocompletion=lambda: [*Kind]),
    ],
    name: Annotated[
        str | None,
        typer.Argument(help="Name of a head, to list its options with types, defaults and ranges."),
    ] = None,
) -> None:
    """List the available heads, fusions, losses and so on; or the options of one head."""
    from mmfeat.core.checks import check_choice

    check_choice("KIND", kind, Kind)
    chosen = Kind(kind)
    entries = registry(chosen)
    if name is not None:
        _list_options(chosen, name)
        return
    width = max(len(name) for name in entries)
    for known, entry in entries.items():
        prefix = f"{entry.kind}: " if chosen is Kind.fusions else ""
        print(f"{known:<{width}}  {prefix}{entry.summary}")


def options(name: str) -> tuple[Option, ...]:
    """What `--set` gives a head or an ensemble; raise `PluginError` for an unknown name."""
    from mmfeat.core.plugins import resolve
    from mmfeat.fit.models.ensemble import ensemble_options
    from mmfeat.fit.models.model import FITTED, MODELS
    from mmfeat.fit.models.settings import head_options, model_options

    if name in MODELS:
        return ensemble_options()
    return (*head_options(resolve(name, FITTED, "head")), *model_options())


def _list_options(kind: Kind, name: str) -> None:
    from mmfeat.errors import ConfigError

    if kind is not Kind.heads:
        raise ConfigError(
            "only heads have options to list", f"{kind.value} have none", "leave out the name"
        )
    for option in options(name):
        allowed = f", {option.rule.allowed}" if option.rule.allowed else ""
        default = "" if option.default == "" else f", default {option.default}"
        print(f"{option.name}: {option.type_name}{allowed}{default}")
        for line in textwrap.wrap(option.rule.help, 76):
            print(f"    {line}")
    print(
        "Set them with --set OPTION=VALUE, or SOURCE.OPTION=VALUE for one source of a late fusion."
    )
