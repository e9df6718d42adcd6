"""The options of the verbs that read a table, as types: the fields of their settings.

None: not given. A test holds them to `mmfeat.config`, which has their defaults.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict


class TableOptions(TypedDict, total=False):
    """How a table is read: `DataSettings` without the images."""

    id_col: str | None
    image_col: str | None
    image_sep: str | None
    text_col: str | None
    text_sep: str | None
    pool: str | None
    label_col: str | None
    label_sep: str | None
    label_cols: Sequence[str] | None
    normalise_labels: bool | None
    rename_labels: Sequence[str] | None
    group_cols: Sequence[str] | None
    group_regex: str | None
    fold_col: str | None
    time_col: str | None
    known_col: str | None
    uncertain_col: str | None
