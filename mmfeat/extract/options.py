"""The options of the verbs of stage one, as types: the fields of their settings, None: not given.

A test holds them to `mmfeat.config`, which has their defaults.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmfeat.tables.table import TableOptions


class ExtractOptions(TableOptions, total=False):
    """How a table is read and encoded: `DataSettings` and `ExtractSettings`."""

    images: Path | str | None
    model: str | None
    models: Sequence[str] | None
    pretrained: str | None
    modalities: Sequence[str] | None
    precision: str | None
    dtype: str | None
    batch_size: int | None
    workers: int | None
    device: str | None
    shard_rows: int | None
    rows_per_file: int | None
    long_captions: str | None
    joint_pool: str | None
    on_bad_image: str | None
    max_pixels: int | None
    decode: str | None
    engine: str | None
    ray_address: str | None
    actors: int | None
    num_gpus_per_actor: float | None
    shards: str | None
    label_prompts: Path | str | None
