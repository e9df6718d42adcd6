"""The pictures below a folder, and which of them the cells of a column name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from mmfeat.config import is_utf8

SEPARATORS = (";", "|", ",")  # of several pictures in a cell
MOST_BESIDE = 3  # folders of pictures that no table names, of which is told
ENOUGH = 0.5  # of the cells of a column that names pictures


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the pictures of a column lie.

    Attributes
    ----------
    images
        The folder that the cells are relative to; itself relative to the project's.
    share
        Of the cells that are not empty, those whose pictures are there.
    separator
        What separates several pictures in a cell; None: a cell has one.
    suffix
        What the cells lack, e.g. ``.jpg``; empty: nothing.
    """

    images: str
    share: float
    separator: str | None = None
    suffix: str = ""


@dataclass(frozen=True)
class Pictures:
    """Paths of pictures, relative to the folder of the project, with slashes."""

    paths: frozenset[str]

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self.paths:
            found.setdefault(PurePosixPath(path).name, []).append(path)
        return found

    @cached_property
    def _suffixes(self) -> tuple[str, ...]:
        counts = Counter(PurePosixPath(path).suffix for path in self.paths)
        return tuple(suffix for suffix, _ in counts.most_common(3))

    def find(self, cells: Sequence[str]) -> Place | None:
        """Where the pictures that `cells` name lie; None where most are not there."""
        names = [cell for cell in cells if cell]
        ways: list[tuple[str | None, str]] = [(None, ""), *((sign, "") for sign in SEPARATORS)]
        for separator, suffix in [*ways, *((None, suffix) for suffix in self._suffixes)]:
            if separator is not None and not any(separator in name for name in names):
                continue
            rows = [[f"{part}{suffix}" for part in _parts(name, separator)] for name in names]
            images = self._folder_of(part for row in rows for part in row)
            if images is None:
                continue
            n_there = sum(all(self._is_there(images, part) for part in row) for row in rows)
            if n_there >= ENOUGH * len(names):
                return Place(
                    images=images,
                    share=n_there / len(names),
                    separator=separator,
                    suffix=suffix,
                )
        return None

    def below(self, images: str) -> Pictures:
        """Those below a folder."""
        if images == ".":
            return self
        return Pictures(frozenset(path for path in self.paths if path.startswith(f"{images}/")))

    def beside(self, places: Collection[str]) -> list[tuple[str, int]]:
        """The first folders that hold none of `places`, and how many pictures each has."""
        counts = Counter(path.partition("/")[0] for path in self.paths if "/" in path)
        used = {place.partition("/")[0] for place in places}
        found = sorted((name, n) for name, n in counts.items() if name not in used)
        return [] if "." in used else found[:MOST_BESIDE]

    def _folder_of(self, names: Iterable[str]) -> str | None:
        """The folder below which most of `names` are."""
        counts: Counter[str] = Counter()
        for name in names:
            for path in self._by_name.get(name.rpartition("/")[2], ()):
                if path == name or path.endswith(f"/{name}"):
                    counts[path[: -len(name)].rstrip("/") or "."] += 1
        return max(counts, key=lambda folder: (counts[folder], folder), default=None)

    def _is_there(self, images: str, name: str) -> bool:
        return (name if images == "." else f"{images}/{name}") in self.paths


def _parts(name: str, separator: str | None) -> list[str]:
    return [name] if separator is None else [part.strip() for part in name.split(separator)]


def walk(folder: Path, *, without: Iterable[str]) -> Iterable[str]:
    """Every file below a folder, as a path relative to it; hidden ones and `without` left out."""
    left_out = set(without)
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name not in left_out
        )
        at = PurePosixPath(Path(place).relative_to(folder).as_posix())
        paths = (str(at / name) for name in sorted(files) if not name.startswith("."))
        yield from filter(is_utf8, paths)
