"""The engine of one machine: decode ahead in processes, encode here, one shard after another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmfeat.config import ExtractSettings
from mmfeat.extract.encoders import load_encoder
from mmfeat.extract.encoders.base import Encoder
from mmfeat.extract.engines.base import Engine
from mmfeat.extract.engines.shard import decode_task, make_shard
from mmfeat.extract.engines.together import make_together
from mmfeat.extract.images.decoding import Decoder
from mmfeat.extract.plan import Advance, Plan, Shard
from mmfeat.extract.rows.encode import image_names


def make_shards(
    plan: Plan, encoder: Encoder, shards: Sequence[Shard], parts: Path, advance: Advance
) -> None:
    """Make `shards` one after another, while images of the next are already decoded."""
    names = [name for s in shards for name in image_names(plan, s.rows, since=s.start)]
    with Decoder(decode_task(plan, encoder), workers=plan.settings.workers if names else 0) as d:
        decoded = d.decode(names)
        for shard in shards:
            make_shard(plan, encoder, shard, parts, decoded=decoded, advance=advance)


def load_here(settings: ExtractSettings) -> Encoder:
    """Load the encoder into this process."""
    return load_encoder(
        settings.model,
        pretrained=settings.pretrained,
        precision=settings.precision,
        device=settings.device,
        joint_pool=settings.joint_pool,
    )


LOCAL = Engine(load_encoder=load_here, make_shards=make_shards, make_together=make_together)
