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
from itertools import compress, repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmfeat.core.files import write_text
from mmfeat.errors import StoreError
from mmfeat.extract.encoders.base import CAPTION, NEEDS, PICTURE
from mmfeat.extract.guard import Refusal
from mmfeat.extract.plan import Plan, inputs_of
from mmfeat.extract.several.parts import BETWEEN, join_digests, separators_of
from mmfeat.store.inspect import read_failed_parts
from mmfeat.store.layout import DIGEST_BYTES, FailedRow, Status
from mmfeat.store.reader import FeatureStore
from mmfeat.store.shards import check_same, without_table
from mmfeat.tables.parts import LIST, split_parts
from mmfeat.tables.table import TableFormat
from mmfeat.types import BoolArray, IntArray

FILES_AT_ONCE = 64  # that are read to compare them
KEPT = 0.5  # of the embeddings of a store, that an update keeps at least

Matches = dict[str, IntArray]  # per modality (n,): the row of the store with the same input, or -1


def match_rows(plan: Plan, store: FeatureStore) -> Matches:
    """Find for every row of the plan the row of a store that has its embeddings already."""
    return {
        modality: rows
        if modality not in store.modalities
        else _match_pictures(plan, store, modality)
        if PICTURE in NEEDS[modality]
        else _match_captions(plan, store)
        for modality, rows in match_none(plan).items()
    }


def match_none(plan: Plan) -> Matches:
    """Say that nothing of the plan has been encoded."""
    return {modality: np.full(plan.table.n_rows, -1) for modality in plan.modalities}


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
        check_pool(plan, store)
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
        if ((rows < 0) & (status == Status.OK) & ~_has_failed_part(store, modality)).any():
            return False
        if PICTURE in NEEDS[modality] and (
            mended_rows(plan, status, store.last_written, start=0)
            or any(_is_mended(plan, part, store) for part in read_failed_parts(store))
        ):
            return False
    return True


def check_pool(plan: Plan, store: FeatureStore) -> None:
    """Raise `StoreError` where rows of several parts were pooled in another way."""
    made = TableFormat.from_json(store.provenance.get("table") or {})
    now = plan.table.format
    if made.pool and now.pool and made.pool != now.pool:
        check_same({"pool": made.pool}, {"pool": now.pool}, store.path)


def check_kept(plan: Plan, store: FeatureStore, matches: Matches) -> None:
    """Raise `StoreError` where a store would lose most of its embeddings, as by a mistake."""
    for modality in store.modalities:
        is_ok = store.status(modality) == Status.OK
        n_stored = int((is_ok & ~_has_failed_part(store, modality)).sum())
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
    usable = _is_whole(plan, store, "text") | (status == Status.EMPTY)
    return _rows_of(plan.table.captions or (), store.captions or (), usable)


def _match_pictures(plan: Plan, store: FeatureStore, modality: str) -> IntArray:
    """Match the rows of a modality that needs pictures, and captions beside them or not."""
    table, paths = plan.table, plan.table.image_paths
    rows = _rows_of(
        inputs_of(modality, paths, table.captions),
        inputs_of(modality, store.image_paths, store.captions),
        _is_whole(plan, store, modality),
    )
    row_of = {path: row for path, row in zip(paths, rows.tolist(), strict=True) if row >= 0}
    changed = _changed_pictures(plan, store, modality, row_of)
    if changed:
        rows[np.fromiter((path in changed for path in paths), bool, len(paths))] = -1
    for row, found in _renamed_pictures(plan, store, modality, rows).items():
        rows[row] = found
    return rows


def _renamed_pictures(
    plan: Plan, store: FeatureStore, modality: str, rows: IntArray
) -> dict[int, int]:
    """The rows of the store with the content of pictures that have no row by their path."""
    left = _is_whole(plan, store, modality)
    left[rows[rows >= 0]] = False
    new = np.flatnonzero(rows < 0).tolist()
    if _digests(modality) not in store or not left.any() or not new:
        return {}
    paths, has_captions = plan.table.image_paths, CAPTION in NEEDS[modality]
    theirs, ours = (
        captions if has_captions and captions is not None else tuple(repeat("", n))
        for captions, n in ((store.captions, store.n_rows), (plan.table.captions, len(rows)))
    )
    digests = store.numbers(_digests(modality))
    row_of = {
        (digests[row].tobytes(), theirs[row]): row for row in np.flatnonzero(left)[::-1].tolist()
    }
    digest_of = dict(_digests_of(plan, list(dict.fromkeys(paths[row] for row in new))))
    found = {row: row_of.get((digest_of[paths[row]] or b"", ours[row])) for row in new}
    return {row: known for row, known in found.items() if known is not None}


def _digests(modality: str) -> str:
    return f"{modality}/digests"


def _is_whole(plan: Plan, store: FeatureStore, modality: str) -> BoolArray:
    """The rows (n,) of the store with an embedding of all that their text stands for now.

    A row of several parts is left out where a part failed, or tables were read in another way.
    """
    whole: BoolArray = store.status(modality) == Status.OK
    whole &= ~_has_failed_part(store, modality)
    made = TableFormat.from_json(store.provenance.get("table") or {})
    was, now = (separators_of(format, modality) for format in (made, plan.table.format))
    if [each is None for each in was] == [each is None for each in now]:
        return whole
    cells = inputs_of(modality, store.image_paths, store.captions)
    is_list = (any(text.startswith(LIST) for text in cell.split(BETWEEN)) for cell in cells)
    whole &= ~np.fromiter(is_list, bool, len(whole))
    return whole


def _has_failed_part(store: FeatureStore, modality: str) -> BoolArray:
    """The rows (n,) of the store one of whose parts has no embedding."""
    failed = np.zeros(store.n_rows, np.bool_)
    failed[[part.row for part in read_failed_parts(store) if part.modality == modality]] = True
    return failed


def _is_mended(plan: Plan, failed: FailedRow, store: FeatureStore) -> bool:
    """Whether a picture that failed was put there or changed since."""
    since = 0 if failed.status == Status.MISSING else store.last_written.stat().st_mtime_ns
    return PICTURE in NEEDS[failed.modality] and plan.images.written(failed.part) > since


def _written(plan: Plan, cell: str) -> int:
    """When the last picture of a row was written, as `Images.written`."""
    parts = split_parts(cell) if plan.table.format.image_sep else (cell,)
    return max(map(plan.images.written, parts))


def _rows_of(texts: Sequence[str], stored: Sequence[str], usable: BoolArray) -> IntArray:
    """The first usable row of the store with each text, (n,); -1 where there is none."""
    first: dict[str, int] = {}
    for row, text in compress(enumerate(stored), usable):
        first.setdefault(text, row)
    return np.fromiter((first.get(text, -1) for text in texts), np.int64, len(texts))


def _changed_pictures(
    plan: Plan, store: FeatureStore, modality: str, row_of: Mapping[str, int]
) -> set[str]:
    """The paths whose files are not those of the store any more."""
    written = store.last_written.stat().st_mtime_ns
    is_same_place = _place_file(store.path).is_file() and _place_file(store.path).read_text(
        encoding="utf-8", errors="replace"
    ) == str(plan.images)
    doubtful = [path for path in row_of if not is_same_place or _written(plan, path) > written]
    if not doubtful:
        return set()
    digests = store.numbers(_digests(modality)) if _digests(modality) in store else None
    if digests is None:
        return set(doubtful)
    return {
        path
        for path, digest in _digests_of(plan, doubtful)
        if digest != digests[row_of[path]].tobytes()
    }


def _digests_of(plan: Plan, paths: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
    """The digest of each row's picture as stores keep it; None where one cannot be read."""
    if not plan.table.format.image_sep:
        yield from zip(paths, _file_digests(plan, paths), strict=True)
        return
    rows = [split_parts(path) for path in paths]
    digests = _file_digests(plan, [part for parts in rows for part in parts])
    for path, parts in zip(paths, rows, strict=True):
        found = [next(digests) for _ in parts]
        known = [np.frombuffer(digest, np.uint8) for digest in found if digest is not None]
        if len(known) < len(found):
            yield path, None
        else:
            yield path, found[0] if len(found) == 1 else join_digests(np.stack(known)).tobytes()


def _file_digests(plan: Plan, names: Sequence[str]) -> Iterator[bytes | None]:
    """The digest of each picture; None where it cannot be read."""
    for start in range(0, len(names), FILES_AT_ONCE):
        for content in plan.images.read(names[start : start + FILES_AT_ONCE]):
            if isinstance(content, Refusal):
                yield None
            else:
                yield hashlib.sha256(content).digest()[:DIGEST_BYTES]


def note_place(plan: Plan, out: Path) -> None:
    """Note beside a store, which knows nothing of machines, where its pictures lie."""
    if plan.of_pictures:
        path = _place_file(out)
        if not path.is_file() or path.read_text(encoding="utf-8") != str(plan.images):
            write_text(path, str(plan.images))


def _place_file(out: Path) -> Path:
    return out.with_name(f".{out.stem}.images")


def changed_rows(plan: Plan, status: NDArray[np.uint8], holder: Path, *, start: int) -> list[int]:
    """Rows from `start` whose image is ok in the file `holder` but newer than that file.

    `status` has the rows of `holder`. Reads the file's metadata once per image; changes of images
    at an address are not detected.
    """
    written = holder.stat().st_mtime_ns
    rows = (start + np.flatnonzero(status == Status.OK)).tolist()
    paths = plan.table.image_paths
    first = {paths[row]: row for row in reversed(rows)}
    return sorted(row for path, row in first.items() if _written(plan, path) > written)


def mended_rows(plan: Plan, status: NDArray[np.uint8], holder: Path, *, start: int) -> list[int]:
    """Rows from `start` on whose picture failed in `holder` and was put there or changed since."""
    written = dict.fromkeys((start + np.flatnonzero(status == Status.MISSING)).tolist(), 0)
    for code in (Status.CORRUPT, Status.TOO_LARGE, Status.REFUSED):
        rows = (start + np.flatnonzero(status == code)).tolist()
        written |= dict.fromkeys(rows, holder.stat().st_mtime_ns)
    paths = plan.table.image_paths
    return sorted(row for row, then in written.items() if _written(plan, paths[row]) > then)
