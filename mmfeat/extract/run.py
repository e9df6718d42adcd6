"""Stage one, from a table to a store: plan, run what is missing, merge, say what became of it."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from mmfeat.config import ExtractSettings
from mmfeat.encoders.base import Encoder
from mmfeat.extract.engines import ENGINES
from mmfeat.extract.lock import sole_writer
from mmfeat.extract.plan import Plan, make_plan
from mmfeat.extract.summary import ExtractSummary, summarise
from mmfeat.plugins import resolve
from mmfeat.store.reader import FeatureStore
from mmfeat.store.shards import check_same, is_finished, merge_shards
from mmfeat.store.write import Rows, write_shard
from mmfeat.types import Table

log = logging.getLogger(__name__)
Progress = Callable[[str, int, int], None]  # modality, rows done, rows in all


def extract_table(
    table: Table,
    *,
    images: Path,
    encoder: Encoder,
    out: Path,
    settings: ExtractSettings,
    progress: Progress | None = None,
) -> ExtractSummary:
    """Encode the images and captions of `table` into the store `out`, or go on where it stopped.

    Killed at any moment and called again, it writes the same bytes as if it had not been.
    Raises `StoreError` where `out` or its shards were made otherwise (naming the field), and
    `ExtractError` where settings, folder or another live extraction stand in the way.
    """
    plan = make_plan(table, images=Path(images), encoder=encoder, settings=settings)
    if "text" in settings.modalities and "text" not in plan.modalities:
        log.warning("%s has no caption column: images only", table.source)
    out.parent.mkdir(parents=True, exist_ok=True)
    with sole_writer(out):
        parts = out.with_name(f"{out.name}.parts")
        _remove_partial(out, parts)
        if out.exists():
            with FeatureStore.open(out) as store:
                check_same(store.provenance, plan.provenance, out)
            shutil.rmtree(parts, ignore_errors=True)
            return summarise(out, already_complete=True, notes=table.notes)
        _run_missing(plan, encoder, parts, progress)
        widths = {
            modality: {"image": encoder.image_dim, "text": encoder.text_dim}[modality]
            for modality in plan.modalities
        }
        merge_shards(
            [shard.path(parts) for shard in plan.shards],
            out,
            rows=Rows.of(table),
            widths=widths,
            dtype=settings.dtype,
            provenance=plan.provenance,
        )
        shutil.rmtree(parts)
    return summarise(out, notes=table.notes)


def _run_missing(plan: Plan, encoder: Encoder, parts: Path, progress: Progress | None) -> None:
    """Run the shards that are not there yet and write each as soon as it is ready."""
    parts.mkdir(exist_ok=True)
    todo = [
        shard
        for shard in plan.shards
        if not is_finished(shard.path(parts), plan.provenance, n_rows=shard.stop - shard.start)
    ]
    n_todo = sum(shard.stop - shard.start for shard in todo)
    done = dict.fromkeys(plan.modalities, plan.table.n_rows - n_todo)
    if todo and len(todo) < len(plan.shards):
        log.info("going on after %d of %d shards", len(plan.shards) - len(todo), len(plan.shards))

    def advance(modality: str, n_rows: int) -> None:
        done[modality] += n_rows
        if progress is not None:
            progress(modality, done[modality], plan.table.n_rows)

    engine = resolve(plan.settings.engine, ENGINES, "engine")
    for shard, block in engine(plan, encoder, todo, advance):
        write_shard(shard.path(parts), block, provenance=plan.provenance, dtype=plan.settings.dtype)


def _remove_partial(out: Path, parts: Path) -> None:
    """Remove what a killed process was just writing; nobody else writes here now."""
    for partial in (*out.parent.glob(f".{out.name}.*.tmp"), *parts.glob(".*.tmp")):
        partial.unlink(missing_ok=True)
