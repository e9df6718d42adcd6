"""Rows of a table, in their order, become a block of a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from mmfeat.extract.encoders.base import Encoder
from mmfeat.extract.guard import Refusal
from mmfeat.extract.images.read import Decoded
from mmfeat.extract.plan import Advance, Plan
from mmfeat.extract.repeats import OPEN
from mmfeat.extract.rows.captions import encode_captions
from mmfeat.extract.rows.encoded import Encoded
from mmfeat.extract.rows.pairs import encode_pairs
from mmfeat.extract.rows.pictures import encode_images
from mmfeat.store.layout import DIGEST_BYTES, Block, FailedRow
from mmfeat.types import Embeddings, IntArray


def image_names(plan: Plan, rows: IntArray, *, since: int) -> list[str]:
    """The images that `encode_rows` wants decoded, in order: for each modality, each once.

    None is of a row that repeats one before `since`.
    """
    news = (rows[plan.first[modality][rows] >= since] for modality in plan.of_pictures)
    paths = plan.table.image_paths
    return [name for new in news for name in dict.fromkeys(paths[row] for row in new)]


def encode_rows(
    plan: Plan,
    encoder: Encoder,
    rows: IntArray,
    *,
    since: int,
    decoded: Iterator[Decoded],
    advance: Advance,
) -> Block:
    """Encode any rows of the table, in their order.

    Rows that repeat one before row `since` are left open (see `mmfeat.extract.repeats`). Of
    `decoded`, one result is taken for each of `image_names`.
    """
    embeddings: dict[str, Embeddings] = {}
    status: dict[str, NDArray[np.uint8]] = {}
    truncated: dict[str, NDArray[np.uint8]] = {}
    digests: dict[str, NDArray[np.uint8]] = {}
    windows: dict[str, NDArray[np.int32]] = {}
    failed: list[FailedRow] = []
    encode: dict[str, Callable[[IntArray], Encoded]] = {
        "image": lambda rows: encode_images(plan, encoder, rows, decoded, advance),
        "text": lambda rows: encode_captions(plan, encoder, rows, advance),
        "joint": lambda rows: encode_pairs(plan, encoder, rows, decoded, advance, modality="joint"),
    }
    for modality in plan.modalities:
        new = np.flatnonzero(plan.first[modality][rows] >= since)
        found = encode[modality](rows[new])
        width = found.embeddings.shape[1]
        embeddings[modality] = np.full((len(rows), width), np.nan, plan.settings.dtype)
        embeddings[modality][new] = found.embeddings
        status[modality] = np.full(len(rows), OPEN, np.uint8)
        status[modality][new] = found.status
        if found.truncated is not None:
            truncated[modality] = np.zeros(len(rows), np.uint8)
            truncated[modality][new] = found.truncated
        if found.digests is not None:
            digests[modality] = np.zeros((len(rows), DIGEST_BYTES), np.uint8)
            digests[modality][new] = found.digests
        if found.windows is not None:
            windows[modality] = np.zeros(len(rows), np.int32)
            windows[modality][new] = found.windows
        failed += _failed(rows[new], modality, found.refusals)
        advance(modality, len(rows) - len(new))
    failed.sort(key=FailedRow.place)
    return Block(
        embeddings=embeddings,
        status=status,
        truncated=truncated,
        digests=digests,
        windows=windows,
        failed=tuple(failed),
    )


def _failed(rows: IntArray, modality: str, refusals: dict[int, Refusal]) -> list[FailedRow]:
    return [
        FailedRow(
            row=int(rows[at]),
            modality=modality,
            status=refusal.status,
            reason=refusal.reason,
        )
        for at, refusal in refusals.items()
    ]
