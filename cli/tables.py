"""Tables and JSON on standard output."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

WIDE = 1000  # columns where nothing says how many there are: nothing is wrapped


def print_json(document: Any) -> None:
    """Print one JSON object on standard output."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in aligned columns: texts to the left, numbers to the right.

    The cells of a table that is wider than the terminal, or than `COLUMNS`, are wrapped.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[_text(value) for value in row] for row in rows]
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="")
    for at, title in enumerate(header):
        numbers = all(_is_number(row[at]) for row in cells)
        table.add_column(
            Text(title), justify="right" if cells and numbers else "left", overflow="fold"
        )
    for row in cells:
        table.add_row(*map(Text, row))
    is_terminal = sys.stdout.isatty() or "COLUMNS" in os.environ
    width = shutil.get_terminal_size().columns if is_terminal else WIDE
    console = Console(width=width, file=sys.stdout, highlight=False, color_system=None)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print(line.rstrip())


def _text(value: object) -> str:
    if value is None:
        return "n/a"
    if isinstance(value, list):
        return " to ".join(_text(part) for part in value)
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _is_number(text: str) -> bool:
    return text == "n/a" or text.replace(".", "", 1).lstrip("+-").isdigit()
