"""The tables of a folder and what each is for: the split to fit, others, a sample, prompts."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmfeat.core.files import why_no_file
from mmfeat.core.plugins import resolve
from mmfeat.errors import TableError, counted
from mmfeat.extract.images.folder import READ
from mmfeat.init.pictures import Pictures, walk
from mmfeat.init.roles import CAPTIONS, Roles, find_roles, is_named
from mmfeat.tables.read import READERS
from mmfeat.tables.readers.columns import Columns, as_text
from mmfeat.tables.readers.delimited import find_delimiter
from mmfeat.tables.readers.encoding import decode

SAMPLES, SOLUTIONS = ("sample", "submission"), ("solution", "truth", "answer")
TRAIN, TEST, VALIDATION = ("train",), ("test", "new", "predict"), ("val", "dev")
SPREADSHEETS = (".xlsx", ".xls", ".ods", ".numbers", ".json")
LARGEST = 1 << 30  # bytes of a table that is looked at


@dataclass(frozen=True, kw_only=True)
class Project:
    """What a folder holds.

    Attributes
    ----------
    roles
        The columns of the table that is fitted, which others share.
    splits
        Name of each split, with its table and what it holds in words.
    validation, sample, prompts
        The split that judges, the sample submission and the label prompts, where there are any.
    n_pictures
        Those in the folder of the pictures.
    notes
        What else was found, one sentence each.
    """

    roles: Roles
    splits: dict[str, tuple[str, str]]
    validation: str | None
    sample: str | None
    prompts: str | None
    n_pictures: int
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Found:
    name: str  # relative to the folder
    columns: Columns
    roles: Roles

    def is_called(self, words: Sequence[str]) -> bool:
        stem = Path(self.name).stem.casefold()
        return any(word in stem for word in words)

    def told(self, main: Roles) -> str:
        labelled = "with" if self.has_labels_of(main) else "without"
        return f"{counted(self.columns.n_rows, 'row')} {labelled} labels"

    def has_labels_of(self, main: Roles) -> bool:
        """Whether it has the label columns of the table that is fitted."""
        wanted = {main.label_col, *main.label_cols} - {""}
        return bool(wanted) and wanted <= set(self.columns.values)


def look_at(folder: Path, *, without: Sequence[str]) -> Project:
    """Look at the tables and pictures below a folder, but for the folders `without`.

    Raises `TableError` where no table names pictures, captions or labels.
    """
    files = list(walk(folder, without=without))
    pictures = Pictures(frozenset(name for name in files if Path(name).suffix.lower() in READ))
    links = (path.name for path in sorted(folder.iterdir()) if path.is_symlink() and path.is_dir())
    notes = [
        f"{name} is a link to another folder, and not looked into: if the pictures are there, set"
        f' images = "{name}", and leave out modalities'
        for name in links
    ]
    tables: list[_Found] = []
    sample = prompts = None
    for name in files:
        if Path(name).suffix.lower() in SPREADSHEETS:
            notes.append(f"{name} is left out: save it as csv, or one JSON object a line as jsonl")
        if Path(name).suffix.lower() not in READERS:
            continue
        columns = _read(folder / name, name, notes)
        if columns is None:
            continue
        table = _Found(name=name, columns=columns, roles=find_roles(columns, pictures))
        if set(columns.values) == {"label", "prompt"}:
            prompts = name
        elif table.is_called(SAMPLES):
            sample = name
        elif table.is_called(SOLUTIONS):
            notes.append(f"{name} is left out: by its name, it has the answers")
        else:
            tables.append(table)
    usable = [table for table in tables if _is_usable(table.roles)]
    if not usable:
        write = "write a csv, e.g. with the columns ImageID, Caption and Labels"
        if pictures.paths:
            write += "; pictures alone are for `mmfeat predict --images FOLDER`"
        raise TableError(
            "a project needs a table that names pictures, or has captions, a row each",
            f"{folder.resolve()} has {counted(len(pictures.paths), 'picture')} and"
            f" {counted(len(tables), 'other table')}" + "".join(f" ({note})" for note in notes[:2]),
            f"mend what is left out, or {write}" if notes else write,
        )
    main = max(usable, key=_rank)
    splits, validation = _splits(main, usable, pictures, notes)
    places = [table.roles.place.images for table in usable if table.roles.place is not None]
    for name, count in pictures.beside(places) if main.roles.place is not None else ():
        way = shlex.join(["mmfeat", "predict", "--images", name])
        notes.append(f"{counted(count, 'picture')} in {name} are in no table: `{way}`, later")
    return Project(
        roles=main.roles,
        splits=splits,
        validation=validation,
        sample=sample,
        prompts=prompts if main.roles.text_col else None,
        n_pictures=len(pictures.below(main.roles.place.images).paths) if main.roles.place else 0,
        notes=tuple(notes),
    )


def _is_usable(roles: Roles) -> bool:
    return roles.place is not None or bool(roles.text_col) or roles.is_labelled


def _rank(table: _Found) -> tuple[bool, bool, bool, bool, int]:
    """How well a table serves as the one that is fitted."""
    roles = table.roles
    return (
        roles.is_labelled,
        not table.is_called((*TEST, *VALIDATION)),
        table.is_called(TRAIN),
        roles.place is not None,
        table.columns.n_rows,
    )


def _splits(
    main: _Found, tables: Sequence[_Found], pictures: Pictures, notes: list[str]
) -> tuple[dict[str, tuple[str, str]], str | None]:
    """The splits by name, `train` first, and which of them judges."""
    splits = {"train": (main.name, main.told(main.roles))}
    validation = None
    needed = {main.roles.id_col, main.roles.image_col} - {""}
    for table in sorted(tables, key=_rank, reverse=True):
        missing = sorted(needed - set(table.columns.values))
        labelled = table.has_labels_of(main.roles)
        name = Path(table.name).stem
        if table is main:
            continue
        if missing:
            notes.append(f"{table.name} is left out: it has no column {missing[0]!r}")
            continue
        if elsewhere := _elsewhere(table, main.roles, pictures):
            notes.append(elsewhere)
            continue
        if labelled and validation is None and table.is_called(VALIDATION):
            name = validation = "validation"
        elif "test" not in splits and (table.is_called(TEST) or not labelled):
            name = "test"
        elif labelled:
            notes.append(f"{table.name} has labels as well: join it to {main.name} to fit both")
            continue
        else:  # one split may lack labels
            way = shlex.join(["mmfeat", "predict", "--table", table.name])
            notes.append(f"{table.name} has no labels, either: `{way}`")
            continue
        splits[name] = (table.name, table.told(main.roles))
    return splits, validation


def _elsewhere(table: _Found, main: Roles, pictures: Pictures) -> str:
    """A note where the pictures of a table lie in another folder than those that are fitted."""
    own = table.roles.place
    if main.place is None or own is None or own.images == main.place.images:
        return ""
    column = main.image_col or main.id_col
    near = pictures.below(main.place.images).find(as_text(table.columns.values[column]))
    if near is not None and near.images == main.place.images:
        return ""
    words = ["predict", "--table", table.name, "--images", own.images]
    if table.has_labels_of(main):
        split = Path(table.name).stem
        words = ["extract", table.name, "--images", own.images, "--split", split]
    return f"{table.name} has its pictures in {own.images}: `{shlex.join(['mmfeat', *words])}`"


def _read(path: Path, name: str, notes: list[str]) -> Columns | None:
    """The columns of a table; None, with a note, where it cannot be read or has no rows."""
    if not path.is_file():
        notes.append(f"{name} is left out: it {why_no_file(path)}")
        return None
    if path.stat().st_size > LARGEST:
        notes.append(f"{name} is left out: it is larger than {LARGEST >> 30} GiB")
        return None
    content = path.read_bytes()
    read = resolve(path.suffix.lower(), READERS, "table reader")
    try:
        columns: Columns = read(content, name, _last_caption(path, content)).with_plain_names()
    except TableError as error:
        notes.append(f"{name} is left out: {error}")
        return None
    if columns.n_rows == 0:
        notes.append(f"{name} is left out: it has no rows")
        return None
    return columns


def _last_caption(path: Path, content: bytes) -> str:
    """The last column of delimited text if captions are in it, whose quotes may need mending."""
    if path.suffix.lower() not in (".csv", ".tsv"):
        return ""
    lines = decode(content, str(path)).splitlines()[:1]
    header = next(csv.reader(io.StringIO("".join(lines)), delimiter=find_delimiter(lines)), [""])
    last = header[-1].strip()
    return last if is_named(last, CAPTIONS) else ""
