"""Tables and JSON on standard output."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmfeat_cli.messages import note
from mmfeat_cli.terminal import fitting, has_width

BETWEEN = 2  # blanks between columns
N_WORST = 5  # classes that are named
NUMBER = re.compile(r"[-+]*\d*\.?\d+(e-\d+)?")
WIDE = 1000  # columns where nothing says how many there are: nothing is wrapped


def print_json(document: Any) -> None:
    """Print one JSON object on standard output."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


def print_text(sentence: str) -> None:
    """Print a sentence in lines as wide as the terminal; 80 columns where there is none."""
    print(fitting(sentence))


def print_lines(lines: object) -> None:
    """Print the lines of a text, wrapped where there is a width to keep to."""
    for line in str(lines).splitlines():
        print(fitting(line) if has_width(sys.stdout) else line)


def print_classes(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    by: str,
    every: bool,
    droppable: Sequence[str] = (),
    wide: bool = False,
) -> None:
    """Print a row per class, worst first by the column `by`; unless `every`, only name the worst.

    Classes without a value come last.
    """
    ranked = sorted(rows, key=lambda row: (row[by] is None, row[by] or 0.0))
    if every:
        print()
        cells = [[row[c] for c in columns] for row in ranked]
        print_table(columns, cells, droppable=droppable, wide=wide)
        print()
        return
    worst = [f"{row['label']} {row[by]:.2f}" for row in ranked[:N_WORST] if row[by] is not None]
    more = f", … and {len(rows) - len(worst):,} more" if len(rows) > len(worst) else ""
    print_text(
        f"{by}, worst first: {', '.join(worst) or 'none'}{more}; --per-class shows every label"
    )


def print_table(
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    droppable: Sequence[str] = (),
    wide: bool = False,
) -> None:
    """Print rows in aligned columns: texts to the left, numbers to the right.

    Columns of `droppable` are left out, the first ones first, as far as the table is wider than
    the terminal (80 columns where there is none), unless it is to be `wide`. The cells of a table
    that is wider than the terminal, or than `COLUMNS`, all the same are wrapped.
    """
    cells = [[_text(value) for value in row] for row in rows]
    width = shutil.get_terminal_size().columns
    kept = list(range(len(header)))
    left_out: list[str] = []
    for name in () if wide else droppable:
        if _width(header, cells, kept) <= width:
            break
        kept.remove(header.index(name))
        left_out.append(name)
    bounded = not wide and has_width(sys.stdout)
    _print_cells(
        [header[at] for at in kept],
        [[row[at] for at in kept] for row in cells],
        width=width if bounded else WIDE,
    )
    if left_out:
        note(f"left out: {', '.join(n for n in header if n in left_out)}; --wide shows all columns")


def _width(header: Sequence[str], cells: Sequence[Sequence[str]], kept: Sequence[int]) -> int:
    """How wide the columns `kept` are side by side."""
    widths = [max(len(row[at]) for row in (header, *cells)) for at in kept]
    return sum(widths) + BETWEEN * max(0, len(kept) - 1)


def _print_cells(header: Sequence[str], cells: Sequence[Sequence[str]], *, width: int) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_edge=False, header_style="")
    for at, title in enumerate(header):
        numbers = all(_is_number(row[at]) for row in cells)
        table.add_column(
            Text(title), justify="right" if cells and numbers else "left", overflow="fold"
        )
    for row in cells:
        table.add_row(*map(Text, row))
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
    return text == "n/a" or bool(NUMBER.fullmatch(text))
