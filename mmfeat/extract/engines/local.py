"""The engine of one machine: decode ahead in processes, encode here, one shard after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mmfeat.config import ExtractSettings
from mmfeat.extract.encoders import load_encoder
from mmfeat.extract.encoders.base import Encoder
from mmfeat.extract.engines.base import Engine
from mmfeat.extract.images.decoding import Decoder, DecodeTask
from mmfeat.extract.images.read import Decoded
from mmfeat.extract.plan import Advance, Plan, Shard
from mmfeat.extract.rows.encode import encode_rows, image_names
from mmfeat.store.writer import write_shard


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
