"""What an extraction would take: rows, what is reused, minutes and bytes. Nothing is written."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np

from mmfeat.core.checks import check_arguments
from mmfeat.core.memory import duration_of, size_of
from mmfeat.extract.encoders.base import Encoder
from mmfeat.extract.engines.base import load_encoder_for
from mmfeat.extract.engines.shard import decode_task
from mmfeat.extract.images.decoding import Decoder
from mmfeat.extract.job import read_job
from mmfeat.extract.options import ExtractOptions
from mmfeat.extract.plan import Plan, make_plan
from mmfeat.extract.rows.encode import encode_rows, image_names
from mmfeat.extract.run import check_pictures, find_matches, parts_folder
from mmfeat.extract.updates.changes import match_none, matches_elsewhere
from mmfeat.extract.updates.missing import n_rows_done
from mmfeat.extract.updates.update import parts_of
from mmfeat.types import IntArray

ENOUGH = 1.0  # seconds of encoding that are measured, of each modality
FIRST = 2  # rows that are encoded before, when nothing is warm yet


@dataclass(frozen=True, kw_only=True)
class Modality:
    """Of one modality: rows, how many of them are to be encoded, and the seconds expected."""

    n_rows: int
    n_new: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class ExtractForecast:
    """What the extraction of one table would take on this machine.

    Attributes
    ----------
    store
        Where it would be.
    n_rows
        Of the table.
    modalities
        By their names; rows with the same picture or caption are encoded once.
    n_done
        Rows in shards of an interrupted extraction.
    n_bytes
        Of the embeddings.
    device
        That encodes.
    """

    store: Path
    n_rows: int
    modalities: dict[str, Modality]
    n_done: int
    n_bytes: int
    device: str

    @property
    def seconds(self) -> float:
        """Expected, of all modalities one after another."""
        return sum(each.seconds for each in self.modalities.values())

    def __str__(self) -> str:
        lines = [f"{self.store}: {self.n_rows:,} rows, {size_of(self.n_bytes)} of embeddings"]
        for name, each in self.modalities.items():
            told = f"{each.n_new:,} to encode, {duration_of(each.seconds)}"
            reused = f"{each.n_rows - each.n_new:,} rows are reused, or equal others"
            lines.append(f"  {name}: {told if each.n_new else 'none to encode'}; {reused}")
        if self.n_done:
            lines.append(f"  {self.n_done:,} rows are done in shards, and taken from them")
        if self.seconds:
            told = f"about {duration_of(self.seconds)} on this machine ({self.device})"
            lines.append(f"  in all {told}, by what one second showed")
        return "\n".join(lines)


@check_arguments
def forecast_extract(
    table: Path | str | None = None,
    *,
    split: str | None = None,
    features: str | None = None,
    out: Path | str | None = None,
    retry_failed: bool = False,
    reuse: Path | str | None = None,
    workspace: Path | str | None = None,
    **options: Unpack[ExtractOptions],
) -> dict[str, ExtractForecast]:
    """What `mmfeat.extract` would take with these arguments; nothing is written.

    The encoder is loaded, and runs for about a second for each modality, in this process. Errors
    as in `mmfeat.extract`.
    """
    job = read_job(table, options, split=split, features=features, out=out, workspace=workspace)
    found = {}
    for feature_set, settings in job.sets.items():
        encoder = load_encoder_for(settings)
        for name, rows in job.tables.items():
            plan = make_plan(rows, images=job.data.images, encoder=encoder, settings=settings)
            store = job.store(name, feature_set)
            reused = job.find(reuse, feature_set)
            forecast = _forecast(plan, encoder, store, retry_failed=retry_failed, reuse=reused)
            found[f"{feature_set}/{name}" if job.encoding.models else name] = forecast
    return found


def _forecast(
    plan: Plan, encoder: Encoder, store: Path, *, retry_failed: bool, reuse: Path | None
) -> ExtractForecast:
    matches = find_matches(plan, store, retry_failed=retry_failed)
    n_done = n_rows_done(plan, parts_folder(store)) if matches is None else 0
    if matches is None:
        check_pictures(plan)
        matches = match_none(plan) if reuse is None else matches_elsewhere(plan, reuse)
    share = 1 - n_done / plan.table.n_rows
    new = {modality: part for modality, (_, part) in parts_of(plan, store, matches).items()}
    modalities = {}
    for modality in plan.modalities:
        rows = np.unique(new[modality].first[modality]) if modality in new else np.arange(0)
        seconds = _seconds_per_row(new[modality], encoder, rows) if len(rows) else 0.0
        modalities[modality] = Modality(
            n_rows=plan.table.n_rows,
            n_new=round(share * len(rows)),
            seconds=share * seconds * len(rows),
        )
    width = sum(encoder.dims[modality] for modality in plan.modalities)
    return ExtractForecast(
        store=store,
        n_rows=plan.table.n_rows,
        modalities=modalities,
        n_done=n_done,
        n_bytes=plan.table.n_rows * width * np.dtype(plan.settings.dtype).itemsize,
        device=str(plan.provenance["encoder"].get("device", plan.settings.device)),
    )


def _seconds_per_row(plan: Plan, encoder: Encoder, rows: IntArray) -> float:
    """Encode rows of one modality, spread over the table, for about `ENOUGH` seconds."""
    (size,) = (plan.batch_sizes[modality] for modality in plan.modalities)
    spread = np.random.default_rng(0).permutation(rows)
    first, others = np.sort(spread[:FIRST]), spread[FIRST:]
    chunks = [np.sort(others[start : start + size]) for start in range(0, len(others), size)]
    names = [name for chunk in (first, *chunks) for name in image_names(plan, chunk, since=0)]
    with Decoder(decode_task(plan, encoder), workers=plan.settings.workers if names else 0) as d:
        decoded = d.decode(names)

        def encode(rows: IntArray) -> None:
            encode_rows(
                plan, encoder, rows, since=0, decoded=decoded, advance=lambda modality, n: None
            )

        started, n_rows = time.perf_counter(), len(first)
        encode(first)
        if chunks:
            started, n_rows = time.perf_counter(), 0
        for chunk in chunks:
            encode(chunk)
            n_rows += len(chunk)
            if time.perf_counter() - started >= ENOUGH:
                break
        return (time.perf_counter() - started) / n_rows
