"""The encoder of a run: which it is, where its weights are, and whether another is the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmfeat.config import AUTO, ExtractSettings
from mmfeat.errors import RunError
from mmfeat.runs.bundle import Bundle
from mmfeat.runs.run import Run

# What decides the numbers of an embedding beyond rounding.
IDENTITY = ("name", "weights_sha256", "preprocessing", "tokenizer", "context_length")


def encoder_of(run: Run) -> dict[str, Any]:
    """What identifies the encoder; raise `RunError` where mmfeat runs none or several."""
    origins: list[dict[str, Any]] = [origin["encoder"] for origin in run.provenance["stores"]]
    if len(origins) > 1 or "weights_sha256" not in origins[0]:
        names = " and ".join(origin["name"] for origin in origins)
        raise RunError(
            "pictures and captions go through one encoder that mmfeat can run",
            f"{run.name} was fitted on embeddings of {names}",
            "make the stores with `mmfeat extract` or `mmfeat import`, and name their --split",
        )
    return origins[0]


def weights_of(
    run: Run, given: str | None = None, *, settings: ExtractSettings | None = None
) -> str:
    """Where its weights are: as `given`, in the bundle, in `settings`, or the tag that they had."""
    fitted = encoder_of(run)
    tag = str(fitted.get("pretrained", ""))
    if given is not None:
        return given
    if isinstance(run, Bundle):
        return f"{tag}={run.encoder_weights}" if run.encoder_weights else tag
    if settings and settings.model == fitted["name"] and settings.pretrained != AUTO:
        return settings.pretrained
    return tag


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
