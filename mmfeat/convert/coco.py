"""Annotations of COCO: one JSON file, or a folder with one or two per split.

The labels of a picture are the categories of its annotations, crowds included. `instances_X.json`
and `captions_X.json` are the split X; `X/_annotations.coco.json` is it as well. pycocotools serves
masks and boxes: it would read the same JSON, without a check.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmfeat.convert.json_file import begins_with, mentions, read_annotations
from mmfeat.convert.rows import Format, Row, Source, damaged, texts
from mmfeat.errors import TableError
from mmfeat.extract.guard import refuse_name

PLACES = ("*.json", "annotations/*.json", "*/_annotations.coco.json")
KIND = re.compile(r"^(instances|captions|person_keypoints|panoptic|annotations)_")
NAMELESS = ("annotations", "_annotations.coco", "labels", "instances")
LOOKED_FOR = 50  # pictures


@dataclass
class _Split:
    """What the files of a split say, by id of the picture."""

    pictures: dict[Any, str] = field(default_factory=dict)
    labels: dict[Any, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    captions: dict[Any, list[str]] = field(default_factory=lambda: defaultdict(list))
    has_categories: bool = False


def _is_coco(path: Path) -> bool:
    return any(begins_with(file, "{") and mentions(file, "images") for file in _files(path))


def _read(source: Source) -> Iterator[Row]:
    splits: dict[str, _Split] = defaultdict(_Split)
    folders: dict[str, Path] = {}
    for file in _files(source.path):
        name = KIND.sub("", file.stem)
        name = file.parent.name if name in NAMELESS else name
        folders[name] = file.parent
        _take_in(file, splits[name], source)
    if not splits:
        raise damaged(source.path, "it has no JSON file")
    top = source.path if source.path.is_dir() else source.path.parent
    top = top.parent if top.name == "annotations" else top
    source.images = root = source.images or top
    for name, split in splits.items():
        below = _place(root, folders[name], name, list(split.pictures.values()))
        for key, file_name in split.pictures.items():
            labels = tuple(split.labels[key])
            source.odd["pictures without an annotation of a category"] += (
                split.has_categories and not labels
            )
            yield Row(
                split=name,
                id=str(key),
                picture=f"{below}{file_name}",
                captions=tuple(split.captions[key]),
                labels=labels if split.has_categories else None,
            )


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted({file for place in PLACES for file in path.glob(place)})


def _take_in(file: Path, split: _Split, source: Source) -> None:
    document = read_annotations(file)
    if not isinstance(document, dict) or not _are_objects(document.get("images")):
        raise damaged(file, "it has no list of images")
    if not _are_objects(document.get("annotations", [])):
        raise damaged(file, "its annotations are no list of objects")
    categories = document.get("categories") or []
    if not _are_objects(categories):
        raise damaged(file, "its categories are no list of objects")
    names = {_key(one.get("id")): " ".join(texts(one.get("name"))) for one in categories}
    split.has_categories |= bool(names)
    here = set()
    for picture in document["images"]:
        key, name = _key(picture.get("id")), picture.get("file_name")
        if key is None or not isinstance(name, str):
            raise damaged(file, f"a picture has no id or no file_name: {str(picture)[:80]}")
        if key in here:
            source.odd["pictures with an id that another has, left out"] += 1
        here.add(key)
        if split.pictures.setdefault(key, name) != name and key not in here:
            raise damaged(file, f"picture {key} has another file_name in a file beside it")
    for one in document.get("annotations", []):
        key, category = _key(one.get("image_id")), _key(one.get("category_id"))
        if key not in split.pictures:
            source.odd["annotations of a picture that is not listed, left out"] += 1
            continue
        captions = texts(one.get("caption"))
        split.captions[key].extend(captions)
        if label := names.get(category):
            split.labels[key][label] = None
            source.odd["annotations of crowds, which count"] += one.get("iscrowd") == 1
        elif not captions:
            source.odd["annotations without a category that is listed, left out"] += 1
    source.odd["categories whose name another has, joined"] += len(names) - len({*names.values()})


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _key(value: Any) -> str | None:
    return str(value) if isinstance(value, (int, str)) else None


def _place(root: Path, folder: Path, split: str, names: Sequence[str]) -> str:
    """Where the pictures of a split lie below `root`: "" or a path that ends with a slash."""
    beside = folder.relative_to(root).as_posix() if folder.is_relative_to(root) else "."
    looked = [name for name in names if refuse_name(name) is None][:LOOKED_FOR]
    for place in (beside, ".", split, f"images/{split}", "images", "data"):
        files = ((root / place / name).resolve() for name in looked)
        if not names or any(one.is_file() and one.is_relative_to(root.resolve()) for one in files):
            return "" if place == "." else f"{place}/"
    raise TableError(
        "pictures lie beside the annotations, or in a folder images or one called as the split",
        f"none of {split} is in {root}, e.g. {names[0]}; links out of it are not followed",
        "name their folder with --images",
    )


COCO = Format(is_format_of=_is_coco, read=_read)
