"""A table of new rows goes through stage one with the encoder of a run.

Its embeddings lie in the cache of the workspace, under a digest of everything that they depend
on: the captions, the bytes of the pictures, the encoder. So an interrupted prediction goes on,
the same one is not encoded again, and another picture of the same name is another prediction.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from mmfeat.config import ExtractSettings
from mmfeat.core.settings import override
from mmfeat.core.workspace import Workspace
from mmfeat.extract import ExtractSummary, Progress, extract_table, load_encoder_for
from mmfeat.extract.guard import Refusal
from mmfeat.extract.plan import Plan, make_plan
from mmfeat.predict.encoder import check_encoder, encoder_of, weights_of
from mmfeat.runs.run import Run
from mmfeat.store.layout import canonical_json
from mmfeat.types import Table

ROWS = "rows"  # the split of a table in its workspace
FILES_AT_ONCE = 64  # that are read for the digest


def extract_for(
    run: Run,
    table: Table,
    *,
    images: Path | str,
    cache: Path,
    settings: ExtractSettings,
    pretrained: str | None = None,
    progress: Progress | None = None,
) -> tuple[Workspace, ExtractSummary]:
    """Put `table` through stage one with the encoder that the run was fitted on.

    `pretrained` says where its weights are, where that is neither a tag nor in `settings`. Gives
    a workspace below `cache` that has the store of the split `ROWS`, and what became of the rows.

    Raises `RunError` where the run joins several feature sets or used imported embeddings.
    """
    fitted = encoder_of(run)
    pretrained = weights_of(run, pretrained, settings=settings)
    settings = replace(
        override(settings, pretrained=pretrained),
        model=fitted["name"],
        precision=fitted["precision"],
        label_prompts=None,  # a head that compares with prompts has kept them
    )
    encoder = load_encoder_for(settings)
    check_encoder(encoder.provenance, fitted, run=run.name, source=settings.pretrained)
    plan = make_plan(table, images=images, encoder=encoder, settings=settings)
    place = Workspace(cache / _digest(plan))
    (out,) = place.stores(ROWS, run.config.features)
    summary = extract_table(
        table, images=images, encoder=encoder, out=out, settings=settings, progress=progress
    )
    return place, summary


def _digest(plan: Plan) -> str:
    """The sha256 of all that the embeddings of a plan depend on."""
    table = plan.table
    digest = hashlib.sha256(canonical_json(plan.provenance).encode("utf-8"))
    for texts in (table.ids, table.image_paths, table.captions or ()):
        digest.update("\0".join(texts).encode("utf-8") + b"\1")
    files = plan.files
    for start in range(0, len(files), FILES_AT_ONCE):
        for content in plan.images.read(files[start : start + FILES_AT_ONCE]):
            told = repr(content).encode() if isinstance(content, Refusal) else content
            digest.update(hashlib.sha256(told).digest())
    return digest.hexdigest()[:16]
