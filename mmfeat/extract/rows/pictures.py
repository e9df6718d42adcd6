"""Pictures that are encoded by themselves: each distinct file once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from mmfeat.extract.encoders.base import Encoder, Pixels
from mmfeat.extract.guard import Refusal
from mmfeat.extract.images.read import Decoded
from mmfeat.extract.plan import Advance, Plan
from mmfeat.extract.rows.encoded import Encoded, check_allowed, finite_check
from mmfeat.extract.rows.shapes import Waiting, in_equal_shapes
from mmfeat.store.layout import DIGEST_BYTES, Status
from mmfeat.types import IntArray


def encode_images(
    plan: Plan, encoder: Encoder, rows: IntArray, decoded: Iterator[Decoded], advance: Advance
) -> Encoded:
    """Encode each distinct file once, in batches of the order in which files first appear.

    A copy of a file under another name is noticed only if both are among `rows`: what a shard
    holds must not depend on files of other shards.
    """
    names = [plan.table.image_paths[row] for row in rows]
    place = {name: at for at, name in enumerate(dict.fromkeys(names))}
    values = np.full((len(place), encoder.dims["image"]), np.nan, plan.settings.dtype)
    refusals: dict[int, Refusal] = {}
    same_as = np.arange(len(place))  # a copy of an earlier file under another name
    first_with: dict[bytes, int] = {}
    digests = np.zeros((len(place), DIGEST_BYTES), np.uint8)
    asked: deque[list[int]] = deque()  # places of the batches that are being encoded

    def pictures() -> Iterator[Waiting]:
        for at, result in zip(range(len(place)), decoded, strict=False):
            advance("image", 1)
            if isinstance(result, Refusal):
                refusals[at] = result
                check_allowed(plan, int(rows[names.index(list(place)[at])]), result)
                continue
            pixels, digest = result
            same_as[at] = first_with.setdefault(digest, at)
            digests[at] = np.frombuffer(digest[:DIGEST_BYTES], np.uint8)
            if same_as[at] == at:
                yield at, pixels

    def batches() -> Iterator[Pixels]:
        for batch in in_equal_shapes(pictures(), plan.batch_sizes["image"]):
            asked.append([at for at, _ in batch])
            yield np.stack([pixels for _, pixels in batch])

    check = finite_check(plan, encoder, "image")
    for found in encoder.encode_image_batches(batches()):
        refusals |= check.store(found, values, asked.popleft())
    check.finish()
    for at, same in enumerate(same_as.tolist()):
        if same in refusals:
            refusals[at] = refusals[same]
    status = np.full(len(place), Status.OK, np.uint8)
    for at, refusal in refusals.items():
        status[at] = refusal.status
        digests[at] = 0
    index = np.array([place[name] for name in names], np.int64)
    advance("image", len(names) - len(place))
    return Encoded(
        embeddings=values[same_as][index],
        status=status[index],
        truncated=None,
        digests=digests[index],
        refusals={i: refusals[at] for i, at in enumerate(index.tolist()) if at in refusals},
    )
