"""Cells that hold a list as Python or JSON writes it: `['a', 'b c']`, `["a"]`, `[1 2]`.

Only flat lists of names and numbers are labels; nothing is evaluated.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection

from mmfeat.errors import TableError

BRACKETS = {"[": "]", "(": ")", "{": "}"}
NOTHING = frozenset({"", "None", "null", "nan", "NaN"})
ITEM = re.compile(
    r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s,'"\[\](){}:]+))\s*,?""", re.DOTALL
)
FLATTEN = "join the names in one cell first, e.g. in pandas with '|'.join(d['name'] for d in cell)"


def are_lists(cells: Collection[str]) -> bool:
    """Whether all cells are in brackets; at least one."""
    return bool(cells) and all(_in_brackets(cell.strip()) for cell in cells)


def _in_brackets(cell: str) -> bool:
    return len(cell) > 1 and BRACKETS.get(cell[0]) == cell[-1]


def parse_list(cell: str, column: str, source: str) -> tuple[str, ...]:
    """The items of a cell of `are_lists`, as texts; those that are None are left out.

    Raises `TableError` for anything but a flat list.
    """
    inner = cell.strip()[1:-1].strip()
    items = _items(inner)
    if items is None:
        raise TableError(
            "a label cell must hold names, not structures",
            f"{column!r} of {source} has {cell[:60]!r}",
            FLATTEN,
        )
    return tuple(item.strip() for item in items if item.strip() not in NOTHING)


def _items(inner: str) -> list[str] | None:
    if not any(sign in inner for sign in "[](){}:'\""):
        return inner.split(",") if "," in inner else inner.split()
    items: list[str] = []
    at = 0
    while at < len(inner):
        found = ITEM.match(inner, at)
        if found is None:
            return None
        single, double, bare = found.groups()
        items.append(bare or _unescaped(single, "'") or _unescaped(double, '"'))
        at = found.end()
    return items


def _unescaped(text: str | None, quote: str) -> str:
    """What stands between two quotes, which are its only ones without a backslash."""
    if text is None or "\\" not in text:
        return text or ""
    try:
        return str(json.loads(f'"{text}"') if quote == '"' else ast.literal_eval(f"'{text}'"))
    except (ValueError, SyntaxError):
        return text
