"""The `mmfeat.toml` of a converted data set: its columns, separators and splits."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmfeat.config import FitSettings, SubmitSettings
from mmfeat.tables.parts import LIST, LISTS

HEAD = "# Written by `mmfeat convert` from {}; edit it as you like.\n"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a table; `labels` is None where nobody labelled it."""

    id: str
    picture: str
    labels: tuple[str, ...] | None
    caption: str

    @property
    def all(self) -> tuple[str, ...]:
        """Its labels, or none."""
        return self.labels or ()


Splits = Mapping[str, Sequence[Line]]


def has_captions(splits: Splits) -> bool:
    """Whether a row has a caption."""
    return any(line.caption for lines in splits.values() for line in lines)


def settings_text(splits: Splits, *, title: str, images: str, sign: str) -> str:
    """The file for tables of the columns ImageID, Image, Labels and Caption."""
    labelled = [name for name, lines in splits.items() if lines[0].labels is not None]
    several = any(line.caption.startswith(LIST) for lines in splits.values() for line in lines)
    data = {"images": images, "id_col": "ImageID", "image_col": "Image"}
    data["text_col"] = "Caption" if has_captions(splits) else ""
    if several:
        data["text_sep"] = LISTS
    data["label_col"] = "Labels" if labelled else ""
    if labelled:
        data["label_sep"] = sign
    sections: dict[str, dict[str, Any]] = {
        "data": data,
        "splits": {name: f"{name}.csv" for name in splits},
    }
    if not any(line.picture for lines in splits.values() for line in lines):
        sections["extract"] = {"modalities": ["text"]}
    fitted = min(labelled, key=lambda name: "train" not in name, default="")
    others = [name for name in splits if name != fitted]
    new = min(others, key=lambda name: (name in labelled, "test" not in name), default="")
    if fitted not in ("", FitSettings().split):
        sections["fit"] = {"split": fitted}
    if new not in ("", SubmitSettings().split):
        sections["submit"] = {"split": new}
    return HEAD.format(title) + "".join(
        f"\n[{name}]\n" + "".join(f"{_key(key)} = {_text(keys[key])}\n" for key in keys)
        for name, keys in sections.items()
    )


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
