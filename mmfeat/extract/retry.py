"""Encode failed images again, after the user has repaired the files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmfeat.extract.encoders.base import Encoder
from mmfeat.extract.engines.local import decode_task, encode_rows, image_names
from mmfeat.extract.images.decoding import Decoder
from mmfeat.extract.plan import Plan
from mmfeat.extract.repeats import Repeats
from mmfeat.store.layout import BLOCK_ROWS, Block, FailedRow, Rows, Status
from mmfeat.store.reader import FeatureStore
from mmfeat.store.writer import write_store


def retry(plan: Plan, encoder: Encoder, out: Path, *, block_rows: int = BLOCK_ROWS) -> None:
    """Encode the failed images of the store `out` again and replace it, atomically.

    The store is copied `block_rows` rows at a time. Captions are not tried again: an empty one
    stays empty while the table is unchanged.
    """
    if "image" not in plan.modalities:
        return
    with FeatureStore.open(out) as store:
        if (store.status("image") == Status.OK).all():
            return
        with Decoder(decode_task(plan, encoder), workers=plan.settings.workers) as decoder:
            write_store(
                out,
                rows=Rows.of(plan.table),
                widths=store.widths,
                dtype=store.dtype,
                provenance=store.provenance,
                blocks=_patched(
                    replace(plan, modalities=("image",)),
                    encoder,
                    store.blocks(block_rows=block_rows),
                    decoder,
                ),
                fill=Repeats(first=plan.first),
                prompts=store.prompts,
            )


def _patched(
    plan: Plan, encoder: Encoder, blocks: Iterable[Block], decoder: Decoder
) -> Iterator[Block]:
    """Yield the blocks of a store, with the images that failed encoded again."""
    start = 0
    for block in blocks:
        failed = np.flatnonzero(block.status["image"] != Status.OK)
        again = encode_rows(
            plan,
            encoder,
            start + failed,
            since=start,
            decoded=decoder.decode(image_names(plan, start + failed, since=start)),
            advance=lambda _modality, _n_rows: None,
        )
        block.embeddings["image"][failed] = again.embeddings["image"]
        block.status["image"][failed] = again.status["image"]
        kept = [f for f in block.failed if f.modality != "image"]
        yield replace(block, failed=tuple(sorted((*kept, *again.failed), key=FailedRow.place)))
        start += block.n_rows
