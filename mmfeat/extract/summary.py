"""What became of the rows, counted; the counts add up to the rows of the table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmfeat.store.layout import FailedRow
from mmfeat.store.reader import FeatureStore


@dataclass(frozen=True, kw_only=True)
class ExtractSummary:
    """One store, counted.

    Attributes
    ----------
    counts
        Per modality: rows by status, e.g. ``{"image": {"ok": 10, "missing": 2}}``.
    truncated
        Per modality that has a context of limited length: rows that were cut to it.
    failed
        Every row without an embedding, and why.
    already_complete
        Whether the store was there before and nothing had to be done.
    notes
        What the reader of the table mended or left out.
    """

    path: Path
    n_rows: int
    counts: dict[str, dict[str, int]]
    widths: dict[str, int]
    failed: tuple[FailedRow, ...]
    truncated: dict[str, int]
    already_complete: bool
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line per modality, the first failed rows, and the notes."""
        lines = [
            f"{self.path}: {self.n_rows} rows" + (", already complete" * self.already_complete)
        ]
        for modality, counts in self.counts.items():
            told = ", ".join(f"{count} {status}" for status, count in counts.items())
            lines.append(f"  {modality} ({self.widths[modality]} numbers): {told}")
        for modality, n_cut in self.truncated.items():
            if n_cut:
                lines.append(f"  {modality}: {n_cut} rows were cut to the model's context")
        lines += [f"  row {f.row} ({f.id}): {f.modality}: {f.reason}" for f in self.failed[:5]]
        if len(self.failed) > 5:
            lines.append(f"  and {len(self.failed) - 5} more: see `mmfeat inspect`")
        lines += [f"  {note}" for note in self.notes]
        return "\n".join(lines)


def summarise(
    path: Path, *, already_complete: bool = False, notes: tuple[str, ...] = ()
) -> ExtractSummary:
    """Count what the store at `path` holds."""
    with FeatureStore.open(path) as store:
        return ExtractSummary(
            path=store.path,
            n_rows=store.n_rows,
            counts=store.counts,
            widths=store.widths,
            failed=store.failed,
            truncated={m: int(flags.sum()) for m, flags in store.truncated.items()},
            already_complete=already_complete,
            notes=notes,
        )
