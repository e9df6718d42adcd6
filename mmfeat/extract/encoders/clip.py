"""Any model of open_clip behind the contract of `Encoder`.

It is faster than a plain loop, and its embeddings differ by rounding only: weights and inputs have
the chosen precision, and captions are cut to the longest of the batch where that is exact.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from open_clip import CLIP, CustomTextCLIP
from open_clip.transformer import TextTransformer, text_global_pool
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
from mmfeat.extract.encoders.precision import PRECISIONS
from mmfeat.extract.encoders.tokens import tokenize
from mmfeat.types import FloatArray

LIBRARIES = ("torch", "open_clip_torch")
IMAGE_BATCH, TEXT_BATCH = 64, 256
MOST_IMAGES, MOST_CAPTIONS = 1024, 4096  # the largest batches on a GPU


class ClipEncoder(Encoder):
    """A CLIP model of open_clip on one device, in one precision."""

    preprocessing: Preprocessing

    def __init__(
        self,
        model: nn.Module,
        *,
        tokenizer: Any,
        preprocessing: Preprocessing,
        origin: dict[str, str],
        precision: str,
        device: torch.device,
    ) -> None:
        self._dtype = PRECISIONS[precision]
        self._model = placed(model, device, self._dtype)
        self._tokenizer = tokenizer
        self._text_tower = _cuttable_tower(model)
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


def _cuttable_tower(model: Any) -> Any:
    """Return the text tower if cutting its input changes nothing: causal, pooled at the end.

    This holds for the towers of `CLIP` and `CustomTextCLIP` in open_clip. All others (CoCa with its
    class token, Hugging Face towers, SigLIP's last-token pooling) are not cut.
    """
    if type(model) is CLIP:
        tower, pool = model, model.text_pool_type
    elif type(model) is CustomTextCLIP and type(model.text) is TextTransformer:
        tower, pool = model.text, model.text.pool_type
        if tower.cls_emb is not None or tower.use_pad_mask or tower.output_tokens:
            return None
    else:
        return None
    return tower if tower.attn_mask is not None and pool == "argmax" else None


def encode_cut_text(tower: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Run a causal text tower on tokens (b, length) that were cut after their last end token."""
    length = tokens.shape[1]
    dtype = tower.transformer.get_cast_dtype()
    x = tower.token_embedding(tokens).to(dtype) + tower.positional_embedding[:length].to(dtype)
    x = tower.transformer(x, attn_mask=tower.attn_mask[:length, :length])
    x = text_global_pool(x, tokens, "argmax")  # (b, width); pooled first: the norm is per token
    x = tower.ln_final(x)
    projection = tower.text_projection
    if projection is not None:
        x = projection(x) if isinstance(projection, nn.Linear) else x @ projection
    features: torch.Tensor = x
    return features
