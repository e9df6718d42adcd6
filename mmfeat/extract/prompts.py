"""Prompts of the labels, embedded by the text tower and added to a store."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import numpy as np

from mmfeat.errors import EncoderError
from mmfeat.extract.encoders.base import Encoder
from mmfeat.extract.plan import rows_of
from mmfeat.store.layout import canonical_json
from mmfeat.store.prompts import Prompts
from mmfeat.store.reader import FeatureStore
from mmfeat.store.writer import write_store
from mmfeat.tables.table import Table

log = logging.getLogger(__name__)
LabelPrompts = tuple[tuple[str, str], ...]  # (label, prompt)


def add_prompts(pairs: LabelPrompts, *, encoder: Encoder, table: Table, out: Path) -> None:
    """Embed `pairs` and replace the store `out` of `table` by one that has them, atomically.

    A store that has these very prompts stays as it is.
    """
    digest = hashlib.sha256(canonical_json(pairs).encode("utf-8")).hexdigest()
    asked = {"prompts": {"count": len(pairs), "sha256": digest}}
    with FeatureStore.open(out) as store:
        if store.provenance.get("prompts") == asked["prompts"]:
            return
        write_store(
            out,
            rows=rows_of(table),
            widths=store.widths,
            dtype=store.dtype,
            provenance=store.provenance | asked,
            blocks=store.blocks(),
            prompts=_embed(pairs, encoder),
        )


def _embed(pairs: LabelPrompts, encoder: Encoder) -> Prompts:
    labels, texts = zip(*pairs, strict=True)
    tokenized = encoder.tokenize(texts)
    if cut := int(tokenized.truncated.sum()):
        log.warning("%d of %d label prompts were truncated to the context length", cut, len(texts))
    step = encoder.batch_sizes["text"]
    starts = range(0, len(texts), step)
    parts = [encoder.encode_tokens(tokenized.tokens[start : start + step]) for start in starts]
    embeddings = np.concatenate(parts)
    if not np.isfinite(embeddings).all():
        raise EncoderError(
            "embeddings of label prompts must be finite",
            "the encoder gives NaN or infinity",
            "use another --precision, or other weights (--pretrained)",
        )
    return Prompts(labels=labels, texts=texts, embeddings=embeddings)
