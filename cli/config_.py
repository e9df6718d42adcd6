"""`mmfeat config`: every key of mmfeat.toml, what it takes, and the value in force."""

from __future__ import annotations

import json
from itertools import groupby
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from mmfeat_cli.options import JsonOption
from mmfeat_cli.tables import print_json

if TYPE_CHECKING:
    from mmfeat.core.settings.keys import Key


def config(as_json: JsonOption = False) -> None:
    """Print every key of mmfeat.toml with its type, default, current value and origin.

    The output is itself a valid mmfeat.toml with the same settings.
    """
    from mmfeat.core.settings.keys import list_keys, to_json

    keys = list_keys()
    if as_json:
        print_json({"keys": to_json(keys)})
        return
    for section, members in groupby(keys, key=lambda key: key.section):
        if section:
            print(f"\n[{section}]")
        for key in members:
            print("\n".join(lines_of(key)))


def lines_of(key: Key) -> list[str]:
    """A key as lines of TOML, with comments."""
    choices = f", one of {', '.join(key.choices)}" if key.choices else ""
    told = wrap(f"{key.type}{choices}: {key.help}", 76)
    origin = key.origin if key.origin == "default" else f"{key.origin}; default {toml(key.default)}"
    if isinstance(key.value, dict):  # a section of its own
        entries = [f"{toml(name)} = {toml(value)}" for name, value in key.value.items()]
        return ["", f"[{key.name}]", *(f"# {line}" for line in told), *entries]
    if key.value is None:
        return [*(f"# {line}" for line in told), f"# {key.name} =  # not set"]
    return [*(f"# {line}" for line in told), f"{key.name} = {toml(key.value)}  # {origin}"]


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)
