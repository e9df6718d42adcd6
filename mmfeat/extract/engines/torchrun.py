"""Several processes make the shards of one store: each claims one, makes it, claims the next.

A claim is a lock file beside the shard that is released when its process ends, so the processes
share nothing but the folder. torchrun starts them, on one machine or on several (with a file system
whose `flock` works between machines, such as NFS since Linux 2.6.12). The process of rank 0 locks
the store and merges; the others help it and may start late or fail.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mmfeat.core.lock import LockHeld, locked
from mmfeat.extract.encoders.base import Encoder
from mmfeat.extract.engines.base import Engine
from mmfeat.extract.engines.local import load_here
from mmfeat.extract.engines.shard import decode_task, make_shard
from mmfeat.extract.images.decoding import Decoder
from mmfeat.extract.plan import Advance, Plan, Shard
from mmfeat.extract.rows.encode import image_names
from mmfeat.store.parts import find_store
from mmfeat.store.shards import check_shard

SECONDS_BETWEEN_LOOKS = 0.2


def is_helper() -> bool:
    """Whether torchrun started this process with a rank above 0."""
    return int(os.environ.get("RANK", "0")) > 0


def make_shards(
    plan: Plan, encoder: Encoder, shards: Sequence[Shard], parts: Path, advance: Advance
) -> None:
    """Make the shards that no other process makes, and wait for the others."""
    while shards := _make_free(plan, encoder, shards, parts, advance):
        time.sleep(SECONDS_BETWEEN_LOOKS)


def help_with(plan: Plan, encoder: Encoder, parts: Path, *outs: Path) -> None:
    """Make shards of a plan until one of the stores `outs` is there, or all are claimed."""

    def is_over() -> bool:
        return any(find_store(out) is not None for out in outs)

    _make_free(plan, encoder, plan.shards, parts, lambda _modality, _n: None, is_over=is_over)
    if is_over():
        shutil.rmtree(parts, ignore_errors=True)  # it may contain the last claim


def _make_free(
    plan: Plan,
    encoder: Encoder,
    shards: Sequence[Shard],
    parts: Path,
    advance: Advance,
    *,
    is_over: Callable[[], bool] = lambda: False,
) -> list[Shard]:
    """Make every unclaimed shard; return those that others are making."""
    claimed = []
    with Decoder(decode_task(plan, encoder), workers=plan.settings.workers) as decoder:
        for shard in shards:
            path = shard.path(parts)
            try:
                with locked(path.with_suffix(".claim")):
                    if path.exists():
                        check_shard(path, plan.provenance)
                        for modality in plan.modalities:
                            advance(modality, shard.n_rows)
                    elif is_over():
                        break
                    else:
                        names = image_names(plan, shard.rows, since=shard.start)
                        decoded = decoder.decode(names)
                        make_shard(plan, encoder, shard, parts, decoded=decoded, advance=advance)
            except LockHeld:
                claimed.append(shard)
    return claimed


TORCHRUN = Engine(load_encoder=load_here, make_shards=make_shards)
