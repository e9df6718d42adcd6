"""The engine of one machine: decode ahead in processes, encode here, one shard after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmfeat.config import ExtractSettings
from mmfeat.extract.encoders import load_encoder
from mmfeat.extract.encoders.base import Encoder, Pixels, Tokenized
from mmfeat.extract.engines.base import Advance, Engine
from mmfeat.extract.engines.encoded import Encoded, check_allowed, finite_check
from mmfeat.extract.engines.pairs import encode_pairs
from mmfeat.extract.guard import Refusal
from mmfeat.extract.images.decoding import Decoder, DecodeTask
from mmfeat.extract.images.read import Decoded
from mmfeat.extract.plan import Plan, Shard
from mmfeat.extract.repeats import OPEN
from mmfeat.extract.several.windows import encode_in_windows
from mmfeat.store.layout import DIGEST_BYTES, Block, FailedRow, Status
from mmfeat.store.writer import write_shard
from mmfeat.types import Embeddings, IntArray


def make_shards(
    plan: Plan, encoder: Encoder, shards: Sequence[Shard], parts: Path, advance: Advance
) -> None:
    """Make `shards` one after another, while images of the next are already decoded."""
    names = [name for s in shards for name in image_names(plan, s.rows, since=s.start)]
    with Decoder(decode_task(plan, encoder), workers=plan.settings.workers if names else 0) as d:
        decoded = d.decode(names)
        for shard in shards:
            make_shard(plan, encoder, shard, parts, decoded=decoded, advance=advance)


def make_shard(
    plan: Plan,
    encoder: Encoder,
    shard: Shard,
    parts: Path,
    *,
    decoded: Iterator[Decoded],
    advance: Advance,
) -> None:
    """Encode the rows of a shard, write it and share it; `decoded` as for `encode_rows`."""
    block = encode_rows(
        plan, encoder, shard.rows, since=shard.start, decoded=decoded, advance=advance
    )
    path = shard.path(parts)
    write_shard(path, block, provenance=plan.provenance, dtype=plan.settings.dtype)
    if plan.shared is not None:
        plan.shared.put(path)


def load_here(settings: ExtractSettings) -> Encoder:
    """Load the encoder into this process."""
    return load_encoder(
        settings.model,
        pretrained=settings.pretrained,
        precision=settings.precision,
        device=settings.device,
        joint_pool=settings.joint_pool,
    )


LOCAL = Engine(load_encoder=load_here, make_shards=make_shards)


def decode_task(plan: Plan, encoder: Encoder) -> DecodeTask | None:
    """How the images of a plan are decoded for an encoder; None where it has no images."""
    if not plan.of_pictures:
        return None
    assert encoder.preprocessing is not None, "every encoder of pictures has it"
    return DecodeTask(
        images=plan.images,
        preprocessing=encoder.preprocessing,
        max_pixels=plan.settings.max_pixels,
        fast=plan.settings.decode == "fast",
    )


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
        "image": lambda rows: _encode_images(plan, encoder, rows, decoded, advance),
        "text": lambda rows: _encode_captions(plan, encoder, rows, advance),
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


def _encode_images(
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

    def pictures() -> Iterator[tuple[int, Pixels]]:
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
        source = pictures()
        while batch := list(islice(source, plan.batch_sizes["image"])):
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


def _encode_captions(plan: Plan, encoder: Encoder, rows: IntArray, advance: Advance) -> Encoded:
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
