"""The encoder of a run: which it is, where its weights are, and whether another is the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmfeat.config import AUTO, ExtractSettings
from mmfeat.errors import RunError
from mmfeat.extract.encoders.weights.place import split_tag
from mmfeat.runs.bundle import Bundle
from mmfeat.runs.run import Run

# What decides the numbers of an embedding beyond rounding.
IDENTITY = ("name", "weights_sha256", "preprocessing", "tokenizer", "context_length", "joint_pool")


def _origins(run: Run) -> list[dict[str, Any]]:
    return [store["encoder"] for store in run.provenance["stores"]]


def is_encoded(run: Run) -> bool:
    """Whether it was fitted on embeddings by one encoder that mmfeat runs."""
    origin, *others = _origins(run)
    return not others and "weights_sha256" in origin


def encoder_of(run: Run) -> dict[str, Any]:
    """What identifies the encoder; raise `RunError` where mmfeat runs none or several."""
    if not is_encoded(run):
        raise RunError(
            "pictures and captions go through one encoder that mmfeat can run",
            f"{run.name} was fitted {origin_of(run)}",
            "give embeddings: the --split of a store or, in Python, embeddings=",
        )
    return _origins(run)[0]


def origin_of(run: Run) -> str:
    """What a run was fitted on where it has no encoder of its own, as the end of a sentence."""
    names = [str(origin["name"]) for origin in _origins(run)]
    return f"on embeddings of {' and '.join(names)}" if len(names) > 1 else "on imported embeddings"


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


def pick_weights(run: Run, given: Sequence[str]) -> str | None:
    """Those of weights for several runs that `weights_of` takes for this one; None for its own.

    A bundle that holds its weights takes these; ``TAG=FILE`` is for runs of that tag.
    """
    if not is_encoded(run) or (isinstance(run, Bundle) and run.encoder_weights):
        return None
    tag = encoder_of(run).get("pretrained")
    tagged = {weights: split_tag(weights) for weights in given}
    own = [weights for weights, (name, file) in tagged.items() if file and name == tag]
    return next(iter([*own, *(weights for weights, (_, file) in tagged.items() if not file)]), None)


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
