"""Which columns of a table are ids, pictures, captions and labels, and what is wrong with a name.

A column that the user named must be there. A default name is found in other spellings, too, and
where it is not, the table has no such column.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from mmfeat.config import DataSettings
from mmfeat.errors import TableError, did_you_mean
from mmfeat.tables.readers.columns import Columns
from mmfeat.tables.table import TableFormat

OPTIONS = {
    "id_col": "--id-col",
    "image_col": "--image-col",
    "text_col": "--text-col",
    "label_col": "--label-col",
    "label_cols": "--label-cols",
    "group_cols": "--group-col",
    "group_regex": "--group-regex",
    "fold_col": "--fold-col",
    "time_col": "--time-col",
    "known_col": "--known-col",
    "uncertain_col": "--uncertain-col",
}
# such columns a table to predict may lack
NOT_TO_PREDICT = ("label", "group", "fold", "time", "known", "uncertain")
MEANING = {
    "text_col": "captions",
    "label_col": "labels",
    "label_cols": "labels",
    "group_cols": "groups",
    "fold_col": "folds",
    "time_col": "times",
    "known_col": "lists of known labels",
    "uncertain_col": "lists of uncertain labels",
}
MAX_TOLD = 8  # names of columns in a message
MAX_NEAR = 10_000  # names that are searched for one that is nearly the same


@dataclass(frozen=True, kw_only=True)
class Found:
    """The columns that are used, and one sentence about each that is not what it seems."""

    format: TableFormat
    notes: tuple[str, ...]


def named_columns(
    given: Mapping[str, object], data: DataSettings | None = None, *, labelled: bool = True
) -> frozenset[str]:
    """The fields whose columns must be there: options that were given, and those that `data` names.

    A table that need not be `labelled` may lack its label columns.
    """
    named = {field for field in OPTIONS if given.get(field)}
    if data is not None:
        named |= {
            field for field in OPTIONS if getattr(data, field) != getattr(DataSettings(), field)
        }
    return frozenset(field for field in named if labelled or not field.startswith(NOT_TO_PREDICT))


def with_labels(given: Mapping[str, object], data: DataSettings) -> DataSettings:
    """Return `data`, with labels of one column where `given` names it, whatever the settings say.

    Raises `TableError` where options name labels in two ways, or separate what is no list.
    """
    rule = "labels are a list in one column, or a column each"
    if given.get("label_col") is not None:
        if given.get("label_cols"):
            raise TableError(
                rule, "--label-col and --label-cols are given", "leave one of them out"
            )
        return replace(data, label_cols=())
    if data.label_cols and given.get("label_sep") is not None:
        raise TableError(
            rule,
            "--label-sep is given, and --label-cols name a column each",
            "leave --label-sep out, or name the column of the list with --label-col",
        )
    return data


def find_columns(
    columns: Columns,
    asked: DataSettings | TableFormat,
    path: Path,
    *,
    named: Collection[str] = (),
) -> Found:
    """Find the columns that `asked` names.

    `named` are fields of `asked` whose columns must be there; others may be absent, but not if
    there is one of nearly the same name. Raises `TableError` for a column that is not there,
    that is there twice, or that is used twice.
    """
    search = _Search(columns, asked, path, frozenset(named))
    image = asked.image_col or None
    if image is not None:
        image = search.required("image_col", image)
    labelled = asked.label_cols
    found = TableFormat(
        id_col=search.ids(numbered=image is not None),
        image_col=image,
        text_col=search.optional("text_col", asked.text_col),
        label_col=None if labelled else search.optional("label_col", asked.label_col),
        label_cols=search.all_of(labelled, "label_cols"),
        label_sep=asked.label_sep or " ",
        normalise_labels=asked.normalise_labels,
        rename_labels=asked.rename_labels,
        group_cols=search.all_of(asked.group_cols, "group_cols"),
        group_regex=asked.group_regex or None,
        fold_col=search.optional("fold_col", asked.fold_col),
        time_col=search.optional("time_col", asked.time_col),
        known_col=search.optional("known_col", asked.known_col),
        uncertain_col=search.optional("uncertain_col", asked.uncertain_col),
        image_sep=asked.image_sep or None,
        image_suffix=asked.image_suffix or None,
        text_sep=asked.text_sep or None,
    )
    _check_used_once(found, path)
    for name in _names_of(found):
        if name is not None and name in columns.repeated:
            raise TableError(
                "the name of a column that is read must be unique",
                f"{path} has {name!r} twice",
                "rename one of them",
            )
    return Found(format=found, notes=tuple(search.notes))


class _Search:
    """Looks for columns and remembers what is to be told."""

    def __init__(
        self,
        columns: Columns,
        asked: DataSettings | TableFormat,
        path: Path,
        named: frozenset[str],
    ) -> None:
        self.columns, self.asked, self.path, self.named = columns, asked, path, named
        self.notes: list[str] = []

    def ids(self, *, numbered: bool) -> str | None:
        """The column of ids; None where the rows are numbered."""
        name = self.asked.id_col
        if not name:
            return None
        if name not in self.columns.values and self._is_default("id_col", name):
            other = self._respelt("id_col", name)
            if other is None and numbered:
                self.notes.append(f"no column {name!r}: the rows are numbered from 0")
                return None
            name = other or name
        return self.required("id_col", name)

    def required(self, field: str, name: str) -> str:
        """The name of a column that must be there."""
        if name in self.columns.values:
            return name
        remedies = {
            "id_col": "or number the rows with --id-col ''",
            "text_col": "or read no captions with --text-col ''",
            "label_col": "or read no labels with --label-col ''",
        }
        parts = [part.strip() for part in name.split(",")]
        if field == "label_col" and all(part in self.columns.values for part in parts):
            remedies[field] = f"or several with --label-cols {name!r}"
        option = OPTIONS[field]
        near = self._near(name)
        raise TableError(
            f"the table must have the column {name!r}",
            f"{self.path} has {told_names(list(self.columns.values), near)}",
            (f"did you mean {option} {near[0]!r}? Else " if near else "")
            + f"name the right column with {option}"
            + (f", {remedies[field]}" if field in remedies else "")
            + (", or let `mmfeat init` propose columns" if self._is_default(field, name) else ""),
        )

    def optional(self, field: str, name: str | None) -> str | None:
        """The name of a column, or None where the table has none and none is needed."""
        if not name:
            return None
        if name in self.columns.values:
            return name
        if self._is_default(field, name):
            other = self._respelt(field, name)
            if other is not None:
                return other
        elif field in self.named or (isinstance(self.asked, DataSettings) and self._near(name)):
            return self.required(field, name)
        what = MEANING[field]
        means = f"there are no {what}"
        if what == "labels":
            means = "the table counts as unlabelled"
        names = told_names(list(self.columns.values), ())
        told = what == "labels" or isinstance(self.asked, DataSettings)
        if told and (what != "captions" or not self._is_default(field, name)):
            self.notes.append(f"no column {name!r}: {means}; its columns are {names}")
        return None

    def all_of(self, names: Sequence[str], field: str) -> tuple[str, ...]:
        """Several columns; none where the table has none of them and none is needed."""
        missing = [name for name in names if name not in self.columns.values]
        if missing and (
            len(missing) < len(names)
            or field in self.named
            or (isinstance(self.asked, DataSettings) and self._near(missing[0]))
        ):
            near = self._near(missing[0])
            raise TableError(
                f"every column of {OPTIONS[field]} must exist",
                f"{self.path} has no column {missing[0]!r},"
                f" only {told_names(list(self.columns.values), near)}",
                did_you_mean(missing[0], self.columns.values, f"correct {OPTIONS[field]}"),
            )
        if missing and isinstance(self.asked, DataSettings):
            labels = field == "label_cols"
            means = "the table counts as unlabelled" if labels else "it relates no rows"
            self.notes.append(f"no column of {OPTIONS[field]} exists: {means}")
        return () if missing else tuple(names)

    def _is_default(self, field: str, name: str) -> bool:
        return field not in self.named and name == getattr(DataSettings(), field)

    def _respelt(self, field: str, name: str) -> str | None:
        """A column whose name differs from `name` only by case, blanks, `_` and `-`."""
        if isinstance(self.asked, TableFormat):
            return None
        same = [other for other in self.columns.values if _plain(other) == _plain(name)]
        if len(same) != 1:
            return None
        self.notes.append(f"the column {same[0]!r} is used for {OPTIONS[field]}")
        return same[0]

    def _near(self, name: str) -> list[str]:
        names = {_plain(other): other for other in list(self.columns.values)[:MAX_NEAR]}
        return [names[key] for key in get_close_matches(_plain(name), names, n=2, cutoff=0.75)]


def told_names(names: Sequence[str], first: Sequence[str]) -> str:
    """Names of columns for a message: those of `first`, then as many others as fit."""
    if not names:
        return "no columns"
    order = [*first, *(name for name in names if name not in first)]
    told = ", ".join(repr(name[:60]) for name in order[:MAX_TOLD])
    return told + (f" and {len(order) - MAX_TOLD} more" if len(order) > MAX_TOLD else "")


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter not in " _-\t")


def _names_of(found: TableFormat) -> list[str]:
    """The columns that are read."""
    single = (found.id_col, found.image_col, found.text_col, found.label_col)
    others = (found.fold_col, found.time_col, found.known_col, found.uncertain_col)
    names = (*single, *found.label_cols, *found.group_cols, *others)
    return [name for name in names if name is not None]


def _check_used_once(found: TableFormat, path: Path) -> None:
    uses: dict[str, str] = {}
    for field, name in (
        ("id_col", found.id_col),
        ("text_col", found.text_col),
        ("label_col", found.label_col),
        *(("label_cols", name) for name in found.label_cols),
        ("fold_col", found.fold_col),
        ("time_col", found.time_col),
        ("known_col", found.known_col),
        ("uncertain_col", found.uncertain_col),
        ("image_col", None if found.image_col == found.id_col else found.image_col),
    ):
        if name is not None and name in uses:
            first, second = uses[name], OPTIONS[field]
            raise TableError(
                "a column has one role",
                f"{name!r} of {path} is named "
                + (f"twice by {first}" if first == second else f"by {first} and {second}"),
                f"correct {second}",
            )
        if name is not None:
            uses[name] = OPTIONS[field]
