"""Which column of a table is what, by its cells first and by its name where cells do not tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from mmfeat.errors import TableError, counted
from mmfeat.init.pictures import Pictures, Place
from mmfeat.tables.labels.cells import read_cells
from mmfeat.tables.labels.columns import BITS, EMPTY, MARKS, is_crossed, numbered
from mmfeat.tables.labels.separator import BAR, COMMA, SEMICOLON, UNUSUAL
from mmfeat.tables.readers.columns import Columns, as_text

# Names without case, blanks, `_` and `-`, and without the s of a plural.
IDS = ("imageid", "id", "itemid", "uid", "key", "index", "no", "number")
LABELS = (
    *("label", "tag", "classe", "class", "category", "categorie", "genre", "topic", "target"),
    *("keyword", "attribute", "object", "theme", "type"),
)
CAPTIONS = (
    *("caption", "text", "title", "description", "sentence", "headline", "summary", "comment"),
    *("overview", "body", "review", "plot", "abstract", "name"),
)
GROUPS = (
    *("group", "user", "author", "artist", "video", "patient", "session", "product", "serie"),
    *("source", "location", "camera", "site", "city", "store", "brand", "photographer", "article"),
)
TIMES = ("date", "time", "timestamp", "year", "created", "createdat", "published", "day")
FOLDS = ("fold", "split", "subset", "partition")
SAMPLE = 4000  # rows that are looked at, evenly spread
REPEATED = 2  # rows that a label has at least, on average
LONGEST_LABEL = 5.0  # words of a label, on average
SENTENCE = 3.0  # words of a caption, on average
MOST_TOLD = 3  # columns of a comment


@dataclass(frozen=True, kw_only=True)
class Roles:
    """The columns of a table by what they hold; empty where there is none.

    `why` says by the name of a key of ``[data]`` what speaks for it, and `others` what else it
    could be. `rows_per_label` is how many rows have a label on average, infinite where that was
    not counted.
    """

    id_col: str = ""
    image_col: str = ""
    text_col: str = ""
    label_col: str = ""
    label_sep: str = ""
    label_cols: tuple[str, ...] = ()
    group_cols: tuple[str, ...] = ()
    fold_col: str = ""
    time_col: str = ""
    place: Place | None = None
    rows_per_label: float = inf
    why: dict[str, str] = field(default_factory=dict)
    others: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_labelled(self) -> bool:
        """Whether there are labels."""
        return bool(self.label_col or self.label_cols)


class _Labels(NamedTuple):
    """What a column would hold as labels: its separator, what is told, and means."""

    separator: str
    told: str
    per_row: float
    rows_per_label: float
    is_guess: bool


def find_roles(columns: Columns, pictures: Pictures) -> Roles:
    """Say which column of a table is what."""
    return _Search(columns, pictures).roles()


class _Search:
    def __init__(self, columns: Columns, pictures: Pictures) -> None:
        self.columns, self.pictures = columns, pictures
        step = max(1, columns.n_rows // SAMPLE)
        self.cells = {
            name: [text.strip() for text in as_text(cells[::step])]
            for name, cells in columns.values.items()
        }
        self.free = [name for name in self.cells if name not in columns.repeated]
        self.scale = columns.n_rows / len(range(0, columns.n_rows, step))
        self.rows_per_label = inf
        self.why: dict[str, str] = {}
        self.others: dict[str, tuple[str, ...]] = {}

    def roles(self) -> Roles:
        """All of them; a column has one role."""
        place, image = self._image()
        id_col = self._id("" if place is not None and place.separator else image)
        image_col = "" if image == id_col else image
        label_col, label_sep, label_cols = self._labels()
        text_col = self._caption()
        return Roles(
            id_col=id_col,
            image_col=image_col,
            label_col=label_col,
            label_sep=label_sep,
            label_cols=label_cols,
            text_col=text_col,
            fold_col=self._repeated(FOLDS),
            time_col=self._repeated(TIMES),
            group_cols=self._groups(),
            place=place,
            rows_per_label=self.rows_per_label,
            why=self.why,
            others=self.others,
        )

    def _take(self, name: str) -> str:
        self.free.remove(name)
        return name

    def _image(self) -> tuple[Place | None, str]:
        found = {name: self.pictures.find(self.cells[name]) for name in self.free}
        places = {name: place for name, place in found.items() if place is not None}
        if not places:
            return None, ""
        name = max(places, key=lambda one: (not places[one].suffix, places[one].share))
        return places[name], self._take(name)

    def _id(self, image: str) -> str:
        """The column that tells rows apart: one named so, else that of the pictures, else any."""
        named = [name for name in self.free if is_named(name, IDS) and self._is_unique(name)]
        if named:
            self.why["id_col"] = "differs in every row"
            return self._take(min(named, key=lambda name: IDS.index(_plain(name))))
        if image and self._is_unique(image):
            self.why["id_col"] = "names the pictures, and differs in every row"
            return image
        short = [name for name in self.free if _words(self.cells[name]) < SENTENCE]
        if found := next(filter(self._is_unique, short), None):
            self.why["id_col"] = "differs in every row"
            return self._take(found)
        self.why["id_col"] = "no column differs in every row: rows are numbered"
        return ""

    def _labels(self) -> tuple[str, str, tuple[str, ...]]:
        """The column of labels with its separator, or columns of yes and no."""
        bits = tuple(name for name in self.free if self._is_bits(name))
        cells = {name: self._label_cells(name) for name in self.free if name not in bits}
        held = {name: found for name, found in cells.items() if found is not None}
        named = [name for name in held if is_named(name, LABELS)]
        several = [name for name in held if held[name].per_row > 1.05]
        clear = [name for name in several if not held[name].is_guess]
        best = (named or ([] if bits else clear))[:1]
        self.others["label_col"] = tuple(one for one in several if one not in best)[:MOST_TOLD]
        if best:
            (name,) = best
            self.why["label_col"] = held[name].told
            self.rows_per_label = held[name].rows_per_label
            self.others["label_cols"] = bits
            return self._take(name), held[name].separator, ()
        alike = () if bits else self._numbered()
        for name in (*bits, *alike):
            self._take(name)
        if bits:
            self.why["label_cols"] = f"{counted(len(bits), 'column')} of yes and no"
        return "", "", bits or alike

    def _numbered(self) -> tuple[str, ...]:
        """Numbered columns of categories that most share, as `Genre 1` and `Genre 2`."""
        for names in dict.fromkeys(numbered(self.free).values()):
            columns = Counter(cell for name in names for cell in set(self.cells[name]) if cell)
            labels = set(columns)
            cells = [cell for name in names for cell in self.cells[name] if cell]
            if 2 * sum(columns[cell] > 1 for cell in cells) <= len(cells):
                continue
            if _words(labels) > LONGEST_LABEL or any(cell[0].isdigit() for cell in labels):
                continue
            if len(cells) >= REPEATED * len(labels):
                mean = len(cells) / len(self.cells[names[0]])
                self.why["label_cols"] = f"{counted(len(labels), 'label')}, {mean:.1f} a row"
                self.rows_per_label = self.scale * len(cells) / len(labels)
                return names
        return ()

    def _label_cells(self, name: str) -> _Labels | None:
        """A column as labels, by a guess where its separator is doubtful; None: it has none."""
        if _words(self.cells[name]) > 30:
            return None
        values, is_guess, sign = self.columns.values[name], False, ""
        try:
            found = read_cells(values, None, column=name, source="it")
        except TableError:
            is_guess = True
            signs = (BAR, SEMICOLON, COMMA, *UNUSUAL)
            sign = next(
                (one for one in signs if any(one in cell for cell in self.cells[name])), BAR
            )
            try:
                found = read_cells(values, sign, column=name, source="it")
            except TableError:
                return None
        filled = [row for row in found.rows if row]
        labels = {label for row in filled for label in row}
        if not labels or sum(map(len, filled)) < REPEATED * len(labels):
            return None
        if _words(labels) > LONGEST_LABEL or all(_is_decimal(label) for label in labels):
            return None
        mean = sum(map(len, filled)) / len(filled)
        told = f"{counted(len(labels), 'label')}, {mean:.1f} a row"
        told += f"; that {sign!r} separates them is a guess" if is_guess else ""
        return _Labels(
            separator="" if found.as_lists else found.separator,
            told=told,
            per_row=mean,
            rows_per_label=sum(map(len, filled)) / len(labels),
            is_guess=is_guess,
        )

    def _caption(self) -> str:
        """The column of sentences; one named so first."""
        words = {name: _words(self.cells[name]) for name in self.free if self._is_text(name)}
        named = [name for name in words if is_named(name, CAPTIONS) and words[name] > 1]
        found = named or [name for name in words if words[name] >= SENTENCE]
        if not found:
            return ""
        name = max(found, key=words.__getitem__)
        self.why["text_col"] = f"{words[name]:.0f} words on average"
        self.others["text_col"] = tuple(one for one in found if one != name)[:MOST_TOLD]
        return self._take(name)

    def _groups(self) -> tuple[str, ...]:
        """Columns whose values several rows share; those named so first."""
        sizes = {name: len(self.cells[name]) / len(set(self.cells[name])) for name in self.free}
        named = [name for name in sizes if is_named(name, GROUPS) and sizes[name] > 1]
        few = [
            name for name in sizes if 1.2 <= sizes[name] <= 50 and len(set(self.cells[name])) > 9
        ]
        return tuple(dict.fromkeys((*named, *few)))[:MOST_TOLD]

    def _repeated(self, names: Sequence[str]) -> str:
        """A column named so, with several values that several rows have."""
        found = (name for name in self.free if is_named(name, names))
        several = (name for name in found if 1 < len(set(self.cells[name])) < len(self.cells[name]))
        return next(map(self._take, several), "")

    def _is_unique(self, name: str) -> bool:
        cells = as_text(self.columns.values[name])
        return len(set(cells)) == len(cells) and all(cell.strip() for cell in cells)

    def _is_bits(self, name: str) -> bool:
        values = {cell.lower() for cell in self.cells[name]}
        if len(values) == 1:
            return False
        told = values.intersection(BITS)
        return is_crossed(values) or (bool(told) and values <= {*BITS, *EMPTY, *MARKS})

    def _is_text(self, name: str) -> bool:
        cells = [cell for cell in self.cells[name] if cell]
        return bool(cells) and not any(cell.startswith(("http://", "https://")) for cell in cells)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def is_named(name: str, names: Sequence[str]) -> bool:
    plain = _plain(name)
    return plain in names or plain.removesuffix("s") in names


def _words(cells: Iterable[str]) -> float:
    """The mean number of words of the texts that are not empty."""
    counts = [len(cell.split()) for cell in cells if cell]
    return sum(counts) / len(counts) if counts else 0.0


def _is_decimal(label: str) -> bool:
    whole, point, part = label.partition(".")
    return bool(point) and whole.lstrip("-").isdigit() and part.strip("0").isdigit()
