"""Extractions of the toy table, also interrupted ones."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmfeat.config import ExtractSettings
from mmfeat.extract import ExtractSummary, extract_table
from mmfeat.extract.encoders.base import Pixels
from mmfeat.tables.table import Table
from mmfeat.types import FloatArray
from tests.support.stage_one.toy import SETTINGS, ToyEncoder, make_table

FORK = multiprocessing.get_context("fork")  # the child starts at once, with everything loaded


def extract_from(
    table: Table,
    images: Path | str,
    out: Path,
    *,
    encoder: ToyEncoder | None = None,
    settings: ExtractSettings = SETTINGS,
    retry_failed: bool = False,
) -> ExtractSummary:
    """Extract `table` with images from a folder or an address."""
    return extract_table(
        table,
        images=images,
        encoder=encoder or ToyEncoder(),
        out=out,
        settings=settings,
        retry_failed=retry_failed,
    )


def extract(table: Table, folder: Path, out: Path, **options: Any) -> ExtractSummary:
    """Extract `table` with images from `folder`/images."""
    return extract_from(table, folder / "images", out, **options)


def repeating_table(folder: Path) -> Table:
    """20 rows of 5 captions (one empty, one cut) and 7 pictures (one missing)."""
    table = make_table(folder, n_rows=20)
    (folder / "images" / "6.jpg").unlink()
    return replace(table, image_paths=tuple(f"{row % 7}.jpg" for row in range(20)))


class InterruptedEncoder(ToyEncoder):
    """Raises Ctrl-C's exception when it is to encode the image after `n_images`."""

    def __init__(self, n_images: int) -> None:
        super().__init__()
        self._limit = n_images

    def encode_images(self, pixels: Pixels) -> FloatArray:
        if self.n_images + len(pixels) > self._limit:
            raise KeyboardInterrupt
        return super().encode_images(pixels)


def interrupt_after(table: Table, folder: Path, out: Path, *, n_images: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        extract(table, folder, out, encoder=InterruptedEncoder(n_images))


def begin(folder: Path, *, finished: bool) -> Table:
    """Make a table, and its store or the first shards of it."""
    table = make_table(folder)
    if finished:
        extract(table, folder, folder / "a.h5")
    else:
        interrupt_after(table, folder, folder / "a.h5", n_images=9)
        assert (folder / "a.h5.parts" / "00000.h5").exists()
    return table
