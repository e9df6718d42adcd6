"""Images that failed are tried again after the user has mended the files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmfeat.encoders.base import Encoder
from mmfeat.extract.decoding import Decoder
from mmfeat.extract.local import decode_task, encode_rows
from mmfeat.extract.plan import Plan
from mmfeat.store.layout import Block, Status
from mmfeat.store.reader import FeatureStore
from mmfeat.store.write import Rows, write_store


def retry(plan: Plan, encoder: Encoder, out: Path) -> None:
    """Encode the failed images of the store `out` again and replace it, atomically.

    Captions are not tried again: an empty one stays so as long as the table is the same.
    """
    if "image" not in plan.modalities:
        return
    with FeatureStore.open(out) as store:
        rows = np.flatnonzero(store.status("image") != Status.OK).tolist()
        if not rows:
            return
        with Decoder(decode_task(plan, encoder), workers=plan.settings.workers) as decoder:
            again = encode_rows(
                replace(plan, modalities=("image",)),
                encoder,
                rows,
                decoder=decoder,
                advance=lambda _modality, _n_rows: None,
            )
        write_store(
            out,
            rows=Rows.of(plan.table),
            widths=store.widths,
            dtype=store.dtype,
            provenance=store.provenance,
            blocks=_patched(store, rows, again),
            prompts=store.prompts,
        )


def _patched(store: FeatureStore, rows: list[int], again: Block) -> Iterator[Block]:
    """The store's blocks with the image embeddings of `rows` taken from `again`."""
    start = 0
    for block in store.blocks():
        stop = start + len(block.truncated)
        at = [i for i, row in enumerate(rows) if start <= row < stop]
        local = [rows[i] - start for i in at]
        block.embeddings["image"][local] = again.embeddings["image"][at]
        block.status["image"][local] = again.status["image"][at]
        kept = [p for p in block.problems if p.modality != "image"]
        new = [p for p in again.problems if start <= p.row < stop]
        problems = sorted((*kept, *new), key=lambda p: (p.row, p.modality))
        yield replace(block, problems=tuple(problems))
        start = stop
