"""Files that are nearly named as a table names them: why images are not found, and what to do.

Looked at are other spellings of the name (a blank around it, backslashes, another or no suffix,
letters of the other case, composed or decomposed accents, zeros in front, folders before it), each
in the folder of images, in the folders directly inside it, in the one around it, and in those
beside it. Work is bounded for a name: so many folders, so many entries of each.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from mmfeat.extract.guard import is_there

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic")
MOST_FOLDERS, MOST_ENTRIES, MOST_TAILS = 50, 20_000, 8
_SEVERAL = re.compile(r"\s*[;,|]\s*")


@dataclass(frozen=True)
class Near:
    """A file that is nearly named so.

    Attributes
    ----------
    file
        Its path, relative to `folder`.
    folder
        The folder in which the name is looked for: the asked one, or one inside, around or beside.
    why
        How the name differs, as a sentence without a full stop; empty where only the folder does.
    """

    file: str
    folder: Path
    why: str


def find_near(folder: Path, name: str) -> Near | None:
    """Give the file that is most nearly named `name` below `folder`, which has no such file."""
    inside, beside = (islice(_folders_in(at), MOST_FOLDERS) for at in (folder, folder.parent))
    places = [folder, *inside, folder.parent, *(place for place in beside if place != folder)]
    for place in places:
        for spelling, why in _spellings(name):
            if (place != folder or spelling != name) and is_there(place, spelling):
                return Near(spelling, place, why)
        for spelling, _ in islice(_spellings(name), 2):
            found = _folded(place, spelling)
            if found is not None:
                return Near(found, place, _difference(spelling, found))
    return None


def _spellings(name: str) -> Iterator[tuple[str, str]]:
    """Other ways to write a name, and how the name differs from each."""
    yield name, ""
    bare = name.strip()
    slashes = bare.replace("\\", "/")
    parts = [part for part in PurePosixPath(slashes).parts if part not in ("/", ".", "..")]
    if slashes != bare:
        yield slashes, f"the name '{name}' has backslashes, and folders are separated by /"
    elif bare != name:
        yield bare, f"the name '{name}' begins or ends with a blank"
    for form in ("NFC", "NFD"):
        yield (
            unicodedata.normalize(form, slashes),
            f"the name has its accents in another Unicode form ({form} is that of the file)",
        )
    backslashes = "the name has backslashes, and " * (slashes != bare)
    for first in range(1, min(len(parts), MOST_TAILS)):
        before = "/".join(parts[:first])
        yield "/".join(parts[first:]), f"{backslashes}'{before}' before the name is too much"
    for suffix in (form for plain in SUFFIXES for form in (plain, plain.upper())):
        yield slashes + suffix, f"the name lacks the suffix {suffix}"
    path = PurePosixPath(slashes)
    if path.name and path.suffix:
        for suffix in (form for plain in SUFFIXES for form in (plain, plain.upper())):
            differs = " in case" * (suffix.lower() == path.suffix.lower())
            yield (
                str(path.with_suffix(suffix)),
                f"the suffix differs{differs}: it is {suffix}, not {path.suffix}",
            )
    yield unquote(slashes), "the name is written as in a URL"
    several = _SEVERAL.split(bare)
    if len(several) > 1:
        yield several[0], "the cell names several images, and a row has one"


def _folded(folder: Path, name: str) -> str | None:
    """Find a file by its name without regard to case, accents' form and zeros in front."""
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", ".", "..")]
    at = PurePosixPath()
    for number, part in enumerate(parts):
        is_last = number == len(parts) - 1
        for entry in islice(_names_in(folder / at), MOST_ENTRIES):
            if _fold(entry) == _fold(part) or (is_last and _fold(_stem(entry)) == _fold(part)):
                at /= entry
                break
        else:
            return None
    found = str(at)
    return found if found != name and is_there(folder, found) else None


def _difference(name: str, found: str) -> str:
    one, other = (unicodedata.normalize("NFC", text) for text in (name, found))
    if one.casefold() == other.casefold():
        return "the name differs in case: upper and lower case letters are not the same"
    suffix = ""
    if _fold(name) == _fold(_stem(found)):
        suffix = f", and lacks the suffix {PurePosixPath(found).suffix}"
    return f"the name differs in case or in its zeros in front{suffix}"


def _fold(text: str) -> str:
    plain = unicodedata.normalize("NFC", text.strip()).casefold()
    return plain.lstrip("0") or plain


def _stem(entry: str) -> str:
    path = PurePosixPath(entry)
    return path.stem if path.suffix.lower() in SUFFIXES else entry


def _names_in(folder: Path) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry.name for entry in entries)
    except OSError:
        return


def _folders_in(folder: Path) -> Iterator[Path]:
    found = sorted(islice(_names_in(folder), MOST_ENTRIES))
    return (folder / name for name in found if (folder / name).is_dir())
