"""Why an image has no embedding: a status, and a reason in words."""

from __future__ import annotations

from dataclasses import dataclass

from mmfeat.store.layout import Status

MAX_FILE_BYTES = 1 << 29


@dataclass(frozen=True)
class Refusal:
    """Why an image has no embedding."""

    status: Status
    reason: str


def too_large(n_bytes: int, *, allowed: int = MAX_FILE_BYTES) -> Refusal:
    """The refusal of a file of `n_bytes`, more than `allowed`."""
    return Refusal(Status.TOO_LARGE, f"the file has {n_bytes} bytes; {allowed} are allowed")
