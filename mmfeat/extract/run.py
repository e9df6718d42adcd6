"""Stage one, from a table to a store: plan, make missing shards, merge, summarise."""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mmfeat.config import ExtractSettings
from mmfeat.errors import DamagedStoreError
from mmfeat.extract.encoders.base import Encoder
from mmfeat.extract.engines.base import engine_name
from mmfeat.extract.engines.carry_out import Extraction, carry_out
from mmfeat.extract.engines.shared import fetch_shards, remove_shards, share
from mmfeat.extract.engines.torchrun import help_with, is_helper
from mmfeat.extract.images.missing import check_present, near_hints
from mmfeat.extract.lock import sole_writer
from mmfeat.extract.plan import Plan, asked_modalities, make_plan, rows_of
from mmfeat.extract.prompts import LabelPrompts, add_prompts
from mmfeat.extract.repeats import Repeats
from mmfeat.extract.summary import CheckedRows, ExtractSummary, summarise
from mmfeat.extract.updates.changes import (
    Matches,
    check_kept,
    check_pool,
    is_current,
    match_none,
    match_rows,
    matches_elsewhere,
    note_place,
)
from mmfeat.extract.updates.missing import Progress, find_missing
from mmfeat.extract.updates.update import parts_of, update
from mmfeat.store.cost import Cost, copy_cost, write_cost
from mmfeat.store.layout import Status
from mmfeat.store.parts import find_store
from mmfeat.store.reader import FeatureStore
from mmfeat.store.shards import check_same, merge_shards, without_table
from mmfeat.store.writer import Fill
from mmfeat.tables import read_prompts
from mmfeat.tables.parts import with_first_parts
from mmfeat.tables.table import Table

log = logging.getLogger(__name__)


def extract_table(
    table: Table,
    *,
    images: Path | str,
    encoder: Encoder,
    out: Path,
    settings: ExtractSettings,
    retry_failed: bool = False,
    for_run: bool = False,
    reuse: Path | None = None,
    progress: Progress | None = None,
) -> ExtractSummary:
    """Encode the images and captions of `table` into the store `out`, or resume.

    `images` is a folder, or an address of fsspec such as ``s3://bucket/photographs``.
    Killed at any moment and called again, it writes the same bytes as an uninterrupted call. A
    store of another table, of other columns or of other pictures is brought up to date, in which
    only what is new is encoded (see `mmfeat.extract.updates.update`); a damaged one is made again.
    With `retry_failed`, images that failed before are tried again. Label prompts replace those of
    the store; without them, it keeps those that it has as long as its labels stay. `for_run` as in
    `Plan`. Where there is no store yet, rows of the store `reuse` with the same pictures or
    captions are not encoded again.

    Raises `StoreError` if `out`, its shards or `reuse` were made with other settings (naming the
    field), and `ExtractError` for wrong settings, an unreadable folder or another running
    extraction.
    """
    extraction = begin_extraction(
        table,
        images=images,
        encoder=encoder,
        out=out,
        settings=settings,
        retry_failed=retry_failed,
        for_run=for_run,
        reuse=reuse,
        progress=progress,
    )
    (summary,) = carry_out([extraction])
    return summary


def begin_extraction(
    table: Table,
    *,
    images: Path | str,
    encoder: Encoder,
    out: Path,
    settings: ExtractSettings,
    retry_failed: bool = False,
    for_run: bool = False,
    reuse: Path | None = None,
    progress: Progress | None = None,
) -> Extraction[ExtractSummary]:
    """`extract_table` up to the shards that it needs, for `carry_out`."""
    engine_name(settings.engine)
    plan = make_plan(table, images=images, encoder=encoder, settings=settings, for_run=for_run)
    plan = share(plan, out)
    prompts: LabelPrompts = ()
    if settings.label_prompts is not None and table.targets is not None:
        if "text" in encoder.dims:
            prompts = read_prompts(Path(settings.label_prompts), labels=table.labels)
        else:
            name = encoder.provenance["name"]
            log.warning("%s gives no text: label prompts are left out", name)
    if set(asked_modalities(encoder, settings)) > set(plan.modalities):
        told = " and ".join(plan.modalities)
        log.warning("%s has no caption column; only %s vectors are made", table.source, told)
    with sole_writer(out):
        complete = yield from _bring_up_to_date(
            plan, encoder, out, progress, retry_failed=retry_failed, reuse=reuse
        )
        shutil.rmtree(parts_folder(out), ignore_errors=True)
        remove_shards(plan)
        note_place(plan, out)
        if prompts:
            add_prompts(prompts, encoder=encoder, table=table, out=out)
    summary = summarise(out, already_complete=complete, notes=table.notes)
    return replace(summary, hints=_hints(plan, summary))


def _hints(plan: Plan, summary: ExtractSummary) -> tuple[str, ...]:
    """What may help with images that failed."""
    failed = [row for row in summary.failed if row.modality in plan.of_pictures]
    missing = sorted({row.row for row in failed if row.status == Status.MISSING})
    hints = near_hints(with_first_parts(plan.table), plan.images, missing)
    if summary.already_complete and failed and not plan.for_run:
        return (*hints, "--retry-failed tries failed images again")
    return hints


def is_helping(settings: ExtractSettings) -> bool:
    """Whether torchrun started this process to help the one that extracts: see `help_extract`."""
    return engine_name(settings.engine) == "torchrun" and is_helper()


def help_extract(
    table: Table, *, images: Path | str, encoder: Encoder, out: Path, settings: ExtractSettings
) -> None:
    """Make shards for the process that extracts `table` into `out`; see `engines.torchrun`.

    Returns when other processes make all remaining shards. Errors as in `extract_table`.
    """
    plan = share(make_plan(table, images=images, encoder=encoder, settings=settings), out)
    if find_store(out) is None and not _has_parts(plan):
        help_with(plan, encoder, parts_folder(out), out)
    elif find_store(out) is None:
        for path, part in parts_of(plan, out, match_none(plan)).values():
            help_with(share(part, path), encoder, parts_folder(path), path, out)


def _bring_up_to_date(
    plan: Plan,
    encoder: Encoder,
    out: Path,
    progress: Progress | None,
    *,
    retry_failed: bool,
    reuse: Path | None,
) -> Extraction[bool]:
    """Make the store, or what is missing of it; return whether it was complete."""
    old, matches = out, find_matches(plan, out, retry_failed=retry_failed)
    if reuse is not None and matches is None:
        old, matches = reuse, matches_elsewhere(plan, reuse)
    elif reuse is not None:
        log.info("%s is there: it is brought up to date without --reuse", out)
    is_new = matches is None
    if matches is None:
        check_pictures(plan)
        if not _has_parts(plan):
            yield from _extract(plan, encoder, out, progress)
            return False
        matches = match_none(plan)
    elif not matches:
        return True
    else:
        rows = [f"{(to < 0).sum():,} of {len(to):,} {name} rows" for name, to in matches.items()]
        doing = f"updating {out}" if old == out else f"reusing {old}"
        log.info("%s: %s are new", doing, " and ".join(rows))

    parts = parts_of(plan, out, matches)
    seconds: list[float | None] = []
    for path, part in parts.values():
        took = None
        if not _is_made(part, path):
            took = yield from _extract(share(part, path), encoder, path, progress, is_part=True)
        seconds.append(took)
    update(plan, out, matches, parts, old=None if is_new else old)
    if is_new and None not in seconds:
        write_cost(out, _cost(plan, plan.table.n_rows, sum(filter(None, seconds))), plan.provenance)
    if old != out:
        copy_cost(old, out, plan.provenance)
    return False


def _has_parts(plan: Plan) -> bool:
    """Whether rows are made up of several parts, which are extracted into stores of their own."""
    return any(map(plan.is_several, plan.modalities))


def check_pictures(plan: Plan) -> None:
    """Raise `ExtractError` where most pictures are missing, unless that was allowed."""
    if plan.of_pictures and plan.settings.on_bad_image == "record":
        check_present(with_first_parts(plan.table), plan.images, for_run=plan.for_run)


def _is_made(part: Plan, path: Path) -> bool:
    """Whether an update that was interrupted has left a store of a part."""
    if find_store(path) is None:
        return False
    with FeatureStore.open(path, strict=False) as store:
        return store.provenance == part.provenance and not store.check()


def find_matches(plan: Plan, out: Path, *, retry_failed: bool) -> Matches | None:
    """Find what the store at `out` has of the plan; empty: all of it. None: no sound store.

    Raises `StoreError` where an encoder, or a setting that changes numbers, is another.
    """
    if find_store(out) is None:
        return None
    try:
        with FeatureStore.open(out) as store:
            if set(store.modalities) <= set(plan.modalities):
                check_same(without_table(store.provenance), without_table(plan.provenance), out)
            else:  # what it has and is not asked for would be lost
                check_same(store.provenance, plan.provenance, out)
            check_pool(plan, store)
            store.check()
            matches = match_rows(plan, store)
            check_kept(plan, store, matches)
            failed = any((store.status(m) != Status.OK).any() for m in store.modalities)
            failed |= "failed_parts" in store
            current = is_current(plan, store, matches) and not (retry_failed and failed)
            return {} if current else matches
    except DamagedStoreError as error:
        log.warning("%s; it is rebuilt", error)
        return None


def _extract(
    plan: Plan, encoder: Encoder, out: Path, progress: Progress | None, *, is_part: bool = False
) -> Extraction[float | None]:
    """Make a store; of a part of one, any number of rows may fail.

    Returns the seconds of encoding all of its rows; None where some were encoded before.
    """
    fill: Fill = Repeats(first=plan.first)
    if not is_part:
        fill = CheckedRows(plan=plan, fill=fill)
    parts = parts_folder(out)
    parts.mkdir(exist_ok=True)
    try:
        fetch_shards(plan, parts)
        work = find_missing(plan, encoder, parts, progress)
        seconds = yield work
    except BaseException:
        with suppress(OSError):  # shards are kept
            parts.rmdir()
        raise
    merge_shards(
        [shard.path(parts) for shard in plan.shards],
        out,
        rows=rows_of(plan.table),
        widths={modality: encoder.dims[modality] for modality in plan.modalities},
        dtype=plan.settings.dtype,
        provenance=plan.provenance,
        fill=fill,
    )
    if not is_part and work.n_rows:
        write_cost(out, _cost(plan, work.n_rows, seconds), plan.provenance)
    if is_part:
        shutil.rmtree(parts, ignore_errors=True)
        remove_shards(plan)
    return seconds if work.n_rows == plan.table.n_rows else None


def _cost(plan: Plan, n_rows: int, seconds: float) -> Cost:
    return Cost(
        rows=n_rows,
        seconds=round(seconds, 3),
        device=str(plan.provenance["encoder"].get("device", "unknown")),
        engine=engine_name(plan.settings.engine),
    )


def parts_folder(out: Path) -> Path:
    """The folder of the shards of a store that is being made."""
    return out.with_name(f"{out.name}.parts")
