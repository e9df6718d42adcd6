"""Data that is not in the repository: a benchmark is told where it lies."""

from __future__ import annotations

import argparse
from pathlib import Path


def existing(text: str) -> Path:
    """A path on the command line; argparse ends with one line where it is missing."""
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"this benchmark needs it, and {path} is missing")
    return path
