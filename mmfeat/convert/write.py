"""The folder that is written: a table per split, pictures that were no files, and settings."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmfeat.config import FILE_NAME
from mmfeat.convert.rows import Row, Source
from mmfeat.convert.settings import Line, Splits, has_captions, settings_text
from mmfeat.errors import TableError, counted
from mmfeat.extract.guard import refuse_name
from mmfeat.tables.labels.separator import BAR, COMMA, SEMICOLON
from mmfeat.tables.parts import join_parts

PICTURES = "images"
SIGNS = (BAR, SEMICOLON, COMMA, "\t", "||", ";;", "~", "^")  # that may stand between labels
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
ENDS = {
    b"\xff\xd8": "jpg",
    b"\x89PNG": "png",
    b"RIFF": "webp",
    b"GIF8": "gif",
    b"BM": "bmp",
    b"II*\0": "tif",
    b"MM\0*": "tif",
}


def write_folder(folder: Path, rows: Iterable[Row], source: Source) -> Splits:
    """Write rows into an empty folder, and give what the tables hold, labelled splits first.

    A name of the source never names a file: tables have the name of the split without signs,
    and pictures are numbered. Raises `TableError` for no rows, and for pictures of which some
    are files and some are not.
    """
    found: dict[tuple[str, bool], list[Line]] = {}
    seen: set[tuple[str, str]] = set()
    n_inside = n_files = 0
    for row in rows:
        split = re.sub(r"[^\w-]+", "-", row.split).strip("-_")[:80] or "train"
        if (split, row.id) in seen:
            source.odd["rows with an id that another has, left out"] += 1
            continue
        seen.add((split, row.id))
        if isinstance(row.picture, bytes):
            picture = f"{split}/{n_inside:08d}.{_end(row.picture)}"
            n_inside += 1
            path = folder / PICTURES / picture
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(row.picture)
        else:
            picture = _clean(row.picture)
            n_files += bool(picture)
            is_refused = bool(picture) and refuse_name(picture, source.images) is not None
            source.odd["pictures whose name extract will refuse"] += is_refused
            source.odd["rows without a picture"] += not picture
        labels = None if row.labels is None else tuple(map(_in_a_line, row.labels))
        captions = join_parts(map(_clean, row.captions))
        line = Line(id=_clean(row.id), picture=picture, labels=labels, caption=captions)
        found.setdefault((split, labels is not None), []).append(line)
    if not found:
        raise TableError(
            "a data set has rows with pictures",
            f"{source.path} has none" + "".join(f"; {line}" for line in told(source)),
            "name another source",
        )
    if n_inside and n_files:
        raise TableError(
            "the pictures of a data set are files, or all inside of it",
            f"{source.path} names {counted(n_files, 'file')} and holds"
            f" {counted(n_inside, 'picture')}",
            "convert the two kinds on their own",
        )
    splits = _with_names(found)
    sign = _separator({label for lines in splits.values() for one in lines for label in one.all})
    for name, lines in splits.items():
        _write_table(folder / f"{name}.csv", lines, sign, has_text=has_captions(splits))
    root = str((source.images or source.path).resolve()) if n_files else PICTURES
    text = settings_text(splits, title=_in_a_line(source.path.name), images=root, sign=sign)
    (folder / FILE_NAME).write_text(text, encoding="utf-8")
    return splits


def told(source: Source) -> list[str]:
    """What was odd, a line each with its number."""
    return [f"{what}: {n:,}" for what, n in source.odd.items() if n]


def _with_names(found: dict[tuple[str, bool], list[Line]]) -> Splits:
    """Name the tables; rows of a split that nobody labelled have one of their own.

    The only split is `train`, whatever it is called.
    """
    is_single = len({split for split, _ in found}) == 1
    names = {}
    for split, is_labelled in sorted(found, key=lambda one: (not one[1], "train" not in one[0])):
        name = "train" if is_single else split
        if not is_labelled and (split, True) in found:
            name = "unlabelled" if is_single else f"{split}-unlabelled"
        names[name] = found[split, is_labelled]
    return names


def _separator(labels: set[str]) -> str:
    free = [sign for sign in SIGNS if not any(sign in label for label in labels)]
    if not free:
        raise TableError(
            "a sign that stands in no label must separate them",
            f"each of {' '.join(map(repr, SIGNS))} stands in one",
            "rename labels in the source",
        )
    return free[0]


def _write_table(path: Path, lines: Sequence[Line], sign: str, *, has_text: bool) -> None:
    is_labelled = lines[0].labels is not None
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ["ImageID", "Image", *["Labels"] * is_labelled, *["Caption"] * has_text],
        )
        for one in lines:
            labels = [sign.join(one.all)] * is_labelled
            writer.writerow([one.id, one.picture, *labels, *[one.caption] * has_text])


def _clean(text: str) -> str:
    """A text that a table can hold: in UTF-8, without control characters but ends of lines."""
    return CONTROLS.sub("", text).encode(errors="replace").decode()


def _in_a_line(text: str) -> str:
    return " ".join(_clean(text).split())


def _end(content: bytes) -> str:
    return next((end for start, end in ENDS.items() if content.startswith(start)), "img")
