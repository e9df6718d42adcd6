"""The manifest of a bundle: the sha256 and the size of every other file, `manifest.json`.

A bundle may come from anybody: names are no paths, and sizes are bounded before anything is read.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NoReturn

from mmfeat.core.files import file_sha256, read_json, write_json
from mmfeat.errors import RunError

MANIFEST = "manifest.json"
FORMAT = 1
# Of files; none of them is executed: .model is a vocabulary of sentencepiece, and .jinja a chat
# template, which transformers renders in a sandbox.
KINDS = (".json", ".safetensors", ".txt", ".md", ".model", ".jinja")
MOST_FILES = 100_000
MOST_BYTES = 2**28  # of a file that is parsed as a whole; tensors are mapped
NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,200}(/[^/\\\x00-\x1f\x7f]{1,200}){0,7}")


def write_manifest(folder: Path) -> None:
    """Write the sha256 and the size of every file below `folder`."""
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    sums = {
        name: {"sha256": file_sha256(folder / name), "bytes": (folder / name).stat().st_size}
        for name in files
    }
    write_json(folder / MANIFEST, {"format": FORMAT, "files": sums})


def broken(folder: Path, found: str) -> RunError:
    """Make the error of a bundle that cannot be used."""
    return RunError(
        "a bundle is used as `mmfeat export` wrote it",
        f"{folder}: {found}",
        "copy it again, or export it again",
    )


def read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """The sha256 and the bytes of each file by name; raise `RunError` for what is no such list."""
    manifest = read_object(folder, MANIFEST)
    if manifest.get("format") != FORMAT:
        found = f"its format is {manifest.get('format')!r}, this mmfeat reads {FORMAT}"
        raise broken(folder, found)
    files = manifest.get("files")
    if not isinstance(files, dict) or not 0 < len(files) <= MOST_FILES:
        raise broken(folder, f"{MANIFEST} lists no files, or too many")
    for name, known in files.items():
        if not _is_plain(name) or not isinstance(known, dict):
            raise broken(folder, f"{MANIFEST} has the entry {name!r}, which is no file of a bundle")
    return files


def check_files(folder: Path) -> None:
    """Compare everything below `folder` with its manifest; raise `RunError` for any difference."""
    files = read_manifest(folder)
    present = set(_walk(folder)) - {MANIFEST}
    if odd := sorted(present ^ set(files)):
        what = "is not in the manifest" if odd[0] in present else "is missing"
        raise broken(folder, f"{odd[0]} {what}")
    for name, known in files.items():
        _check_file(folder, name, known)


def _check_file(folder: Path, name: str, known: dict[str, Any]) -> None:
    path = folder / name
    size = path.stat().st_size
    if path.suffix != ".safetensors" and size > MOST_BYTES:
        raise broken(folder, f"{name} has {size:,} bytes; {MOST_BYTES:,} are allowed")
    try:
        sha256 = file_sha256(path) if size == known.get("bytes") else None
    except OSError as error:
        raise broken(folder, f"{name}: {error.strerror}") from error
    if sha256 is None or sha256 != known.get("sha256"):
        raise broken(folder, f"{name} has changed since it was written: its sha256 differs")


def _walk(folder: Path) -> list[str]:
    """The files below a folder, by name; raise `RunError` for a link and for too many."""

    def fail(error: OSError) -> NoReturn:
        raise broken(folder, f"{error.filename}: {error.strerror}") from error

    names: list[str] = []
    for place, folders, files in os.walk(folder, onerror=fail):
        for name in (*folders, *files):
            if Path(place, name).is_symlink():
                raise broken(folder, f"{name} is a link")
        names += [Path(place, name).relative_to(folder).as_posix() for name in files]
        if len(names) > MOST_FILES:
            raise broken(folder, f"it has more than {MOST_FILES:,} files")
    return names


def _is_plain(name: str) -> bool:
    parts = name.split("/")
    return (
        bool(NAME.fullmatch(name))
        and not any(p in ("", ".", "..") for p in parts)
        and (Path(name).suffix in KINDS)
    )


def read_object(folder: Path, name: str) -> dict[str, Any]:
    """Read a JSON object of bounded size; raise `RunError` for anything else."""
    path = folder / name
    try:
        if path.stat().st_size > MOST_BYTES:
            raise broken(folder, f"{name} is too large")
        document = read_json(path)
    except OSError as error:
        raise broken(folder, f"{name}: {error.strerror or error}") from error
    except ValueError as error:
        raise broken(folder, f"{name} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise broken(folder, f"{name} is not a JSON object")
    return document
