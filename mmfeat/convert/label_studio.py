"""Exports of Label Studio: JSON with all annotations, or JSON-MIN with one field per question.

Of a task with several annotations the one marked as ground truth counts, else the last; cancelled
ones never do. Choices, taxonomies and labels of regions are labels of the picture. The package
label-studio-sdk brings over twenty others, and reads no more than this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mmfeat.convert.json_file import begins_with, read_annotations
from mmfeat.convert.rows import Format, Row, Source, damaged, texts
from mmfeat.init.roles import CAPTIONS, is_named

PICTURES = ("image", "img", "picture", "photo", "imageurl", "url", "file")
LOCAL = "/data/local-files/?d="  # before a path below the folder of local storage
UPLOADS = "/data/upload/"  # where the server keeps files that were uploaded
OF_TASKS = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time")


def _is_export(path: Path) -> bool:
    return begins_with(path, "[")


def _read(source: Source) -> Iterator[Row]:
    tasks = read_annotations(source.path)
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise damaged(source.path, "it is no list of tasks")
    source.images = source.images or source.path.parent
    for number, task in enumerate(tasks):
        data = task.get("data", task)
        if not isinstance(data, dict):
            raise damaged(source.path, f"task {number} has no data")
        picture = next((name for name in data if is_named(name, PICTURES)), None)
        if picture is None or not isinstance(data[picture], str):
            source.odd["tasks without a picture, left out"] += 1
            continue
        text = source.find("text_col", (name for name in data if is_named(name, CAPTIONS)))
        is_whole = "data" in task
        yield Row(
            split="train",
            id=str(task.get("id", number)),
            picture=_file(data[picture], source.images),
            captions=texts(data.get(text)) if text else (),
            labels=_annotated(task, source) if is_whole else _chosen(data, {picture, text}, source),
        )


def _annotated(task: Mapping[str, Any], source: Source) -> tuple[str, ...] | None:
    """The labels of a task; None where it has no annotation."""
    given = _objects(task.get("annotations", task.get("completions")))
    valid = [one for one in given if not one.get("was_cancelled")]
    source.odd["annotations that were cancelled, left out"] += len(given) - len(valid)
    source.odd["tasks without an annotation"] += not valid
    source.odd["tasks with several annotations, of which one counts"] += len(valid) > 1
    if not valid:
        return None
    counts = next((one for one in valid if one.get("ground_truth")), valid[-1])
    labels: dict[str, None] = {}
    result = counts.get("result")
    for region in result if isinstance(result, list) else [result]:
        names: tuple[str, ...] = ()
        if isinstance(region, dict) and isinstance(region.get("value"), dict):
            kind = str(region.get("type"))
            value = region["value"].get(kind)
            if kind == "choices" or kind.endswith("labels"):
                names = texts(value)
            elif kind == "taxonomy" and isinstance(value, list):
                names = tuple(" / ".join(texts(path)) for path in value)
        source.odd["parts of annotations that name no label, left out"] += not names
        labels |= dict.fromkeys(names)
    return tuple(labels)


def _chosen(
    data: Mapping[str, Any], used: set[str | None], source: Source
) -> tuple[str, ...] | None:
    """The labels of a task of JSON-MIN: fields that hold choices, or the one that is named."""
    named = source.columns.get("label_col")
    fields = [name for name in data if name not in used and name not in OF_TASKS]
    found = [data[named]] if named and named in data else [data[name] for name in fields]
    labels: dict[str, None] = {}
    for value in found:
        items = value.get("choices", []) if isinstance(value, dict) else value
        for region in _objects(items):
            for kind, names in region.items():
                if kind.endswith("labels"):
                    labels |= dict.fromkeys(texts(names))
        labels |= dict.fromkeys(texts(items))
    source.odd["tasks without an annotation"] += not found
    return tuple(labels) if found else None


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _file(address: str, images: Path) -> str:
    """The name below the folder of pictures: of an upload, of local storage, or as it stands."""
    _, is_local, name = address.partition(LOCAL)
    if is_local:
        return unquote(name)
    if address.startswith(UPLOADS):
        name = address.removeprefix(UPLOADS)
        places = (f"upload/{name}", name, name.rpartition("/")[2])
        return next((one for one in places if (images / one).is_file()), name)
    return address


LABEL_STUDIO = Format(is_format_of=_is_export, read=_read)
