"""What of a store is still that of a table and its pictures.

Captions are matched by their text and pictures by path. A picture is the same if its file is older
than the store and lies where the store's pictures lay; if not, its bytes must have the digest that
the store keeps. A picture whose path is new is looked for by its digest, so that a renamed one is
known. A store contains no times, because the same input must give the same bytes; the file that
holds it has one, and an image with a later one may have changed. A shard of an interrupted
extraction is made again then, which takes time but is never wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmfeat.core.files import write_text
from mmfeat.errors import StoreError
from mmfeat.extract.guard import Refusal
from mmfeat.extract.plan import Plan
from mmfeat.store.layout import DIGEST_BYTES, Status
from mmfeat.store.reader import FeatureStore
from mmfeat.store.shards import check_same, without_table
from mmfeat.types import BoolArray, IntArray

DIGESTS = "image/digests"
FILES_AT_ONCE = 64  # that are read to compare them
KEPT = 0.5  # of the embeddings of a store, that an update keeps at least

Matches = dict[str, IntArray]  # per modality (n,): the row of the store with the same input, or -1


def match_rows(plan: Plan, store: FeatureStore) -> Matches:
    """Find for every row of the plan the row of a store that has its embeddings already."""
    return {
        modality: np.full(plan.table.n_rows, -1)
        if modality not in store.modalities
        else _match_pictures(plan, store)
        if modality == "image"
        else _match_captions(plan, store)
        for modality in plan.modalities
    }


def matches_elsewhere(plan: Plan, reused: Path) -> Matches:
    """As `match_rows`, in the store of another table.

    Raises `StoreError` where it is missing or damaged, or was made otherwise than the plan.
    """
    with FeatureStore.open(reused) as store:
        check_same(
            without_table(store.provenance),
            without_table(plan.provenance),
            reused,
            doing="reused",
            remedy="leave out --reuse",
        )
        if differing := store.check():
            raise StoreError(
                "a store that is reused must be whole",
                f"{', '.join(differing)} of {reused} is not what was written",
                f"make it again, or leave out --reuse; see `mmfeat verify {reused}`",
            )
        return match_rows(plan, store)


def is_current(plan: Plan, store: FeatureStore, matches: Matches) -> bool:
    """Whether nothing is to be done: the same table and pictures, and none that was missing."""
    told = {name: value for name, value in store.provenance.items() if name != "prompts"}
    if told != plan.provenance:
        return False
    for modality, rows in matches.items():
        status = store.status(modality)
        if ((rows < 0) & (status == Status.OK)).any():
            return False
        if modality == "image" and mended_rows(plan, status, store.last_written, start=0):
            return False
    return True


def check_kept(plan: Plan, store: FeatureStore, matches: Matches) -> None:
    """Raise `StoreError` where a store would lose most of its embeddings, as by a mistake."""
    for modality in store.modalities:
        n_stored = int((store.status(modality) == Status.OK).sum())
        n_kept = len(np.unique(matches[modality][matches[modality] >= 0]))
        n_distinct = len(set(inputs_of(modality, store.image_paths, store.captions)))
        if n_kept < KEPT * min(n_stored, n_distinct):
            raise StoreError(
                "a store can only be updated with a table that has most of its rows and pictures",
                f"of {n_stored} {modality} embeddings of {store.path}, {n_kept} are of"
                f" {plan.table.source} with the images of {plan.images}",
                "choose another --split or --features, check --images, or remove the store",
            )


def _match_captions(plan: Plan, store: FeatureStore) -> IntArray:
    status = store.status("text")
    usable = (status == Status.OK) | (status == Status.EMPTY)
    return _rows_of(plan.table.captions or (), store.captions or (), usable)


def _match_pictures(plan: Plan, store: FeatureStore) -> IntArray:
    paths = plan.table.image_paths
    rows = _rows_of(paths, store.image_paths, store.status("image") == Status.OK)
    row_of = dict(zip(paths, rows.tolist(), strict=True))
    changed = _changed_pictures(plan, store, {p: row for p, row in row_of.items() if row >= 0})
    if changed:
        rows[np.fromiter((path in changed for path in paths), bool, len(paths))] = -1
    renamed = _renamed_pictures(plan, store, rows)
    if renamed:
        rows = np.fromiter(map(renamed.get, paths, rows), np.int64, len(paths))
    return rows


def _renamed_pictures(plan: Plan, store: FeatureStore, rows: IntArray) -> dict[str, int]:
    """The rows of the store with the content of pictures that have no row by their path."""
    left = store.status("image") == Status.OK
    left[rows[rows >= 0]] = False
    new = list(dict.fromkeys(compress(plan.table.image_paths, rows < 0)))
    if DIGESTS not in store or not left.any() or not new:
        return {}
    digests = store.numbers(DIGESTS)
    row_of = {digests[row].tobytes(): row for row in np.flatnonzero(left)[::-1].tolist()}
    found = ((path, row_of.get(digest)) for path, digest in _digests_of(plan, new))
    return {path: row for path, row in found if row is not None}


def _rows_of(texts: Sequence[str], stored: Sequence[str], usable: BoolArray) -> IntArray:
    """The first usable row of the store with each text, (n,); -1 where there is none."""
    first: dict[str, int] = {}
    for row, text in compress(enumerate(stored), usable):
        first.setdefault(text, row)
    return np.fromiter((first.get(text, -1) for text in texts), np.int64, len(texts))


def _changed_pictures(plan: Plan, store: FeatureStore, row_of: Mapping[str, int]) -> set[str]:
    """The paths whose files are not those of the store any more."""
    written = store.last_written.stat().st_mtime_ns
    is_same_place = _place_file(store.path).is_file() and _place_file(store.path).read_text(
        encoding="utf-8", errors="replace"
    ) == str(plan.images)
    doubtful = [path for path in row_of if not is_same_place or plan.images.written(path) > written]
    if not doubtful:
        return set()
    digests = store.numbers(DIGESTS) if DIGESTS in store else None
    if digests is None:
        return set(doubtful)
    return {
        path
        for path, digest in _digests_of(plan, doubtful)
        if digest != digests[row_of[path]].tobytes()
    }


def _digests_of(plan: Plan, paths: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
    """The digest of each picture as stores keep it; None where it cannot be read."""
    for start in range(0, len(paths), FILES_AT_ONCE):
        part = paths[start : start + FILES_AT_ONCE]
        for path, content in zip(part, plan.images.read(part), strict=True):
            if isinstance(content, Refusal):
                yield path, None
            else:
                yield path, hashlib.sha256(content).digest()[:DIGEST_BYTES]


def note_place(plan: Plan, out: Path) -> None:
    """Note beside a store, which knows nothing of machines, where its pictures lie."""
    if "image" in plan.modalities:
        path = _place_file(out)
        if not path.is_file() or path.read_text(encoding="utf-8") != str(plan.images):
            write_text(path, str(plan.images))


def _place_file(out: Path) -> Path:
    return out.with_name(f".{out.stem}.images")


def inputs_of(
    modality: str, image_paths: Sequence[str], captions: Sequence[str] | None
) -> Sequence[str]:
    """What is encoded of each row."""
    return image_paths if modality == "image" else captions or ()


def changed_rows(plan: Plan, status: NDArray[np.uint8], holder: Path, *, start: int) -> list[int]:
    """Rows from `start` whose image is ok in the file `holder` but newer than that file.

    `status` has the rows of `holder`. Reads the file's metadata once per image; changes of images
    at an address are not detected.
    """
    written = holder.stat().st_mtime_ns
    rows = (start + np.flatnonzero(status == Status.OK)).tolist()
    paths = plan.table.image_paths
    first = {paths[row]: row for row in reversed(rows)}
    return sorted(row for path, row in first.items() if plan.images.written(path) > written)


def mended_rows(plan: Plan, status: NDArray[np.uint8], holder: Path, *, start: int) -> list[int]:
    """Rows from `start` on whose picture failed in `holder` and was put there or changed since."""
    written = dict.fromkeys((start + np.flatnonzero(status == Status.MISSING)).tolist(), 0)
    for code in (Status.CORRUPT, Status.TOO_LARGE, Status.REFUSED):
        rows = (start + np.flatnonzero(status == code)).tolist()
        written |= dict.fromkeys(rows, holder.stat().st_mtime_ns)
    paths = plan.table.image_paths
    return sorted(row for row, then in written.items() if plan.images.written(paths[row]) > then)
