"""Which sign separates the labels of a cell, found in the cells and refused where it is doubtful.

`|` and `;` do not stand in names. A comma and a blank do: they separate labels where the parts
recombine, as in "cat dog", "dog bird", "bird"; in "potted plant", "traffic light" they do not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mmfeat.errors import TableError, counted

BAR, SEMICOLON, COMMA, BLANK = "|", ";", ",", " "
SEPARATORS = (BAR, SEMICOLON, COMMA, BLANK)
UNUSUAL = ("/", "&", "+", "\\", ":")  # that are asked about, never taken
WHOLE = (BAR, SEMICOLON, "/", "^", "~")  # for cells of one label each: one that stands in none
CLEAR = 0.6  # of the parts of the cells that hold a sign, those that stand in other cells, too
SENTENCES = 0.2  # of the rows that have a part twice, as sentences do and label sets do not
RARE = 0.05  # of the rows: a sign in fewer may be a slip


def split_labels(cell: str, separator: str) -> tuple[str, ...]:
    """The labels in one cell, without the blanks around them; a space separates at any blank."""
    parts = cell.split() if separator == BLANK else cell.split(separator)
    return tuple(name for part in parts if (name := part.strip()))


def spelt(separator: str) -> str:
    """How a message writes a separator."""
    return "a space" if separator == BLANK else repr(separator)


def find_separator(cells: Mapping[str, int], column: str, source: str) -> str:
    """Find what separates the labels of `cells`, given with the number of their rows.

    A space where no cell has more than one part. Raises `TableError` with the choices where it is
    doubtful.
    """
    evidence = {sign: found for sign in SEPARATORS if (found := _evidence(cells, sign)) is not None}
    for sign in UNUSUAL if evidence.keys() <= {BLANK} else ():
        found = _evidence(cells, sign)
        if found is not None and found.alone and found.shared >= CLEAR:
            raise _doubtful([sign], found.example, cells, column, source)
    if not evidence:
        return BLANK
    sign = next(iter(evidence))
    best = evidence[sign]
    others = [evidence[other] for other in list(evidence)[1:]]
    if sign == BAR and SEMICOLON in evidence:
        raise _doubtful([BAR, SEMICOLON], evidence[SEMICOLON].example, cells, column, source)
    for other in others:
        if other.is_clear and best.rows < RARE * other.apart:
            raise _doubtful([sign, other.sign], best.example, cells, column, source)
    if not best.is_clear:
        ways = [sign, BLANK] if sign == COMMA and BLANK in evidence else [sign]
        raise _doubtful(ways, best.example, cells, column, source)
    return _with_blank(sign, cells)


def note_unused(cells: Mapping[str, int], separator: str) -> tuple[str, ...]:
    """Tell of a separator that cuts no cell, where another clearly would cut some."""
    if any(len(split_labels(cell, separator)) > 1 for cell in cells):
        return ()
    found = (_evidence(cells, sign) for sign in SEPARATORS)
    better = next((one.sign for one in found if one and one.is_clear and not one.lone), None)
    if better is None:
        return ()
    split = {cell: set(split_labels(cell, better)) for cell in cells}
    n_labels = len(set().union(*split.values()))
    per_row = sum(n * len(split[cell]) for cell, n in cells.items()) / sum(cells.values())
    return (
        f"no cell of labels is cut by {spelt(separator)};"
        f" {spelt(_with_blank(better, cells))} would give {counted(n_labels, 'label')},"
        f" {per_row:.1f} per row",
    )


def _with_blank(sign: str, cells: Iterable[str]) -> str:
    """The comma with the blank that always follows it; another sign as it is."""
    followed = sign == COMMA and all(cell.count(",") == cell.count(", ") for cell in cells)
    return ", " if followed else sign


def writable_separator(labels: Sequence[str]) -> str:
    """A separator that stands in none of the labels, so that cells of them can be read again."""
    text = "\n".join(labels)
    return next((sign for sign in (BLANK, BAR, SEMICOLON, COMMA) if sign not in text), BAR)


@dataclass(frozen=True, kw_only=True)
class _Evidence:
    """What speaks for one sign: the cells that it cuts into several parts."""

    sign: str
    rows: int
    apart: int  # rows with this sign and no stronger one
    shared: float  # of their parts, those that stand in other cells, too
    repeats: float  # of their rows, those that have a part twice, as sentences do
    alone: bool  # a part is the whole of another cell
    coded: bool  # all parts are numbers, codes or single letters
    signs: bool  # a part has neither letters nor digits, as in "salt & pepper"
    lone: bool  # there is no cell but the one that it cuts
    example: str

    @property
    def is_clear(self) -> bool:
        if self.sign in (BAR, SEMICOLON):
            return True
        if self.repeats > SENTENCES or self.signs:
            return False
        if self.sign == COMMA and self.alone:
            return True
        return self.coded or self.shared >= CLEAR or self.lone


def _evidence(cells: Mapping[str, int], sign: str) -> _Evidence | None:
    stronger = SEPARATORS[: SEPARATORS.index(sign)] if sign in SEPARATORS else ()
    split = {cell: split_labels(cell, sign) for cell in cells}
    apart = {cell for cell in cells if not any(other in cell for other in stronger)}
    cut = [cell for cell, parts in split.items() if len(parts) > 1]
    if sign == BLANK:  # blanks after a comma, or inside names that others separate, are no sign
        cut = [cell for cell in cut if cell in apart]
    if not cut:
        return None
    seen = Counter(part for parts in split.values() for part in set(parts))
    parts = [part for cell in cut for part in set(split[cell])]
    rows = sum(cells[cell] for cell in cut)
    twice = sum(cells[cell] for cell in cut if len(set(split[cell])) < len(split[cell]))
    return _Evidence(
        sign=sign,
        rows=rows,
        apart=sum(cells[cell] for cell in cut if cell in apart),
        shared=sum(seen[part] > 1 for part in parts) / len(parts),
        repeats=twice / rows,
        alone=any(part in cells for part in parts),
        signs=not all(any(c.isalnum() for c in part) for part in parts),
        coded=all(len(part) == 1 or any(c.isdigit() for c in part) for part in parts),
        lone=len(cells) == 1,
        example=cut[0],
    )


def _doubtful(
    ways: Sequence[str], example: str, cells: Mapping[str, int], column: str, source: str
) -> TableError:
    unused = (sign for sign in WHOLE if not any(sign in cell for cell in cells))
    choices = " or ".join(f"--label-sep {way!r}" for way in ways)
    return TableError(
        "the label separator must be unambiguous",
        f"{column!r} of {source} has e.g. {example[:60]!r}, which may be one label or several",
        f"say which: {choices} if it is several, --label-sep {next(unused, '~')!r} if it is one",
    )
