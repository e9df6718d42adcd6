"""Pictures and captions that are encoded together, in batches of pictures of one shape.

No picture is padded then, and captions are padded behind a mask, so that the vector of a row does
not depend on its batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from mmfeat.extract.encoders.base import Encoder
from mmfeat.extract.guard import Refusal
from mmfeat.extract.images.read import Decoded
from mmfeat.extract.plan import Advance, Plan
from mmfeat.extract.rows.encoded import Encoded, check_allowed, finite_check
from mmfeat.extract.rows.shapes import Waiting, in_equal_shapes
from mmfeat.store.layout import DIGEST_BYTES, Status
from mmfeat.types import IntArray

EMPTY = "the caption is empty"


def encode_pairs(
    plan: Plan,
    encoder: Encoder,
    rows: IntArray,
    decoded: Iterator[Decoded],
    advance: Advance,
    *,
    modality: str,
) -> Encoded:
    """Encode each distinct pair of a picture and a caption once.

    A picture is decoded once for all of its captions. A row that lacks one of the two has the
    status of what it lacks: that of the picture, if it lacks both.
    """
    assert plan.table.captions is not None, "the plan has no pairs without captions"
    pairs = [(plan.table.image_paths[row], plan.table.captions[row]) for row in rows]
    place = {pair: at for at, pair in enumerate(dict.fromkeys(pairs))}
    index = np.array([place[pair] for pair in pairs], np.int64)
    places_of: dict[str, list[int]] = defaultdict(list)  # by path
    for (path, _), at in place.items():
        places_of[path].append(at)
    captions = [caption for _, caption in place]
    texts = [text for text in dict.fromkeys(captions) if text.strip()]
    tokenized = encoder.tokenize(texts or [""])  # not every tokenizer takes none
    token_rows = {text: row for row, text in enumerate(texts)}

    values = np.full((len(place), encoder.dims[modality]), np.nan, plan.settings.dtype)
    digests = np.zeros((len(place), DIGEST_BYTES), np.uint8)
    refusals: dict[int, Refusal] = {}
    same_as = np.arange(len(place))  # a copy of an earlier picture with the same caption
    first_with: dict[tuple[bytes, str], int] = {}

    def readable() -> Iterator[Waiting]:
        for places, result in zip(places_of.values(), decoded, strict=False):
            for at in places:
                has_caption = bool(captions[at].strip())
                if isinstance(result, Refusal):
                    reason = result.reason if has_caption else f"{result.reason}, and {EMPTY}"
                    refusals[at] = Refusal(result.status, reason)
                    check_allowed(plan, int(rows[np.flatnonzero(index == at)[0]]), refusals[at])
                elif not has_caption:
                    refusals[at] = Refusal(Status.EMPTY, EMPTY)
                else:
                    pixels, digest = result
                    digests[at] = np.frombuffer(digest[:DIGEST_BYTES], np.uint8)
                    same_as[at] = first_with.setdefault((digest, captions[at]), at)
                    if same_as[at] == at:
                        yield at, pixels

    check = finite_check(plan, encoder, modality)
    n_encoded = 0
    for batch in in_equal_shapes(readable(), plan.batch_sizes[modality]):
        places = [at for at, _ in batch]
        tokens = tokenized.tokens[[token_rows[captions[at]] for at in places]]
        found = encoder.encode_pairs(np.stack([pixels for _, pixels in batch]), tokens)
        refusals |= check.store(found, values, places)
        n_encoded += len(batch)
        advance(modality, len(batch))
    check.finish()
    advance(modality, len(rows) - n_encoded)

    refusals |= {at: refusals[same] for at, same in enumerate(same_as.tolist()) if same in refusals}
    status = np.full(len(place), Status.OK, np.uint8)
    cut = np.array(
        [tokenized.truncated[token_rows[text]] if text.strip() else 0 for text in captions],
        np.uint8,
    )
    for at, refusal in refusals.items():
        status[at] = refusal.status
        digests[at] = cut[at] = 0
    return Encoded(
        embeddings=values[same_as][index],
        status=status[index],
        truncated=cut[index],
        digests=digests[index],
        refusals={i: refusals[at] for i, at in enumerate(index.tolist()) if at in refusals},
    )
