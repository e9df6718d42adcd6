"""A message names what is there: a flag of the command, else a key of the settings or a command.

The library knows options by their flags; a command that lacks one is told where it is set.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from mmfeat.config import FILE_NAME
from mmfeat.core.settings.keys import SECTIONS
from mmfeat_cli.parameters import flags_of

FLAGS: dict[str, frozenset[str]] = {}  # of every command, in the order of the registry
QUOTED = re.compile("(`[^`]*`)")  # a whole command line, of mmfeat or another program
FLAG = re.compile(r"(?<![\w-])(--[a-z][a-z-]*)(?: ([^\s,;)]+)(?=$|[,;)]))?")

MOST_OWNERS = 3  # commands that a hint names; with more, it names the key of the settings

_running: ContextVar[str | None] = ContextVar("_running", default=None)


def declare(name: str, command: Callable[..., Any]) -> None:
    """Register the flags of a command."""
    FLAGS[name] = flags_of(command)


@contextmanager
def running(name: str) -> Iterator[None]:
    """While a command runs, `for_command` writes for it."""
    token = _running.set(name)
    try:
        yield
    finally:
        _running.reset(token)


def for_command(text: str, name: str | None = None) -> str:
    """Replace every flag in `text` that the command `name` lacks; None: the one that runs.

    Examples
    --------
    >>> FLAGS.update({"fit": frozenset({"--set"}), "runs": frozenset()})
    >>> for_command("name the column with --label-col", "runs")
    'name the column with label_col in [data] of mmfeat.toml'
    >>> for_command("use --precision fp32, or --set device=cpu", "runs")
    'use precision = "fp32" in [extract] of mmfeat.toml, or `mmfeat fit --set device=cpu`'
    """
    known = FLAGS.get(name or _running.get() or "")
    if known is None:
        return text

    def there(found: re.Match[str]) -> str:
        return found[0] if found[1] in known else _elsewhere(found[1], found[2])

    parts = QUOTED.split(text)
    parts[::2] = [FLAG.sub(there, part) for part in parts[::2]]
    return "".join(parts)


def hint_of(flag: str) -> str:
    """Where to find a flag that a command lacks, as the end of a sentence; empty: nowhere.

    Examples
    --------
    >>> hint_of("--label-col")
    '; it is label_col in [data] of mmfeat.toml'
    >>> FLAGS.update({"compare": frozenset({"--heads"})})
    >>> hint_of("--heads"), hint_of("--compare"), hint_of("--nonsense")
    ('; it is an option of `mmfeat compare`', '; it is a command: `mmfeat compare`', '')
    """
    owners = [f"`mmfeat {name}`" for name, flags in FLAGS.items() if flag in flags]
    if 0 < len(owners) <= MOST_OWNERS:
        return f"; it is an option of {', '.join(owners)}"
    if place := _key_of(flag):
        return f"; it is {place}"
    name = flag.removeprefix("--")
    return f"; it is a command: `mmfeat {name}`" if name in FLAGS else ""


def what_is(word: str) -> str:
    """Whether there is a ``folder`` or a ``file`` of this name; empty: neither."""
    try:
        path = Path(word)
        return "folder" if path.is_dir() else "file" if path.exists() else ""
    except (OSError, ValueError):  # too long for a path, or with a NUL
        return ""


def _elsewhere(flag: str, value: str | None) -> str:
    if place := _key_of(flag, value):
        return place
    line = flag if value is None else f"{flag} {value}"
    owners = [name for name, flags in FLAGS.items() if flag in flags]
    return f"`mmfeat {owners[0]} {line}`" if owners else line


def _key_of(flag: str, value: str | None = None) -> str:
    """The key of the settings that a flag stands for; empty if there is none."""
    key = flag.removeprefix("--").replace("-", "_")
    section = next((name for name, keys in SECTIONS.items() if key in keys), None)
    if section is None:
        return ""
    place = f"[{section}] of {FILE_NAME}" if section else FILE_NAME
    if value is None:
        return f"{key} in {place}"
    quoted = value if value[0] in "'\"" else f'"{value}"'
    return f"{key} = {quoted} in {place}"
