"""A table, how it was read, and the options by which a verb reads one.

Options are the fields of their settings; None: not given. A test holds them to `mmfeat.config`,
which has their defaults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, TypedDict

from mmfeat.types import Float64Array, Targets

# Fields of `TableFormat` that stores lack, and stay as they are, where they are not used.
LATER_FIELDS = (
    *("group_cols", "group_regex", "fold_col", "time_col", "known_col", "uncertain_col"),
    *("image_sep", "image_suffix", "text_sep", "pool"),
)


@dataclass(frozen=True, kw_only=True)
class TableFormat:
    """How a table was read; with it, `mmfeat.tables.read_table` reads another in the same way.

    Attributes
    ----------
    id_col, image_col
        None: the rows are numbered from 0; the id is the image's path.
    text_col, label_col
        None: the table has no captions, or no column of label sets.
    label_sep
        What separates labels in a cell, and labels that are written to a file.
    label_cols
        Columns of yes or no, or of categories; empty where `label_col` holds the labels.
    normalise_labels, rename_labels
        Whether labels that differ only by case, blanks or Unicode form are one; ``OLD=NEW`` names.
    group_cols, group_regex
        Columns, and a pattern on ids or paths, that say which rows are related.
    fold_col, time_col
        The column of the table's own folds; of numbers or dates by which rows are ordered.
    known_col, uncertain_col
        Columns that list labels of each row: those that are known, those that are uncertain.
    image_sep, text_sep, pool
        What separates pictures, or captions, in a cell (``json``: lists), where a row may have
        several; and how their vectors become one: mean or max.
    image_suffix
        The ending that the names of pictures lack in the table, e.g. ``.jpg``; None: nothing.
    """

    id_col: str | None = "ImageID"
    image_col: str | None = None
    text_col: str | None = "Caption"
    label_col: str | None = "Labels"
    label_sep: str = " "
    label_cols: tuple[str, ...] = ()
    normalise_labels: bool = False
    rename_labels: tuple[str, ...] = ()
    group_cols: tuple[str, ...] = ()
    group_regex: str | None = None
    fold_col: str | None = None
    time_col: str | None = None
    known_col: str | None = None
    uncertain_col: str | None = None
    image_sep: str | None = None
    image_suffix: str | None = None
    text_sep: str | None = None
    pool: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the fields as JSON holds them, without those of `LATER_FIELDS` that are unused."""
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {k: v for k, v in values.items() if v or k not in LATER_FIELDS}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> TableFormat:
        """Read what `to_json` gave; fields that `document` lacks have their defaults."""
        known = {f.name: document[f.name] for f in fields(cls) if f.name in document}
        values: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in known.items()}
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class Table:
    """What the user has: one row per image, caption or both.

    Attributes
    ----------
    ids, image_paths
        One per row, in the table's order; paths are relative to the folder of images.
    captions
        One per row (empty where missing), or None where the table has no such column.
    targets
        Of shape (n, k), with one column per name in `labels`; None without labels.
    groups, folds, times
        One per row, or None: related rows have the same group (one without any has ""); rows of
        one fold are held out together; times, (n,), are numbers, or seconds since 1970.
    sha256
        Of the table's file.
    notes
        What the reader mended or left out, one sentence each.
    format
        The columns and the separator that were used.
    """

    ids: tuple[str, ...]
    image_paths: tuple[str, ...]
    captions: tuple[str, ...] | None
    targets: Targets | None
    labels: tuple[str, ...]
    source: str
    sha256: str
    notes: tuple[str, ...] = ()
    format: TableFormat = TableFormat()
    groups: tuple[str, ...] | None = None
    folds: tuple[str, ...] | None = None
    times: Float64Array | None = None

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.ids)


class TableOptions(TypedDict, total=False):
    """How a table is read: `DataSettings` without the images."""

    id_col: str | None
    image_col: str | None
    image_sep: str | None
    image_suffix: str | None
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
