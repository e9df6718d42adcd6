"""Captions: each distinct one encoded once, in batches of similar length."""

from __future__ import annotations

import numpy as np

from mmfeat.extract.encoders.base import Encoder, Tokenized
from mmfeat.extract.guard import Refusal
from mmfeat.extract.plan import Advance, Plan
from mmfeat.extract.rows.encoded import Encoded, finite_check
from mmfeat.extract.several.windows import encode_in_windows
from mmfeat.store.layout import Status
from mmfeat.types import Embeddings, IntArray


def encode_captions(plan: Plan, encoder: Encoder, rows: IntArray, advance: Advance) -> Encoded:
    """Encode each distinct caption once, in batches of similar length."""
    assert plan.table.captions is not None, "the plan has no text without captions"
    captions = [plan.table.captions[row] for row in rows]
    distinct = list(dict.fromkeys(caption for caption in captions if caption.strip()))
    place = {caption: at for at, caption in enumerate(distinct)}
    values = np.full((len(distinct) + 1, encoder.dims["text"]), np.nan, plan.settings.dtype)
    failed = {len(distinct): Refusal(Status.EMPTY, "the caption is empty")}
    cut = np.zeros(len(distinct) + 1, np.uint8)  # the last entry stands for empty captions
    in_windows = plan.settings.long_captions == "windows"
    n_windows = np.zeros(len(distinct) + 1, np.int32)
    check = finite_check(plan, encoder, "text")

    def encode(
        tokenized: Tokenized, values: Embeddings, hear: Advance = lambda *_: None
    ) -> dict[int, Refusal]:
        refusals: dict[int, Refusal] = {}
        order = np.argsort(tokenized.lengths, kind="stable")
        for start in range(0, len(order), plan.batch_sizes["text"]):
            part = order[start : start + plan.batch_sizes["text"]]
            refusals |= check.store(encoder.encode_tokens(tokenized.tokens[part]), values, part)
            hear("text", len(part))
        return refusals

    if distinct:
        tokenized = encoder.tokenize(distinct)
        failed |= encode(tokenized, values, advance)
        long = np.flatnonzero(tokenized.truncated)
        if not in_windows:
            cut[long] = 1
        elif len(long):  # after the others, so that short captions have the batches they had
            found = encode_in_windows(encoder, [distinct[at] for at in long], encode, like=values)
            values[long], n_windows[long] = found.embeddings, found.n_windows
            failed = {at: why for at, why in failed.items() if at not in long}
            failed |= {int(long[at]): why for at, why in found.refusals.items()}
        check.finish()
    advance("text", len(captions) - len(distinct))
    index = np.array([place.get(caption, len(distinct)) for caption in captions], np.int64)
    refusals = {i: failed[at] for i, at in enumerate(index.tolist()) if at in failed}
    status = np.full(len(index), Status.OK, np.uint8)
    for i, refusal in refusals.items():
        status[i] = refusal.status
    return Encoded(
        embeddings=values[index],
        status=status,
        truncated=cut[index],
        digests=None,
        windows=n_windows[index] if in_windows else None,
        refusals=refusals,
    )
