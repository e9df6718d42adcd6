"""Small files that tests write and read, and a process that dies while it replaces files."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmfeat.core.files import replacing


def put(path: Path, text: str) -> Path:
    """Write `text` (UTF-8) to `path`, and return it."""
    path.write_text(text, encoding="utf-8")
    return path


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by the names of its columns."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def fake_client(folder: Path, body: str) -> None:
    """Put a command `kaggle` into `folder`: a shell script."""
    client = put(folder / "kaggle", f"#!/bin/sh\n{body}\n")
    client.chmod(0o755)


class Killed(Exception):  # noqa: N818 - no error: it stands for SIGKILL
    """The process dies here."""


@contextmanager
def killed_at(step: int) -> Iterator[None]:
    """End the block at a step from 1 on: before a file is written, before it is moved, or after.

    Fails where nothing was killed though there are that many steps.
    """
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        if done == step:
            raise Killed

    @contextmanager
    def dying(path: Path) -> Iterator[Path]:
        count()
        with replacing(path) as partial:
            yield partial
            count()
        count()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmfeat.runs.files.replacing", dying)
        patch.setattr("mmfeat.core.files.replacing", dying)
        try:
            yield
        except Killed:
            return
    assert done < step
