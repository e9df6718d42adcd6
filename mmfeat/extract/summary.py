"""The summary of an extraction: counts of rows by status, which add up to those of the table."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmfeat.errors import ExtractError, counted
from mmfeat.extract.encoders.base import CAPTION, NEEDS
from mmfeat.extract.guard import refuse_name
from mmfeat.extract.images.missing import allow_missing, too_many_missing
from mmfeat.extract.plan import Plan, blank_modalities
from mmfeat.store.inspect import read_failed_parts
from mmfeat.store.layout import Block, FailedRow, Status
from mmfeat.store.reader import FeatureStore
from mmfeat.store.writer import Fill, WrittenRows
from mmfeat.tables.parts import with_first_parts
from mmfeat.tables.table import Table


@dataclass(frozen=True, kw_only=True)
class ExtractSummary:
    """The counts of one store.

    Attributes
    ----------
    counts
        Per modality: rows by status, e.g. ``{"image": {"ok": 10, "missing": 2}}``.
    truncated
        Per modality with a limited context: rows that were cut to it.
    windows
        Per modality whose long rows were read in windows: how many rows, and in how many windows.
    failed
        Every row without an embedding, and why.
    failed_parts
        Every part without an embedding, of rows with several images or captions, and why.
    already_complete
        Whether the store existed and nothing had to be done.
    notes
        What the reader of the table repaired or left out.
    hints
        How rows were matched, and what may help with those that failed.
    rest
        Where the failed rows are that are not printed.
    """

    path: Path
    n_rows: int
    counts: dict[str, dict[str, int]]
    widths: dict[str, int]
    failed: tuple[FailedRow, ...]
    truncated: dict[str, int]
    windows: dict[str, tuple[int, int]]
    failed_parts: tuple[FailedRow, ...]
    already_complete: bool
    notes: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    rest: str = "see `mmfeat inspect`"

    def __str__(self) -> str:
        """One line per modality, and the first failed rows."""
        complete = ", already complete" if self.already_complete else ""
        lines = [f"{self.path}: {counted(self.n_rows, 'row')}{complete}"]
        for modality, counts in self.counts.items():
            told = ", ".join(f"{count} {status}" for status, count in counts.items())
            lines.append(f"  {modality} ({self.widths[modality]} numbers): {told}")
        for modality, n_cut in self.truncated.items():
            if n_cut:
                told = counted(n_cut, "row was", "rows were")
                lines.append(f"  {modality}: {told} truncated to the context length")
        for modality, (n_long, n_windows) in self.windows.items():
            if n_long:
                told = counted(n_long, "row is", "rows are")
                lines.append(
                    f"  {modality}: {told} longer than the context: encoded in {n_windows} windows"
                )
        blank = {m for m, counts in self.counts.items() if set(counts) == {Status.EMPTY.label}}
        failed = [f for f in self.failed if f.modality not in blank]
        lines += [f"  row {f.row} ({f.id}): {f.modality}: {f.reason}" for f in failed[:5]]
        if len(failed) > 5:
            lines.append(f"  and {len(failed) - 5} more: {self.rest}")
        if self.failed_parts:
            rows = len({part.row for part in self.failed_parts})
            told = counted(len(self.failed_parts), "part", "parts")
            lines.append(f"  {told} of {counted(rows, 'row')} failed; the others count:")
            lines += [
                f"  row {p.row} ({p.id}): {p.modality} {p.part}: {p.reason}"
                for p in self.failed_parts[:5]
            ]
            if len(self.failed_parts) > 5:
                lines.append(f"  and {len(self.failed_parts) - 5} more: see `mmfeat inspect`")
        lines += [f"  {hint}" for hint in self.hints]
        return "\n".join(lines)


def summarise(
    path: Path,
    *,
    already_complete: bool = False,
    notes: tuple[str, ...] = (),
    hints: tuple[str, ...] = (),
) -> ExtractSummary:
    """Count what the store at `path` holds."""
    with FeatureStore.open(path) as store:
        return ExtractSummary(
            path=store.path,
            n_rows=store.n_rows,
            counts=store.counts,
            widths=store.widths,
            failed=store.failed,
            failed_parts=read_failed_parts(store),
            truncated={m: int(flags.sum()) for m, flags in store.optional("truncated").items()},
            windows={
                m: (int((counts > 0).sum()), int(counts.sum()))
                for m, counts in store.optional("windows").items()
            },
            already_complete=already_complete,
            notes=notes,
            hints=hints,
        )


def _remedy(plan: Plan, failed: FailedRow) -> str:
    """What to do where every row failed as this one."""
    if failed.status == Status.EMPTY and CAPTION in NEEDS[failed.modality]:
        return "name the column of captions with --text-col, or use --modalities image"
    if failed.modality in plan.of_pictures:
        return allow_missing(for_run=plan.for_run)
    return "use another --precision, or other weights (--pretrained)"


@dataclass(frozen=True, kw_only=True)
class CheckedRows:
    """A `Fill` that stops, before the store is finished, where most rows have no embedding.

    Raises `ExtractError` where every row of a modality failed, or more than half of the images
    that the table names are not there. `--on-bad-image allow` lets any number of images fail.
    """

    plan: Plan
    fill: Fill
    status: dict[str, list[NDArray[np.uint8]]] = field(default_factory=lambda: defaultdict(list))
    first: dict[str, FailedRow] = field(default_factory=dict)

    def __call__(self, block: Block, start: int, written: WrittenRows) -> Block:
        """Fill in the next block, and look at all of them after the last."""
        block = self.fill(block, start, written)
        for modality, status in block.status.items():
            self.status[modality].append(status.copy())
        for failed in block.failed:
            self.first.setdefault(failed.modality, failed)
        if start + block.n_rows == self.plan.table.n_rows:
            for modality, parts in self.status.items():
                self._check(modality, np.concatenate(parts))
        return block

    def _check(self, modality: str, status: NDArray[np.uint8]) -> None:
        table = self.table
        if modality in self.plan.of_pictures:
            if self.plan.settings.on_bad_image == "allow":
                return
            missing = self._missing(status)
            n_named = sum(bool(path.strip()) for path in table.image_paths)
            if 2 * len(missing) > n_named:
                seen = f"{len(missing)} of {n_named}"
                raise too_many_missing(
                    table, self.plan.images, missing, seen, for_run=self.plan.for_run
                )
        if (status == Status.OK).any() or self._may_be_blank(modality):
            return
        failed = self.first[modality]
        raise ExtractError(
            f"at least one row must have an embedding of {modality}",
            f"all of {counted(table.n_rows, 'row')} of {table.source} failed, e.g. row {failed.row}"
            f" ({table.ids[failed.row]}): {failed.reason}",
            _remedy(self.plan, failed),
        )

    @cached_property
    def table(self) -> Table:
        """The table, with one image in each row, by which messages name it."""
        return with_first_parts(self.plan.table)

    def _missing(self, status: NDArray[np.uint8]) -> list[int]:
        paths = self.table.image_paths
        rows = np.flatnonzero((status == Status.MISSING) | (status == Status.REFUSED)).tolist()
        return [
            row
            for row in rows
            if paths[row].strip()
            and (status[row] == Status.MISSING or refuse_name(paths[row]) is not None)
        ]

    def _may_be_blank(self, modality: str) -> bool:
        """Whether no row has such an input, and none is meant to: for a run, or a row by itself."""
        table = self.table
        may = self.plan.for_run or table.n_rows == 1
        return may and modality in blank_modalities(table, [modality])
