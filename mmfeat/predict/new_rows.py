"""New rows, of a table or a folder of images, go through stage one with the encoder of a run.

Its embeddings lie in the cache of the workspace, under a digest of everything that they depend
on: the captions, the bytes of the pictures, the encoder. So an interrupted prediction goes on,
the same one is not encoded again, and another picture of the same name is another prediction.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from mmfeat.config import AUTO, ExtractSettings
from mmfeat.core.settings import override
from mmfeat.core.workspace import Workspace
from mmfeat.errors import RunError
from mmfeat.extract import ExtractSummary, Progress, extract_table, load_encoder_for
from mmfeat.extract.encoders.base import CAPTION, takes
from mmfeat.extract.guard import Refusal
from mmfeat.extract.plan import Plan, blank_modalities, make_plan
from mmfeat.fit.models.model import load_model, modalities_of
from mmfeat.predict.encoder import check_encoder, encoder_of, weights_of
from mmfeat.runs.run import Run
from mmfeat.store.layout import canonical_json
from mmfeat.tables.table import Table

log = logging.getLogger(__name__)
ROWS = "rows"  # the split of a table in its workspace
FILES_AT_ONCE = 64  # that are read for the digest
INPUTS = {"image": "images", "text": "captions", "joint": "pairs of an image and a caption"}


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

    What the run looks at is encoded. A modality that no row has is one that every row lacks.
    `pretrained` says where its weights are, where that is neither a tag nor in `settings`. Gives
    a workspace below `cache` that has the store of the split `ROWS`, and what became of the rows.

    Raises `RunError` where the run joins several feature sets or used imported embeddings, and
    where no row has anything that it looks at.
    """
    fitted = encoder_of(run)
    modalities = modalities_of(load_model(run))
    _check_inputs(run, table, modalities)
    pretrained = weights_of(run, pretrained, settings=settings)
    settings = replace(
        override(settings, pretrained=pretrained),
        model=fitted["name"],
        precision=fitted["precision"],
        modalities=modalities,
        long_captions=fitted.get("long_captions", "cut"),
        joint_pool=fitted.get("joint_pool", AUTO),
        label_prompts=None,  # a head that compares with prompts has kept them
    )
    encoder = load_encoder_for(settings)
    check_encoder(encoder.provenance, fitted, run=run.name, source=settings.pretrained)
    plan = make_plan(table, images=images, encoder=encoder, settings=settings, for_run=True)
    place = Workspace(cache / _digest(plan))
    (out,) = place.stores(ROWS, run.config.features)
    summary = extract_table(
        table,
        images=images,
        encoder=encoder,
        out=out,
        settings=settings,
        for_run=True,
        progress=progress,
    )
    return place, summary


def _check_inputs(run: Run, table: Table, modalities: tuple[str, ...]) -> None:
    """Warn of what no row has; raise `RunError` where that is all, or a column is missing."""
    if takes(CAPTION, modalities) and table.captions is None:
        raise RunError(
            "a table has the columns that the run looks at",
            f"{looks_at(run, modalities)}, and {table.source} has no column of captions",
            "name the column with --text-col, or give --text-col '' if no row has one",
        )
    blank = blank_modalities(table, modalities)
    if len(blank) == len(modalities):
        raise nothing_given(run, modalities, source=table.source)
    for modality in blank:
        log.warning(
            "no row of %s has %s: what was measured on rows with %s does not hold for them",
            table.source,
            INPUTS[modality],
            INPUTS[modality],
        )


def nothing_given(run: Run, modalities: Iterable[str], *, source: str) -> RunError:
    """Make the error of rows that have nothing that a run looks at."""
    return RunError(
        "rows need something that the run looks at",
        f"{looks_at(run, modalities)}, and no row of {source} has any",
        "give rows that have, or use another run",
    )


def looks_at(run: Run, modalities: Iterable[str]) -> str:
    """Say in words what a run looks at."""
    return f"{run.name} looks at {' and '.join(INPUTS.get(name, name) for name in modalities)}"


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
