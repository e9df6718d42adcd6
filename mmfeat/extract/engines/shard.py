"""A shard: its images decoded, its rows encoded, and what they become written and shared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mmfeat.extract.encoders.base import Encoder
from mmfeat.extract.images.decoding import DecodeTask
from mmfeat.extract.images.read import Decoded
from mmfeat.extract.plan import Advance, Plan, Shard
from mmfeat.extract.rows.encode import encode_rows
from mmfeat.store.writer import write_shard


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
