"""The two towers of a CLIP model behind the contract of `Encoder`.

They are faster than a plain loop, and their embeddings differ by rounding only: weights and inputs
have the chosen precision, and captions are cut to the longest of the batch where that is exact.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from mmfeat.extract.encoders.base import Encoder, Pixels, Preprocessing, Tokenized, Tokens
from mmfeat.extract.encoders.device import (
    PROBE_ROWS,
    Fitting,
    ImageTower,
    Transfer,
    fitting_batch,
    placed,
)
from mmfeat.extract.encoders.families.open_clip_tokens import tokenize
from mmfeat.extract.encoders.precision import PRECISIONS
from mmfeat.types import FloatArray

LIBRARIES = ("torch", "open_clip_torch")
IMAGE_BATCH, TEXT_BATCH = 64, 256
MOST_IMAGES, MOST_CAPTIONS = 1024, 4096  # the largest batches on a GPU


class ClipEncoder(Encoder):
    """A CLIP model on one device, in one precision.

    Captions are cut to the longest of their batch where `text_tower` is given: the part of `model`
    that `encode_cut_text` runs.
    """

    preprocessing: Preprocessing

    def __init__(
        self,
        model: nn.Module,
        *,
        text_tower: Any,
        tokenizer: Any,
        preprocessing: Preprocessing,
        origin: dict[str, str],
        precision: str,
        device: torch.device,
    ) -> None:
        self._dtype = PRECISIONS[precision]
        self._model = placed(model, device, self._dtype)
        self._tokenizer = tokenizer
        self._text_tower = text_tower
        self._transfer = Transfer(device)
        encode_image: Any = self._model.encode_image
        self.images = ImageTower(
            encode_image, preprocessing=preprocessing, dtype=self._dtype, device=device
        )
        self._text_features = Fitting(self._run_captions)
        self.preprocessing = preprocessing
        self.context = int(getattr(tokenizer, "context_length", 77) or 77)
        self.batch_sizes = {"image": IMAGE_BATCH, "text": TEXT_BATCH}
        picture = np.zeros((1, *preprocessing.size, 3), np.uint8)
        caption = self.tokenize(["a " * self.context]).tokens
        if device.type == "cuda":
            self.batch_sizes = {
                modality: fitting_batch(
                    run, np.repeat(row, PROBE_ROWS, axis=0), device=device, most=most
                )
                for modality, run, row, most in (
                    ("image", self.images.features, picture, MOST_IMAGES),
                    ("text", self._text_features, caption, MOST_CAPTIONS),
                )
            }
        self.dims = {
            "image": self.encode_images(picture).shape[1],
            "text": self.encode_tokens(caption).shape[1],
        }
        self.provenance = {
            **origin,
            "preprocessing": preprocessing.document(),
            "tokenizer": type(tokenizer).__name__,
            "context_length": self.context,
            "precision": precision,
            "device": device.type,
            "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        }

    def encode_images(self, pixels: Pixels) -> FloatArray:
        """Return embeddings (b, d) of `pixels` (b, height, width, 3)."""
        return self.images(pixels)

    def encode_image_batches(self, batches: Iterable[Pixels]) -> Iterator[FloatArray]:
        """Yield the embeddings of each batch one batch late, which keeps a GPU busy."""
        return self.images.encode_batches(batches)

    def tokenize(self, captions: Sequence[str]) -> Tokenized:
        """Turn captions into tokens (b, context)."""
        return tokenize(self._tokenizer, captions, context=self.context)

    def encode_tokens(self, tokens: Tokens) -> FloatArray:
        """Return embeddings (b, d) of `tokens` (b, context)."""
        return self._transfer.fetch(self._text_features(tokens))()

    def _run_captions(self, tokens: Tokens) -> torch.Tensor:
        if self._text_tower is None:
            features: torch.Tensor = self._model.encode_text(self._transfer.send(tokens))
            return features
        end = int(tokens.argmax(axis=-1).max()) + 1  # the end-of-text token is the largest
        return encode_cut_text(self._text_tower, self._transfer.send(tokens[:, :end]))


def encode_cut_text(tower: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Run a causal text tower on tokens (b, length) that were cut after their last end token."""
    length = tokens.shape[1]
    dtype = tower.transformer.get_cast_dtype()
    x = tower.token_embedding(tokens).to(dtype) + tower.positional_embedding[:length].to(dtype)
    x = tower.transformer(x, attn_mask=tower.attn_mask[:length, :length])
    ends = tokens.argmax(dim=-1)  # pooled first: the norm is per token
    x = tower.ln_final(x[torch.arange(len(x), device=x.device), ends])  # (b, width)
    projection = tower.text_projection
    if projection is not None:
        x = projection(x) if isinstance(projection, nn.Linear) else x @ projection
    features: torch.Tensor = x
    return features
