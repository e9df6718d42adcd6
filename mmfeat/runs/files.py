"""Files of a run, read and replaced under its seal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmfeat.core import files
from mmfeat.core.files import file_sha256, replacing
from mmfeat.runs import seal


def has(folder: Path, name: str) -> bool:
    """Whether a file was written; in a finished run it may be missing all the same."""
    return (folder / name).is_file() or (seal.is_sealed(folder) and name in seal.names(folder))


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Read a JSON object; raise `RunError` where the file is missing or damaged."""
    path = folder / name
    seal.verify(folder, name)
    try:
        document: dict[str, Any] = files.read_json(path)
    except OSError as error:
        raise seal.damaged(path, error.strerror or str(error)) from error
    except ValueError as error:
        raise seal.damaged(path, f"it is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise seal.damaged(path, "it is not a JSON object")
    return document


@contextmanager
def replacing_sealed(folder: Path, name: str) -> Iterator[Path]:
    """Replace a file of a run; the seal accepts the new one before it takes its place."""
    with replacing(folder / name) as partial:
        yield partial
        seal.accept(folder, name, file_sha256(partial))
