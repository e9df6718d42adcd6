"""Several label columns: each of yes or no, or each of categories.

A column of yes or no is one label of its name. A column of categories gives one label for each of
them: `men` in `gender` is `gender:men`. Columns of categories that are numbered, as `Genre 1` and
`Genre 2`, are one that has several labels a row, which are the categories themselves.

A cell of -1 or ? is unknown; so is an empty one of a column of yes or no, where 0 or no says what
is absent. Yes and no may be words of several languages, and a cross beside empty cells is yes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mmfeat.errors import TableError
from mmfeat.tables.labels.targets import check_number, sorted_labels
from mmfeat.tables.readers.columns import Columns, as_text
from mmfeat.types import UNKNOWN, Targets

NO = ("0", "0.0", "false", "no", "n", "f", "nein", "non", "não", "nee", "falsch", "faux", "falso")
YES = (
    *("1", "1.0", "true", "yes", "y", "t"),
    *("ja", "oui", "si", "sí", "sì", "sim", "wahr", "vrai", "vero", "verdadero"),
)
CROSS = "x"  # yes, where a column has nothing else
BITS = {**dict.fromkeys(NO, 0), **dict.fromkeys(YES, 1)}
EMPTY = ("", "nan", "none", "null", "na", "<na>")
MARKS = ("?", "-1", "-1.0")  # of what is unknown
MAX_TOLD = 6  # values in a message
NUMBERED = re.compile(r"(.*?)[ _.-]*\d+")


@dataclass(frozen=True, kw_only=True)
class LabelColumns:
    """Targets (n, k), their labels, and what is to be told."""

    targets: Targets
    labels: tuple[str, ...]
    notes: tuple[str, ...]


def read_columns(columns: Columns, names: Sequence[str], source: str) -> LabelColumns:
    """Read targets from label columns, in the order of `names`.

    Raises `TableError` for a column that has yes or no beside other values, and for -1 where
    nothing else says no.
    """
    texts = {name: [text.strip() for text in as_text(columns.values[name])] for name in names}
    counts = {name: Counter(text.lower() for text in texts[name]) for name in names}
    bits = {name: _is_bits(counts[name], texts[name], name, source) for name in names}
    for name, alike in numbered(names).items():  # an empty column is like those of its number
        if set(counts[name]) <= set(EMPTY) and not all(bits[other] for other in alike):
            bits[name] = False
    values = [value for name in names if bits[name] for value in counts[name]]
    n_empty = sum(counts[name][value] for name in names if bits[name] for value in EMPTY)
    says_no = any(value in NO for value in values)
    if not says_no:
        _refuse_minus(texts, bits, source)
    empty = UNKNOWN if says_no else 0
    bit_of = {**BITS, CROSS: 1, **dict.fromkeys(MARKS, UNKNOWN), **dict.fromkeys(EMPTY, empty)}
    parts: list[Targets] = []
    labels: list[str] = []
    together = numbered(name for name in names if not bits[name])
    for name in names:
        others = together.get(name, (name,))
        if name != others[0]:
            continue
        if bits[name]:
            of = {text: bit_of[text.lower()] for text in set(texts[name])}
            parts.append(np.array([[of[text]] for text in texts[name]], np.uint8).reshape(-1, 1))
            labels.append(name)
        else:
            targets, categories = _categories([texts[other] for other in others])
            check_number(len(categories), columns.n_rows, f"the column {name!r}", source)
            parts.append(targets)
            prefix = f"{name}:" if len(others) == 1 else ""
            labels += [f"{prefix}{category}" for category in categories]
    check_number(len(labels), columns.n_rows, "the label columns", source)
    if repeated := [label for label, n in Counter(labels).items() if n > 1]:
        raise TableError(
            "each label comes from one column, or from columns that are numbered",
            f"{source} has {repeated[0]!r} in several of --label-cols",
            "rename the column or the category, or leave one of the columns out",
        )
    means = "unknown" if says_no else "no"
    notes = [f"{n_empty} empty cells of the label columns count as {means}"] if n_empty else []
    if told := [name for name in names if not bits[name] and name not in together]:
        notes.append(f"labels are made of the categories of {', '.join(told[:MAX_TOLD])}")
    for joined in dict.fromkeys(together.values()):
        notes.append(f"{', '.join(joined[:MAX_TOLD])} are read as one column of several labels")
    return LabelColumns(targets=np.hstack(parts), labels=tuple(labels), notes=tuple(notes))


def numbered(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The columns that are called alike but for a number at the end, by the name of each.

    Examples
    --------
    >>> numbered(["Genre 1", "gender", "Genre 2", "c2"])
    {'Genre 1': ('Genre 1', 'Genre 2'), 'Genre 2': ('Genre 1', 'Genre 2')}
    """
    alike: dict[str, list[str]] = {}
    for name in names:
        if found := NUMBERED.fullmatch(name):
            alike.setdefault(found[1], []).append(name)
    return {name: tuple(each) for each in alike.values() if len(each) > 1 for name in each}


def _is_bits(counts: Counter[str], texts: Sequence[str], name: str, source: str) -> bool:
    """Whether a column is of yes or no; raise where it is neither that nor of categories."""
    if is_crossed(counts):
        return True
    values = [value for value in counts if value not in EMPTY + MARKS]
    other = [value for value in values if value not in BITS]
    if not other:
        return True
    numbers = all(_is_number(value) for value in values)
    if len(other) == len(values) and not numbers:
        return False
    row = next(row for row, text in enumerate(texts) if text.lower() == other[0])
    told = ", ".join(f"{value[:20]!r} {n} times" for value, n in counts.most_common(MAX_TOLD))
    remedy = "correct the cell, or leave the column out of --label-cols"
    if numbers and len(other) > 1:
        remedy = "write categories as words, e.g. c2 for 2, or leave the column out of --label-cols"
    raise TableError(
        "a label column holds 0 or 1 (or yes and no), or categories that are words",
        f"row {row} of {source} has {texts[row][:40]!r} in {name!r} (its values: {told})",
        remedy,
    )


def is_crossed(values: Iterable[str]) -> bool:
    """Whether the values of a column, in small letters, are crosses and empty cells."""
    return set(values).difference(EMPTY) == {CROSS}


def is_mark(text: str) -> bool:
    """Whether a cell of a column of yes or no may say that the label is unknown."""
    return text.strip().lower() in EMPTY + MARKS


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _refuse_minus(texts: dict[str, list[str]], bits: dict[str, bool], source: str) -> None:
    for name, cells in texts.items():
        row = next((row for row, text in enumerate(cells) if text in ("-1", "-1.0")), None)
        if bits[name] and row is not None:
            raise TableError(
                "a label column says no by 0, and unknown by -1, ? or an empty cell",
                f"row {row} of {source} has {cells[row]} in {name!r}, and no cell is 0 or no",
                "write 0 where -1 means no, and ? where it means unknown",
            )


def _categories(columns: Sequence[Sequence[str]]) -> tuple[Targets, tuple[str, ...]]:
    """Targets (n, k) of the categories that a row has in any of the columns, (n,) each."""
    values = {text for texts in columns for text in texts}
    categories = sorted_labels({text for text in values if text.lower() not in EMPTY + MARKS})
    at = {category: i for i, category in enumerate(categories)}
    targets = np.zeros((len(columns[0]), len(categories)), np.uint8)
    for texts in columns:
        targets[np.isin(texts, MARKS)] = UNKNOWN
    for texts in columns:
        column = np.array([at.get(text, -1) for text in texts], np.int64)
        rows = np.flatnonzero(column >= 0)
        targets[rows, column[rows]] = 1
    return targets, categories
