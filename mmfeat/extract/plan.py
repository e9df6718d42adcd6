"""The plan of an extraction: shards of rows, which follow from the table alone, and the provenance.

A shard is a range of rows. Rows that repeat one of an earlier shard are not encoded again but
copied when the shards are merged. The content of a batch depends on the table and the shard, never
on what an interrupted extraction left over, so that resuming gives the same bytes.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import features

from mmfeat.config import ALL, MODALITIES, ExtractSettings, choices_of
from mmfeat.core.address import Address
from mmfeat.core.checks import check_choice, check_range
from mmfeat.errors import ExtractError
from mmfeat.extract.encoders.base import CAPTION, NEEDS, PICTURE, Encoder, takes
from mmfeat.extract.images.sources import NAME_IT, Images, open_images
from mmfeat.extract.repeats import first_rows
from mmfeat.extract.several.parts import BETWEEN, separators_of
from mmfeat.store.layout import SCHEMA, Rows
from mmfeat.tables.parts import are_several, split_parts
from mmfeat.tables.table import Table
from mmfeat.types import IntArray

Advance = Callable[[str, int], None]  # modality, rows done since the last call
MOST_WORKERS = 1024  # decoding processes; each takes some 50 MB


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Rows `start` to `stop` of the table."""

    number: int
    start: int
    stop: int

    @property
    def rows(self) -> IntArray:
        """Its rows, (m,)."""
        return np.arange(self.start, self.stop)

    @property
    def n_rows(self) -> int:
        """The number of its rows."""
        return self.stop - self.start

    def path(self, folder: Path) -> Path:
        """Where the shard is written."""
        return folder / f"{self.number:05d}.h5"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that an engine needs."""

    table: Table
    images: Images
    settings: ExtractSettings
    modalities: tuple[str, ...]
    batch_sizes: dict[str, int]  # per modality: rows in a batch
    first: dict[str, IntArray]  # per modality (n,): the first row with the same input
    provenance: dict[str, Any]
    for_run: bool = False  # which says what is encoded: of one modality every row may be blank
    shared: Address | None = None  # where the shards are kept, too

    @property
    def files(self) -> list[str]:
        """The files that are read, by their paths in the folder of images, each once."""
        paths = self.table.image_paths if self.of_pictures else ()
        if not self.is_several("image"):
            return list(dict.fromkeys(paths))
        return list(dict.fromkeys(part for cell in paths for part in split_parts(cell)))

    @property
    def of_pictures(self) -> tuple[str, ...]:
        """The modalities that need pictures."""
        return tuple(modality for modality in self.modalities if PICTURE in NEEDS[modality])

    def is_several(self, modality: str) -> bool:
        """Whether some row has several parts of a modality, see `mmfeat.tables.parts`."""
        texts = {PICTURE: self.table.image_paths, CAPTION: self.table.captions or ()}
        separators = separators_of(self.table.format, modality)
        cells = zip((texts[part] for part in NEEDS[modality]), separators, strict=True)
        return any(are_several(column, separator) for column, separator in cells)

    @property
    def shards(self) -> list[Shard]:
        """All shards, in order."""
        step, n = self.settings.shard_rows, self.table.n_rows
        return [
            Shard(number=i, start=start, stop=min(start + step, n))
            for i, start in enumerate(range(0, n, step))
        ]


def make_plan(
    table: Table,
    *,
    images: Path | str,
    encoder: Encoder,
    settings: ExtractSettings,
    for_run: bool = False,
) -> Plan:
    """Check the settings against the table and fix batches and provenance; `for_run` as in `Plan`.

    Raises `ConfigError` for an unknown choice, and `ExtractError` for a setting out of range, a
    folder or address of images that cannot be read, and a table without any modality to encode.
    """
    for name in ("dtype", "decode", "on_bad_image", "long_captions", "joint_pool"):
        flag, choices = f"--{name.replace('_', '-')}", choices_of(ExtractSettings, name)
        check_choice(flag, getattr(settings, name), choices)
    for name, value, least in (
        ("--batch-size", settings.batch_size, 0),
        ("--shard-rows", settings.shard_rows, 1),
        ("--rows-per-file", settings.rows_per_file, 0),
        ("--max-pixels", settings.max_pixels, 1),
        ("--actors", settings.actors, 0),
    ):
        if value < least:
            raise ExtractError(
                f"{name} is at least {least}", f"it is {value}", "use a larger value"
            )
    check_range("--workers", settings.workers, -1, MOST_WORKERS)
    modalities = _modalities(table, encoder, settings)
    source = open_images(images)
    if takes(PICTURE, modalities):
        can_do_without = "text" in encoder.dims and not for_run
        source.check(f"{NAME_IT}, or use --modalities text" if can_do_without else NAME_IT)
    batch_sizes = {name: settings.batch_size or size for name, size in encoder.batch_sizes.items()}
    return Plan(
        table=table,
        images=source,
        settings=settings,
        modalities=modalities,
        batch_sizes=batch_sizes,
        first={
            modality: first_rows(inputs_of(modality, table.image_paths, table.captions))
            for modality in modalities
        },
        provenance={
            "schema": SCHEMA,
            **machinery(encoder, settings),
            "modalities": list(modalities),
            "dtype": settings.dtype,
            "batch": batch_sizes,
            "shard_rows": settings.shard_rows,
            **({"rows_per_file": settings.rows_per_file} if settings.rows_per_file else {}),
            "table": table.format.to_json(),
            "table_sha256": table.sha256,
            "n_rows": table.n_rows,
        },
        for_run=for_run,
    )


def blank_modalities(table: Table, modalities: Sequence[str]) -> tuple[str, ...]:
    """Those of `modalities` that no row of the table has all the needs of."""
    texts = {PICTURE: table.image_paths, CAPTION: table.captions or ()}

    def is_blank(modality: str) -> bool:
        needed = [texts[part] for part in NEEDS[modality]]
        return not any(all(map(str.strip, row)) for row in zip(*needed, strict=False))

    return tuple(filter(is_blank, modalities))


def inputs_of(
    modality: str, image_paths: Sequence[str], captions: Sequence[str] | None
) -> Sequence[str]:
    """What is encoded of each row, as one text: a path, a caption, or both with NUL between."""
    texts = {PICTURE: image_paths, CAPTION: captions or ()}
    first, *others = (texts[part] for part in NEEDS[modality])
    return [BETWEEN.join(row) for row in zip(first, *others, strict=True)] if others else first


def columns_of(
    inputs: Sequence[str], modality: str
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The pictures and the captions of `inputs_of`; blank paths, or None, where it needs none."""
    rows = [text.split(BETWEEN) for text in inputs]
    found = {part: tuple(row[i] for row in rows) for i, part in enumerate(NEEDS[modality])}
    return found.get(PICTURE, ("",) * len(inputs)), found.get(CAPTION)


def machinery(encoder: Encoder, settings: ExtractSettings) -> dict[str, Any]:
    """The part of the provenance that may differ from machine to machine."""
    in_windows = settings.long_captions == "windows" and "text" in encoder.dims
    return {
        "encoder": encoder.provenance | ({"long_captions": "windows"} if in_windows else {}),
        "decoder": {
            "name": "pillow",
            "version": PIL.__version__,
            "libjpeg": features.version("libjpeg_turbo") or features.version("jpg"),
            "mode": settings.decode,
            "max_pixels": settings.max_pixels,
        },
        "libraries": {name: importlib.metadata.version(name) for name in ("numpy", "h5py")},
    }


def asked_modalities(encoder: Encoder, settings: ExtractSettings) -> tuple[str, ...]:
    """What is to be encoded of rows that have it; raise `EncoderError` for what it lacks."""
    asked = settings.modalities
    for name in asked:
        check_choice("--modalities", name, (*MODALITIES, ALL))
        if name not in (*encoder.dims, ALL):
            raise encoder.lacks(name)
    return tuple(m for m in MODALITIES if m in (encoder.dims if ALL in asked else asked))


def _modalities(table: Table, encoder: Encoder, settings: ExtractSettings) -> tuple[str, ...]:
    asked = asked_modalities(encoder, settings)
    kept = tuple(m for m in asked if CAPTION not in NEEDS[m] or table.captions is not None)
    if not kept:
        otherwise = ", or use --modalities image" if "image" in encoder.dims else ""
        raise ExtractError(
            "an extraction needs a modality to encode",
            f"{table.source} has no caption column and --modalities is"
            f" {','.join(settings.modalities)!r}",
            f"name the column with --text-col{otherwise}",
        )
    return kept


def rows_of(table: Table) -> Rows:
    """What a store keeps of a table."""
    return Rows(
        ids=table.ids,
        image_paths=table.image_paths,
        captions=table.captions,
        targets=table.targets,
        labels=table.labels,
        groups=table.groups,
        folds=table.folds,
        times=table.times,
    )
