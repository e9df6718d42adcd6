"""Which shards of a plan are missing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from mmfeat.extract.encoders.base import Encoder
from mmfeat.extract.engines.base import Work
from mmfeat.extract.plan import Plan, Shard, blank_modalities
from mmfeat.extract.updates.changes import changed_rows, mended_rows
from mmfeat.store.shards import read_finished

log = logging.getLogger(__name__)
Progress = Callable[[str, int, int], None]  # modality, rows done, rows in all


def find_missing(plan: Plan, encoder: Encoder, parts: Path, progress: Progress | None) -> Work:
    """Find the shards that are not in `parts`; those with changed pictures are removed there."""
    todo = [shard for shard in plan.shards if not _is_done(plan, shard, shard.path(parts))]
    n_todo = sum(shard.n_rows for shard in todo)
    done = dict.fromkeys(plan.modalities, plan.table.n_rows - n_todo)
    if todo and len(todo) < len(plan.shards):
        log.info("resuming after %d of %d shards", len(plan.shards) - len(todo), len(plan.shards))
    blank = blank_modalities(plan.table, plan.modalities)

    def advance(modality: str, n_rows: int) -> None:
        done[modality] += n_rows
        if progress is not None and modality not in blank:
            progress(modality, done[modality], plan.table.n_rows)

    return Work(plan=plan, encoder=encoder, shards=todo, parts=parts, advance=advance)


def n_rows_done(plan: Plan, parts: Path) -> int:
    """The rows in finished shards, whose pictures are not looked at."""
    blocks = (
        (shard, read_finished(shard.path(parts), plan.provenance, n_rows=shard.n_rows))
        for shard in plan.shards
    )
    return sum(shard.n_rows for shard, block in blocks if block is not None)


def _is_done(plan: Plan, shard: Shard, path: Path) -> bool:
    """Whether the shard is complete and its images are unchanged; otherwise it is removed."""
    block = read_finished(path, plan.provenance, n_rows=shard.n_rows)
    if block is None:
        path.unlink(missing_ok=True)
        return False
    changed: list[int] = []
    for modality in plan.of_pictures:
        changed += changed_rows(plan, block.status[modality], path, start=shard.start)
        changed += mended_rows(plan, block.status[modality], path, start=shard.start)
    if not changed:
        return True
    for row in changed[:1]:
        log.warning("%s has changed; its shard is encoded again", plan.table.image_paths[row])
    path.unlink(missing_ok=True)
    return False
