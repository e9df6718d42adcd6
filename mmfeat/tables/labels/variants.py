"""Variants of a label: spelt with another case, other blanks or in another Unicode form.

Numbers that pandas wrote as floats, 1.0 for 1, are read as whole numbers, as in parquet.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from mmfeat.errors import counted

NUMBER = re.compile(r"-?\d+(\.\d+)?")
WHOLE = re.compile(r"(-?\d+)\.0+")
Rows = list[tuple[str, ...]]


def whole_numbers(rows: Rows) -> tuple[Rows, tuple[str, ...]]:
    """Write 1.0 as 1 where all labels are numbers."""
    labels = {label for row in rows for label in row}
    if not labels or not all(NUMBER.fullmatch(label) for label in labels):
        return rows, ()
    spelling = {label: found[1] for label in labels if (found := WHOLE.fullmatch(label))}
    if not spelling:
        return rows, ()
    example = min(spelling)
    return renamed(rows, spelling), (f"labels such as {example} are read as {spelling[example]}",)


def join_variants(
    rows: Rows, *, join: bool, known: Sequence[str] = ()
) -> tuple[Rows, tuple[str, ...]]:
    """Tell of labels that are variants of each other, or with `join` give them one spelling.

    That is the one of `known`, or else the one of the most rows.
    """
    counts = Counter(label for row in rows for label in set(row))
    wanted = {plain(label): label for label in known} if join else {}
    groups: dict[str, list[str]] = {}
    for label in counts:
        groups.setdefault(plain(label), []).append(label)
    spelling: dict[str, str] = {}
    joined: list[list[str]] = []
    for key, variants in groups.items():
        variants.sort(key=lambda label: (-counts[label], label))
        if len(variants) > 1:
            joined.append(variants)
        spelling |= dict.fromkeys(variants, wanted.get(key, variants[0]))
    if not joined:
        return (renamed(rows, spelling) if wanted else rows), ()
    told = " and ".join(f"{_told(label, joined[0])} ({counts[label]})" for label in joined[0])
    n = counted(len(joined), "label has", "labels have")
    what = f"{n} variants in case, spaces or Unicode form, e.g. {told}"
    if join:
        return renamed(rows, spelling), (f"{what}: merged",)
    return rows, (f"{what}: kept apart; --normalise-labels merges them",)


def plain(label: str) -> str:
    """What variants of a label have in common."""
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", label).casefold())
    return " ".join("".join(c for c in text if unicodedata.category(c) != "Cf").split())


def renamed(rows: Iterable[tuple[str, ...]], spelling: Mapping[str, str]) -> Rows:
    """The rows with the labels of `spelling` in their new spelling, each once."""
    cache: dict[tuple[str, ...], tuple[str, ...]] = {}
    out: Rows = []
    for row in rows:
        if row not in cache:
            cache[row] = tuple(dict.fromkeys(spelling.get(label, label) for label in row))
        out.append(cache[row])
    return out


def _told(label: str, variants: Sequence[str]) -> str:
    """The label in quotes; escaped where another one looks the same."""
    looks = [unicodedata.normalize("NFC", other) for other in variants]
    alike = looks.count(unicodedata.normalize("NFC", label)) > 1
    return ascii(label) if alike else repr(label)
