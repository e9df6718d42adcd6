"""Small files that tests write and read."""

from __future__ import annotations

import csv
from pathlib import Path


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
