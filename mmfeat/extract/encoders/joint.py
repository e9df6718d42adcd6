"""An encoder of pictures with their captions: one vector for each pair."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from mmfeat.extract.encoders.base import Encoder, Pixels, Preprocessing, Tokenized, Tokens
from mmfeat.extract.encoders.device import PROBE_ROWS, Fitting, Normaliser, Transfer, fitting_batch
from mmfeat.extract.encoders.subwords import Subwords
from mmfeat.types import FloatArray

BATCH, MOST = 32, 512  # pairs of a batch; the most on a GPU

# Normalised pictures (b, 3, height, width) and the input of their captions -> vectors (b, d).
Vectors = Callable[[torch.Tensor, Mapping[str, torch.Tensor]], torch.Tensor]


class JointEncoder(Encoder):
    """A model on one device, in one precision, that reads a picture and a caption together.

    Parameters
    ----------
    origin
        Of the provenance: the name of the model, the sha256 of its weights, and the like.
    libraries
        Packages whose versions the provenance has.
    """

    def __init__(
        self,
        vectors: Vectors,
        *,
        preprocessing: Preprocessing,
        subwords: Subwords,
        origin: dict[str, Any],
        precision: str,
        dtype: torch.dtype,
        device: torch.device,
        libraries: Sequence[str],
    ) -> None:
        self._vectors, self._subwords = vectors, subwords
        self._pictures = Normaliser(preprocessing, dtype=dtype, device=device)
        self._transfer = Transfer(device)
        self._features = Fitting(self._run)
        self.preprocessing = preprocessing
        pixels = np.zeros((1, *preprocessing.largest, 3), np.uint8)
        tokens = self.tokenize(["a " * subwords.context]).tokens
        self.dims = {"joint": self._features(pixels, tokens).shape[1]}
        self.batch_sizes = {"joint": BATCH}
        if device.type == "cuda":
            probe = (np.repeat(row, PROBE_ROWS, axis=0) for row in (pixels, tokens))
            most = fitting_batch(self._features, *probe, device=device, most=MOST)
            self.batch_sizes = {"joint": most}
        self.provenance = {
            **origin,
            "preprocessing": preprocessing.document(),
            "tokenizer": subwords.name,
            "context_length": subwords.context,
            "precision": precision,
            "device": device.type,
            "libraries": {name: importlib.metadata.version(name) for name in libraries},
        }

    def tokenize(self, captions: Sequence[str]) -> Tokenized:
        """Turn captions into tokens (b, context)."""
        return self._subwords(captions)

    def encode_pairs(self, pixels: Pixels, tokens: Tokens) -> FloatArray:
        """Return embeddings (b, d) of pictures (b, height, width, 3) with captions (b, context)."""
        return self._transfer.fetch(self._features(pixels, tokens))()

    def _run(self, pixels: Pixels, tokens: Tokens) -> torch.Tensor:
        inputs = self._subwords.inputs(tokens)
        sent = {name: self._transfer.send(array) for name, array in inputs.items()}
        return self._vectors(self._pictures(pixels), sent)
