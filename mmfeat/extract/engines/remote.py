"""The encoder of a Ray cluster: described in this process, loaded on machines with GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

import ray

from mmfeat.config import ExtractSettings
from mmfeat.core.cluster import Share, join_cluster, plain_errors, share_out
from mmfeat.extract.encoders import locate_weights
from mmfeat.extract.encoders.base import Encoder, Pixels, Tokenized, Tokens
from mmfeat.extract.engines.local import load_here
from mmfeat.extract.images.decoding import MOST_WORKERS
from mmfeat.types import FloatArray


class RemoteEncoder(Encoder):
    """An encoder of the cluster's machines: described here, loaded there when it is needed."""

    def __init__(self, settings: ExtractSettings) -> None:
        join_cluster(settings.ray_address)
        share = share_for(settings)
        self._settings = for_machines(settings, share)
        self._options: dict[str, Any] = {"num_cpus": share.cpus, "num_gpus": share.gpus}
        describe = ray.remote(max_calls=1, **self._options)(
            _describe
        )  # releases the memory of the model
        with plain_errors():
            vars(self).update(ray.get(describe.remote(self._settings)))

    def encode_images(self, pixels: Pixels) -> FloatArray:
        """Return embeddings (b, d) of `pixels` (b, height, width, 3)."""
        return cast("FloatArray", self._ask("encode_images", pixels))

    def tokenize(self, captions: Sequence[str]) -> Tokenized:
        """Turn captions into tokens (b, context)."""
        return cast("Tokenized", self._ask("tokenize", captions))

    def encode_tokens(self, tokens: Tokens) -> FloatArray:
        """Return embeddings (b, d) of `tokens` (b, context)."""
        return cast("FloatArray", self._ask("encode_tokens", tokens))

    def encode_pairs(self, pixels: Pixels, tokens: Tokens) -> FloatArray:
        """Return embeddings (b, d) of pictures (b, height, width, 3) with captions (b, context)."""
        return cast("FloatArray", self._ask("encode_pairs", pixels, tokens))

    def release(self) -> None:
        """Release the resources of the loaded encoder until it is needed again."""
        vars(self).pop("_loaded", None)

    @cached_property
    def _loaded(self) -> Any:
        return ray.remote(_Loaded).options(**self._options).remote(self._settings)

    def _ask(self, method: str, *arguments: Any) -> Any:
        with plain_errors():
            return ray.get(self._loaded.call.remote(method, *arguments))


class _Loaded:
    """The encoder itself, in an actor."""

    def __init__(self, settings: ExtractSettings) -> None:
        self._encoder = load_here(settings)

    def call(self, method: str, *arguments: Any) -> Any:
        return getattr(self._encoder, method)(*arguments)


def _describe(settings: ExtractSettings) -> dict[str, Any]:
    encoder = load_here(settings)
    return {name: getattr(encoder, name) for name in Encoder.__annotations__}


def share_for(settings: ExtractSettings) -> Share:
    """The resources of each actor; raises what `share_out` raises."""
    gpus = 0.0 if settings.device == "cpu" else settings.num_gpus_per_actor
    return share_out(workers=settings.actors, gpus=gpus)


def for_machines(settings: ExtractSettings, share: Share) -> ExtractSettings:
    """The settings with which an actor loads the encoder and decodes, on any machine."""
    most = max(min(int(share.cpus), MOST_WORKERS), 1)
    return replace(
        settings,
        pretrained=locate_weights(settings.model, settings.pretrained),
        device="cpu" if settings.device == "auto" and not share.gpus else settings.device,
        workers=most if settings.workers < 0 else settings.workers,
    )
