"""The page of all commands, made of what `--help` is made of."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer

from mmfeat_cli.main import app

TYPES = {int: "integer", float: "number", Path: "path"}


def commands() -> str:
    """Every command with its usage, its help, and a table of the options of each panel."""
    group: Any = typer.main.get_command(app)
    return "\n\n".join(_command(name, found) for name, found in group.commands.items())


def _command(name: str, command: Any) -> str:
    panels: dict[str, list[str]] = {}
    usage = [f"mmfeat {name}"]
    for found in command.params:
        if found.name == "help":
            continue
        if not found.opts[0].startswith("-"):
            usage.append(found.name.upper() if found.required else f"[{found.name.upper()}]")
        panels.setdefault(found.rich_help_panel or "Options", []).append(_row(found))
    head = "| | values | default | |\n|---|---|---|---|"
    tables = [f"*{panel}*\n\n{head}\n" + "\n".join(rows) for panel, rows in panels.items()]
    line = " ".join([*usage, "[OPTIONS]"])
    return "\n\n".join([f"## {name}", _text(command.help), f"    {line}", *tables])


def _row(found: Any) -> str:
    named = found.opts[0].startswith("-")
    shown = ", ".join(f"`{flag}`" for flag in [*found.opts, *found.secondary_opts])
    default = found.show_default if isinstance(found.show_default, str) else found.default
    told = "" if default is None or isinstance(default, bool) else f"`{default}`"
    cells = [shown if named else f"`{found.name.upper()}`", _values(found), told]
    return f"| {' | '.join(cells)} | {_text(found.help).replace('|', chr(92) + '|')} |"


def _values(found: Any) -> str:
    kind = found.type_descriptor.annotation
    if kind is bool:
        return ""
    ends = [
        f"{sign} {end}" for sign, end in (("≥", found.min), ("≤", found.max)) if end is not None
    ]
    return f"{TYPES.get(kind, 'text')} {' and '.join(ends)}".rstrip()


def _text(text: str) -> str:
    """A help text as one paragraph, or several."""
    parts = re.split(r"\n\s*\n", text.strip())
    return "\n\n".join(" ".join(part.split()) for part in parts)
