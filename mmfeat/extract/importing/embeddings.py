"""Import existing embeddings: a store whose rows are those of the table.

A source is `.npy`, `.npz`, `.pt` (tensors only), `.parquet` (a column of lists), or the folder that
clip-retrieval writes (`img_emb/*.npy`, `text_emb/*.npy`, `metadata/*.parquet`). Rows with ids are
joined by id; without ids, the source must have as many rows as the table.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmfeat.config import is_utf8
from mmfeat.errors import ConfigError, DamagedStoreError, ExtractError, counted
from mmfeat.extract.importing.arrays import NamedArray, read_array
from mmfeat.extract.importing.matching import match_rows
from mmfeat.extract.lock import sole_writer
from mmfeat.extract.plan import rows_of
from mmfeat.extract.summary import ExtractSummary, summarise
from mmfeat.store.layout import (
    BLOCK_ROWS,
    SCHEMA,
    Block,
    FailedRow,
    Status,
    check_modality,
    in_order,
)
from mmfeat.store.parts import find_store
from mmfeat.store.prompts import Prompts
from mmfeat.store.reader import FeatureStore
from mmfeat.store.shards import check_same, without_table
from mmfeat.store.writer import write_store
from mmfeat.tables.table import Table
from mmfeat.types import Embeddings

log = logging.getLogger(__name__)


def store_embeddings(
    table: Table,
    sources: Mapping[str, Path],
    *,
    out: Path,
    encoder_name: str,
    prompts: Path | None = None,
    rows_per_file: int = 0,
) -> ExtractSummary:
    """Write the store `out` from embeddings of each modality, one row per row of `table`.

    `sources` has a file or folder per modality, see `read_array`. A row with a value that is not
    finite, or that the source lacks, is NaN with the status ``missing``. Numbers are kept as
    float16 where all sources have float16, else as float32.
    `prompts` has one row per label, in the order of `table.labels` or with the labels as ids.
    With `rows_per_file` the store is one of many files (see `mmfeat.store.parts`).
    Raises `ExtractError` where a source cannot be read or does not fit the table, and
    `StoreError` for a name that no modality can have.
    """
    if not sources:
        raise ExtractError(
            "import needs the embeddings of a modality",
            "none is given",
            "add --image FILE, --text FILE or --modality NAME=FILE",
        )
    for modality in sources:
        check_modality(modality)
    if not is_utf8(encoder_name):
        raise ConfigError(
            "--encoder-name is UTF-8", f"it is {encoder_name!r}", "use another --encoder-name"
        )
    files = {modality: Path(sources[modality]) for modality in in_order(sources)}
    found = {
        modality: _aligned(read_array(path, modality=modality), table, path, modality=modality)
        for modality, path in files.items()
    }
    arrays = {modality: array for modality, (array, _) in found.items()}
    hints = tuple(hint for _, hint in found.values() if hint)
    half = all(array.dtype == np.float16 for array in arrays.values())
    dtype = "float16" if half else "float32"
    provenance: dict[str, Any] = {
        "schema": SCHEMA,
        "encoder": {
            "name": encoder_name,
            "imported": {m: [array.shape[1], str(array.dtype)] for m, array in arrays.items()},
        },
        "sources_sha256": {m: _sha256(array) for m, array in arrays.items()},
        "modalities": list(arrays),
        "dtype": dtype,
        "table_sha256": table.sha256,
        "table": table.format.to_json(),
        "n_rows": table.n_rows,
        **({"rows_per_file": rows_per_file} if rows_per_file else {}),
    }
    embedded = None if prompts is None else _prompts(prompts, table)
    if embedded is not None:
        provenance["sources_sha256"]["prompts"] = _sha256(embedded.embeddings)
    with sole_writer(out):
        if _is_complete(out, provenance):
            return summarise(out, already_complete=True, notes=table.notes, hints=hints)
        write_store(
            out,
            rows=rows_of(table),
            widths={modality: array.shape[1] for modality, array in arrays.items()},
            dtype=dtype,
            provenance=provenance,
            blocks=_blocks(table, arrays, dtype),
            prompts=embedded,
        )
    return summarise(out, notes=table.notes, hints=hints)


def _is_complete(out: Path, provenance: dict[str, Any]) -> bool:
    """Whether the store is there, sound, and of this table read in this way.

    Raises `StoreError` where it is of other embeddings.
    """
    if find_store(out) is None:
        return False
    try:
        with FeatureStore.open(out) as store:
            check_same(without_table(store.provenance), without_table(provenance), out)
            store.check()
            if store.provenance == provenance:
                return True
    except DamagedStoreError as error:
        log.warning("%s; it is rebuilt", error)
        return False
    log.info("updating %s: its table, or how it is read, has changed", out)
    return False


def _aligned(
    source: NamedArray, table: Table, path: Path, *, modality: str
) -> tuple[Embeddings, str]:
    """Give the rows of a source in the table's order, NaN for those that it lacks; and a hint."""
    values, hint = source.values, ""
    if source.ids is None:
        if len(values) != table.n_rows:
            raise ExtractError(
                "embeddings without ids must have one row per row of the table",
                f"{path} has {len(values)}, {table.source} has {table.n_rows}",
                "import the embeddings of this table, or a source that names its rows",
            )
        aligned = values
    else:
        matching = match_rows(table, source.ids, path, modality=modality)
        aligned = values[matching.rows]
        aligned[matching.rows < 0] = np.nan
        hint = f"{modality}: {matching}"
    if not _has_a_finite_row(aligned):
        raise ExtractError(
            f"at least one row must have its {modality} embedding",
            f"{path} has NaN or infinity in each of {counted(table.n_rows, 'row')}",
            "make the embeddings again, e.g. in another precision",
        )
    return aligned, hint


def _has_a_finite_row(values: Embeddings) -> bool:
    starts = range(0, len(values), BLOCK_ROWS)
    return any(np.isfinite(values[i : i + BLOCK_ROWS]).all(axis=1).any() for i in starts)


def _prompts(path: Path, table: Table) -> Prompts | None:
    """One embedding per label; a table without labels has none."""
    if table.targets is None:
        return None
    source = read_array(path, modality="text")
    named = source.ids is None or set(table.labels) <= set(source.ids)
    if not named or (source.ids is None and len(source.values) != len(table.labels)):
        raise ExtractError(
            "embeddings of prompts must be one per label of the table",
            f"{path} has {len(source.values)},"
            f" {table.source} has {counted(len(table.labels), 'label')}",
            "bring them into the order of the labels, or name their rows",
        )
    at = range(len(table.labels)) if source.ids is None else map(source.ids.index, table.labels)
    values = np.ascontiguousarray(source.values[list(at)])
    if not np.isfinite(values).all():
        raise ExtractError(
            "embeddings of prompts must be finite", f"{path} has NaN or infinity", "write it again"
        )
    return Prompts(labels=table.labels, texts=table.labels, embeddings=values)


def _blocks(table: Table, arrays: dict[str, Embeddings], dtype: str) -> Iterator[Block]:
    for start in range(0, table.n_rows, BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, table.n_rows)
        embeddings, status, failed = {}, {}, []
        for modality, array in arrays.items():
            with np.errstate(over="ignore"):  # a number too large becomes infinite: bad below
                values = np.array(array[start:stop], dtype=dtype)
            bad = ~np.isfinite(values).all(axis=1)
            values[bad] = np.nan
            embeddings[modality] = values
            status[modality] = np.where(bad, Status.MISSING, Status.OK).astype(np.uint8)
            failed += [
                FailedRow(
                    row=start + int(at),
                    modality=modality,
                    status=Status.MISSING,
                    reason="the source has no embedding of this row, or none that is finite here",
                )
                for at in np.flatnonzero(bad)
            ]
        failed.sort(key=FailedRow.place)
        yield Block(embeddings=embeddings, status=status, failed=tuple(failed))


def _sha256(array: Embeddings) -> str:
    digest = hashlib.sha256(f"{array.shape} {array.dtype}".encode())
    for start in range(0, len(array), BLOCK_ROWS):
        digest.update(np.ascontiguousarray(array[start : start + BLOCK_ROWS]).data)
    return digest.hexdigest()
