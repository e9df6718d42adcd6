"""Images that are not there: how many of a sample, before anything is encoded, and why."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmfeat.errors import ExtractError
from mmfeat.extract.guard import is_there, refuse_name
from mmfeat.extract.images.nearby import Near, find_near
from mmfeat.extract.images.sources import Images, ImagesIn
from mmfeat.tables.table import Table

LOOKED_FOR = 1000  # rows whose image is looked for before anything is encoded
EXPLAINED = 3  # missing images for which files with nearly that name are looked up
LARGER_SHARE = 0.6  # of a sample: half of all is then hardly possible
ALLOW = (
    "correct the names in the table or the folder (--images); where images are meant to be"
    " missing, use --on-bad-image allow"
)


def check_present(table: Table, images: Images, *, for_run: bool) -> None:
    """Raise `ExtractError` where more than half of the images are not there.

    `for_run` as in `mmfeat.extract.plan.Plan`: then a table may name none.
    Of a large table a sample is looked for; of images at an address, only names that no file can
    have are noticed. Rows without the name of an image do not count.
    """
    named = [row for row, path in enumerate(table.image_paths) if path.strip()]
    if not named and table.n_rows > 1 and not for_run:
        raise _nothing_named(table)
    at = np.unique(np.linspace(0, len(named) - 1, min(LOOKED_FOR, len(named))).astype(int))
    missing = [named[i] for i in at if _is_absent(images, table.image_paths[named[i]])]
    share = 0.5 if len(at) == len(named) else LARGER_SHARE
    if len(missing) > share * len(at):
        seen = f"{len(missing)} of {len(at)}" + (" that were checked" * (len(at) < len(named)))
        raise too_many_missing(table, images, missing, seen, for_run=for_run)


def allow_missing(*, for_run: bool) -> str:
    """The remedy where images are missing that are meant to be."""
    return ALLOW if for_run else f"{ALLOW}, or encode captions only with --modalities text"


def too_many_missing(
    table: Table, images: Images, missing: Sequence[int], seen: str, *, for_run: bool
) -> ExtractError:
    """The error about the rows `missing`; `seen` says how many of how many there are."""
    tried = [(row, *_explain(images, table.image_paths[row])) for row in missing[:EXPLAINED]]
    row, reason, near = next((found for found in tried if found[2] is not None), tried[0])
    remedy = allow_missing(for_run=for_run)
    if near is not None:
        use = [f"--images {_short(near.folder)}"] * (near.folder != place_of(images))
        if suffix := _lacked(table.image_paths[row], near.file):
            use.append(f"--image-suffix {suffix}")
        remedy = f"use {' and '.join(use)}, or {remedy}" if use else remedy
    if table.targets is None and not for_run:
        away = f"`mmfeat predict --table {shlex.quote(table.source)} --images FOLDER`"
        remedy += f"; if they are in another folder, label them with {away}"
    return ExtractError(
        "at least half of the images must exist",
        f"{seen} images of {table.source} are missing in {images}, e.g. that of row {row},"
        f" '{table.image_paths[row]}': {reason}",
        remedy,
    )


def near_hints(table: Table, images: Images, rows: Sequence[int]) -> tuple[str, ...]:
    """A hint about each of the first of `rows` whose image is there under nearly its name."""
    found = [(row, *_explain(images, table.image_paths[row])) for row in rows[:EXPLAINED]]
    return tuple(f"row {row}: {reason}" for row, reason, near in found if near is not None)


def _explain(images: Images, name: str) -> tuple[str, Near | None]:
    """Why an image is missing, and the file that is nearly named so."""
    folder = place_of(images)
    near = None if folder is None else find_near(folder, name)
    refusal = refuse_name(name, folder)
    if refusal is not None:
        reason = refusal.reason
    else:
        reason = near.why if near is not None and near.why else "there is no such file"
    if near is not None:
        reason = f"{reason} ({_short(near.folder / near.file)} is there)"
    return reason, near


def _lacked(name: str, file: str) -> str:
    """The ending that a name needs to be that of a file; empty where more differs."""
    return file.removeprefix(name) if file.startswith(f"{name}.") else ""


def place_of(images: Images) -> Path | None:
    """The folder of images of this machine; None for an address."""
    return images.folder if isinstance(images, ImagesIn) else None


def _short(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path != here and path.is_relative_to(here) else path


def _is_absent(images: Images, name: str) -> bool:
    folder = place_of(images)
    return refuse_name(name) is not None if folder is None else not is_there(folder, name)


def _nothing_named(table: Table) -> ExtractError:
    return ExtractError(
        "a table must name its images",
        f"no row of {table.source} names an image",
        "name their column with --image-col, or use --modalities text",
    )
