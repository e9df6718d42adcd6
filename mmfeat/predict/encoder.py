"""Whether rows were embedded by the encoder that a run was fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmfeat.errors import RunError

# What decides the numbers of an embedding beyond rounding.
IDENTITY = ("name", "weights_sha256", "preprocessing", "tokenizer", "context_length")


def check_encoder(
    encoder: Mapping[str, Any], fitted: Mapping[str, Any], *, run: str, source: str
) -> None:
    """Compare an encoder with the one that `run` was fitted on; raise `RunError` for another."""
    for key in IDENTITY:
        if encoder.get(key) != fitted.get(key):
            raise RunError(
                f"a run predicts features of the encoder it was fitted on; the {key} differs",
                f"{source} has {encoder.get(key)!r}, {run} {fitted.get(key)!r}",
                "extract with the run's model and weights",
            )
