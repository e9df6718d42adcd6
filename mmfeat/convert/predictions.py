"""Predictions as tools for annotation read them: Label Studio and FiftyOne.

Label Studio imports a list of tasks with predictions (https://labelstud.io/guide/predictions); its
names are those of the template for classification of images. FiftyOne reads labels by the path of
the picture without its suffix (`fiftyone.types.FiftyOneImageClassificationDataset`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import numpy as np

from mmfeat.convert.label_studio import LOCAL
from mmfeat.core.checks import check_choice
from mmfeat.core.files import writing
from mmfeat.errors import ConfigError
from mmfeat.types import Predictions, Targets

SUFFIX = ".json"
Chosen = list[tuple[str, float]]  # labels with their probabilities, most probable first


def write_annotations(
    path: Path,
    format: str,
    *,
    scores: Predictions,
    label_sets: Targets,
    pictures: Sequence[str],
    model: str,
) -> None:
    """Replace `path` by the label set of each row, as `format` writes it.

    `label_sets` is (n, k), 0 or 1; `pictures` are the n paths below the folder of pictures, and
    `model` names what predicted.
    """
    begin, end, entry = WRITERS[format]
    with writing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(begin)
        for row, (id, picture) in enumerate(zip(scores.ids, pictures, strict=True)):
            at = np.flatnonzero(label_sets[row])
            at = at[np.argsort(-scores.probabilities[row, at], kind="stable")]
            chosen = [(scores.labels[i], float(scores.probabilities[row, i])) for i in at]
            file.write((",\n" if row else "\n") + entry(id, picture or id, chosen, model))
        file.write(end)


def check_annotations(path: Path, format: str, *, top: int | None) -> None:
    """Raise `ConfigError` for an unknown format, and for what does not go with it."""
    check_choice("--format", format, WRITERS)
    if path.suffix != SUFFIX:
        raise ConfigError(
            f"{format} reads {SUFFIX} files",
            f"{path} has another suffix",
            f"choose a name for --out that ends with {SUFFIX}",
        )
    if top is not None:
        raise ConfigError(
            f"--format {format} writes label sets", "--top is given", "leave out one of them"
        )


def _task(id: str, picture: str, chosen: Chosen, model: str) -> str:
    """A task of Label Studio; its score is the probability of the least probable label."""
    choices = [label for label, _ in chosen]
    value = {"choices": choices}
    result = {"from_name": "choice", "to_name": "image", "type": "choices", "value": value}
    prediction: dict[str, Any] = {"model_version": model, "result": [result] if choices else []}
    if chosen:
        prediction["score"] = chosen[-1][1]
    data = {"image": f"{LOCAL}{quote(picture)}", "id": id}
    return _json({"data": data, "predictions": [prediction]})


def _classifications(id: str, picture: str, chosen: Chosen, model: str) -> str:
    key = str(PurePosixPath(picture).with_suffix(""))
    return f"{_json(key)}: " + _json([{"label": label, "confidence": p} for label, p in chosen])


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


Entry = Callable[[str, str, Chosen, str], str]
WRITERS: dict[str, tuple[str, str, Entry]] = {  # what stands before, after, and for each row
    "label-studio": ("[", "\n]\n", _task),
    "fiftyone": ('{"labels": {', "\n}}\n", _classifications),
}
