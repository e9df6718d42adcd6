"""What a table holds, said back in a few lines, so that a column read wrongly is seen at once."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmfeat.errors import counted
from mmfeat.tables.labels.separator import spelt
from mmfeat.tables.parts import LISTS, separator_of, split_parts
from mmfeat.tables.table import Table, TableFormat
from mmfeat.types import UNKNOWN

WIDTH = 80
N_TOLD = 3  # labels that are named as the commonest and the rarest
MAX_NAME = 24  # letters of a label


@dataclass(frozen=True, kw_only=True)
class TableSummary:
    """What was read, counted.

    Attributes
    ----------
    n_captions
        Rows with a caption that is not blank; None without such a column.
    parts_per_row
        The mean, least and greatest number of images or captions in a row, by modality, where a
        row may have several.
    label_rows
        The number of rows of each label, the commonest first; None without labels.
    labels_per_row
        The mean, least and greatest number; None without labels.
    n_unlabelled
        Rows without any label.
    known_rows
        The rows of which each label is known, in the order of `label_rows`; None where all are.
    group_sizes
        Rows of each group that has several, largest first; None where nothing relates rows.
    fold_rows
        Rows of each of the table's own folds, by name; None without such a column.
    oddities
        What was mended, left out, or looks odd, one sentence each.
    """

    source: str
    n_rows: int
    format: TableFormat
    n_captions: int | None
    parts_per_row: dict[str, tuple[float, int, int]]
    label_rows: dict[str, int] | None
    labels_per_row: tuple[float, int, int] | None
    n_unlabelled: int
    known_rows: dict[str, int] | None
    group_sizes: tuple[int, ...] | None
    fold_rows: dict[str, int] | None
    oddities: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the fields as JSON holds them."""
        return {**asdict(self), "format": self.format.to_json()}

    def __str__(self) -> str:
        """A few lines of at most `WIDTH` columns."""
        lines = [f"{Path(self.source).name}: {counted(self.n_rows, 'row')}", f"  {self._columns()}"]
        if self.label_rows is None:
            lines.append("  labels: none")
        else:
            lines += [f"  {self._labels()}", f"  {self._extremes(self.label_rows)}"]
        if self.known_rows is not None:
            lines.append(f"  {self._unknown(self.known_rows)}")
        if related := self._related():
            lines.append(f"  {related}")
        lines += [f"  note: {text}" for text in self.oddities]
        wrapped = (
            textwrap.wrap(_printable(line), WIDTH, subsequent_indent="    ", drop_whitespace=True)
            for line in lines
        )
        return "\n".join(part for parts in wrapped for part in parts)

    def _columns(self) -> str:
        told = ["ids: " + ("row numbers" if self.format.id_col is None else self.format.id_col)]
        if self.format.image_col is not None:
            told.append(f"pictures: {self.format.image_col}{self._several('image')}")
        elif self.format.image_sep is not None:
            told.append(f"pictures: {self.format.id_col}{self._several('image')}")
        if self.n_captions is None:
            told.append("captions: none")
        else:
            told.append(
                f"captions: {self.format.text_col} ({counted(self.n_captions, 'row')})"
                + self._several("text")
            )
        return "; ".join(told)

    def _several(self, modality: str) -> str:
        if modality not in self.parts_per_row:
            return ""
        mean, least, most = self.parts_per_row[modality]
        separator = getattr(self.format, f"{modality}_sep")
        how = "in lists" if separator == LISTS else f"separated by {spelt(separator)}"
        return f", {how}: {mean:.1f} per row ({least} to {most})"

    def _related(self) -> str:
        told, format = [], self.format
        if self.group_sizes is not None:
            pattern = [format.group_regex] if format.group_regex else []
            shared = ["shared pictures"] if format.image_sep else []
            where = [*format.group_cols, *pattern, *shared]
            sizes = self.group_sizes
            told.append(
                f"groups of {', '.join(where)}: {_sizes(sizes)}, {self.n_rows - sum(sizes)} alone"
            )
        if self.fold_rows is not None:
            rows = ", ".join(f"{_cut(name)} {n}" for name, n in self.fold_rows.items())
            told.append(f"folds of {format.fold_col}: {rows}")
        if format.time_col is not None:
            told.append(f"times: {format.time_col}")
        return "; ".join(told)

    def _labels(self) -> str:
        assert self.label_rows is not None and self.labels_per_row is not None
        if self.format.label_cols:
            where = f"of {_shortened(self.format.label_cols)}"
        else:
            where = f"of {self.format.label_col}, separated by {spelt(self.format.label_sep)}"
        mean, least, most = self.labels_per_row
        without = f", {counted(self.n_unlabelled, 'row')} without" if self.n_unlabelled else ""
        return (
            f"labels: {len(self.label_rows)} {where}; {mean:.1f} per row ({least} to {most})"
            + without
        )

    def _unknown(self, known_rows: dict[str, int]) -> str:
        cells = self.n_rows * len(known_rows)
        share = 1 - sum(known_rows.values()) / cells
        least, *_, most = sorted(known_rows, key=lambda label: known_rows[label]) * 2
        return (
            f"unknown: {100 * share:.1f} % of the labels; known of {known_rows[least]} rows"
            f" ({_cut(least)}) to {known_rows[most]} ({_cut(most)})"
        )

    @staticmethod
    def _extremes(label_rows: dict[str, int]) -> str:
        told = [f"{_cut(label)} {rows}" for label, rows in label_rows.items()]
        if len(told) <= 2 * N_TOLD:
            return f"rows of each: {', '.join(told)}"
        most, least = ", ".join(told[:N_TOLD]), ", ".join(told[-N_TOLD:])
        return f"most frequent: {most}; least frequent: {least}"


def summarise_table(table: Table) -> TableSummary:
    """Count what `table` holds."""
    label_rows = per_row = known_rows = None
    if table.targets is not None:
        positive = table.targets == 1
        counts = positive.sum(axis=0).tolist()
        pairs = zip(table.labels, counts, strict=True)
        label_rows = dict(sorted(pairs, key=lambda pair: -pair[1]))
        per_row = positive.sum(axis=1)
        known = dict(
            zip(table.labels, (table.targets != UNKNOWN).sum(axis=0).tolist(), strict=True)
        )
        if min(known.values()) < table.n_rows:
            known_rows = {label: known[label] for label in label_rows}
    return TableSummary(
        source=table.source,
        n_rows=table.n_rows,
        format=table.format,
        n_captions=None
        if table.captions is None
        else sum(bool(text.strip()) for text in table.captions),
        parts_per_row=_parts_per_row(table),
        label_rows=label_rows,
        labels_per_row=None
        if per_row is None
        else (float(per_row.mean()), int(per_row.min()), int(per_row.max())),
        n_unlabelled=0 if per_row is None else int((per_row == 0).sum()),
        known_rows=known_rows,
        group_sizes=None if table.groups is None else _group_sizes(table.groups),
        fold_rows=None if table.folds is None else dict(sorted(Counter(table.folds).items())),
        oddities=(*table.notes, *_oddities(table, label_rows or {})),
    )


def _parts_per_row(table: Table) -> dict[str, tuple[float, int, int]]:
    found = {}
    for modality, cells in (("image", table.image_paths), ("text", table.captions)):
        if cells is not None and separator_of(table.format, modality) is not None:
            counts = [len(split_parts(cell)) if cell else 0 for cell in cells]
            found[modality] = (sum(counts) / len(counts), min(counts), max(counts))
    return found


def _oddities(table: Table, label_rows: dict[str, int]) -> list[str]:
    told = []
    for rows, where in ((0, "no row"), (1, "one row only")):
        if names := [label for label, n in label_rows.items() if n == rows]:
            told.append(
                f"{counted(len(names), 'label is', 'labels are')} in {where}: {_shortened(names)}"
            )
    if table.n_rows > 1 and (
        names := [label for label, n in label_rows.items() if n == table.n_rows]
    ):
        told.append(
            f"{counted(len(names), 'label is', 'labels are')} in every row: {_shortened(names)}"
        )
    if table.format.image_col is not None:
        n_pictures = len(set(table.image_paths))
        if n_pictures < table.n_rows:
            told.append(f"{table.n_rows:,} rows show {counted(n_pictures, 'picture')}")
    repeated = Counter(text for text in table.captions or () if text.strip())
    if n_repeated := sum(n for n in repeated.values() if n > 1):
        told.append(f"{n_repeated:,} rows have the caption of another row")
    return told


def _sizes(sizes: tuple[int, ...]) -> str:
    """The number of groups of such `sizes`, largest first."""
    if not sizes:
        return "none of several"
    if sizes[0] == sizes[-1]:
        return f"{len(sizes)} of {sizes[0]} rows" + " each" * (len(sizes) > 1)
    return f"{len(sizes)} of {sizes[-1]} to {sizes[0]} rows"


def _group_sizes(names: Sequence[str]) -> tuple[int, ...]:
    sizes = Counter(name for name in names if name).values()
    return tuple(sorted((n for n in sizes if n > 1), reverse=True))


def _shortened(names: Sequence[str]) -> str:
    more = f" and {len(names) - N_TOLD} more" if len(names) > N_TOLD else ""
    return ", ".join(map(_cut, names[:N_TOLD])) + more


def _cut(name: str) -> str:
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
