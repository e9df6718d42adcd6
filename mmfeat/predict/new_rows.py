"""A table of new rows goes through stage one with the encoder of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mmfeat.config import ExtractSettings, override
from mmfeat.errors import RunError
from mmfeat.extract import ExtractSummary, Progress, extract_table, load_encoder_for
from mmfeat.predict.encoder import check_encoder
from mmfeat.runs.run import Run
from mmfeat.types import Table


def extract_for(
    run: Run,
    table: Table,
    *,
    images: Path | str,
    out: Path,
    settings: ExtractSettings,
    pretrained: str | None = None,
    progress: Progress | None = None,
) -> ExtractSummary:
    """Put `table` through stage one with the encoder that the run was fitted on.

    `pretrained` says where its weights are, where that is neither a tag nor in `settings`.

    Raises `RunError` where the run joins several feature sets or used imported embeddings.
    """
    origins = [origin["encoder"] for origin in run.provenance["stores"]]
    if len(origins) > 1 or "weights_sha256" not in origins[0]:
        names = " and ".join(origin["name"] for origin in origins)
        raise RunError(
            "a table goes through one encoder that mmfeat can run",
            f"{run.name} was fitted on embeddings of {names}",
            "make the stores with `mmfeat extract` or `mmfeat import`, and name their --split",
        )
    fitted = origins[0]
    if pretrained is None:
        same = settings.model == fitted["name"]
        pretrained = settings.pretrained if same else fitted.get("pretrained", "")
    settings = replace(
        override(settings, pretrained=pretrained),
        model=fitted["name"],
        precision=fitted["precision"],
        label_prompts=None,  # a head that compares with prompts has kept them
    )
    encoder = load_encoder_for(settings)
    check_encoder(encoder.provenance, fitted, run=run.name, source=settings.pretrained)
    return extract_table(
        table, images=images, encoder=encoder, out=out, settings=settings, progress=progress
    )
