"""Any model of open_clip behind the contract of `Encoder`.

What makes it faster than a plain loop changes no embedding beyond rounding: weights and inputs
in the chosen precision, and captions cut to the longest of the batch where that is exact.
"""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from open_clip import CLIP, CustomTextCLIP
from open_clip.transformer import TextTransformer, text_global_pool
from torch import nn

from mmfeat.encoders.base import Encoder, Pixels, Preprocessing, Tokenized, Tokens
from mmfeat.encoders.precision import PRECISIONS
from mmfeat.encoders.tokens import tokenize
from mmfeat.types import FloatArray

log = logging.getLogger(__name__)
LIBRARIES = ("torch", "open_clip_torch")
IMAGE_BATCH = {"cpu": 64, "cuda": 256}
TEXT_BATCH = {"cpu": 256, "cuda": 1024}


class ClipEncoder(Encoder):
    """A CLIP model of open_clip on one device, in one precision."""

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
        self._device = device
        self._model: Any = model.to(device, self._dtype).eval().requires_grad_(False)
        self._tokenizer = tokenizer
        self._text_tower = _cuttable_tower(model)
        self.preprocessing = preprocessing
        scale = 255 * torch.tensor(preprocessing.std)
        shift = torch.tensor(preprocessing.mean) / torch.tensor(preprocessing.std)
        self._scale, self._shift = (1 / scale).to(device), shift.to(device)
        self.image_batch = IMAGE_BATCH.get(device.type, 64)
        self.text_batch = TEXT_BATCH.get(device.type, 256)
        self.context = int(getattr(tokenizer, "context_length", 77) or 77)
        self.image_dim = self.encode_images(np.zeros((1, *preprocessing.size, 3), np.uint8)).shape[
            1
        ]
        self.text_dim = self.encode_tokens(self.tokenize(["a"]).tokens).shape[1]
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
        """Give embeddings (b, d) of `pixels` (b, height, width, 3)."""
        return _stepping_down(self._encode_images, pixels)

    def tokenize(self, captions: Sequence[str]) -> Tokenized:
        """Turn captions into tokens (b, context)."""
        return tokenize(self._tokenizer, captions, context=self.context)

    def encode_tokens(self, tokens: Tokens) -> FloatArray:
        """Give embeddings (b, d) of `tokens` (b, context)."""
        return _stepping_down(self._encode_tokens, tokens)

    @torch.inference_mode()
    def _encode_images(self, pixels: Pixels) -> FloatArray:
        images = torch.from_numpy(np.ascontiguousarray(pixels))
        if self._device.type == "cuda":
            images = images.pin_memory().to(self._device, non_blocking=True)
        inputs = (images.float() * self._scale - self._shift).to(self._dtype)
        features = self._model.encode_image(inputs.permute(0, 3, 1, 2))  # (b, 3, height, width)
        return _to_numpy(features)

    @torch.inference_mode()
    def _encode_tokens(self, tokens: Tokens) -> FloatArray:
        inputs = torch.from_numpy(tokens).to(self._device)
        if self._text_tower is None:
            return _to_numpy(self._model.encode_text(inputs))
        end = int(inputs.argmax(dim=-1).max()) + 1  # the end-of-text token is the largest
        return _to_numpy(encode_cut_text(self._text_tower, inputs[:, :end]))


def _cuttable_tower(model: Any) -> Any:
    """Return the text tower if cutting its input changes nothing: causal, pooled at the end.

    Known to be so: the towers of `CLIP` and `CustomTextCLIP` in open_clip. Everything else
    (CoCa with its class token, Hugging Face towers, SigLIP's last-token pooling) is not cut.
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


def _to_numpy(features: torch.Tensor) -> FloatArray:
    array: FloatArray = features.float().cpu().numpy()
    return array


def _stepping_down(encode: Callable[[NDArray[Any]], FloatArray], batch: NDArray[Any]) -> FloatArray:
    """Encode a batch; where it does not fit into the device's memory, its two halves."""
    try:
        return encode(batch)
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            raise
    torch.cuda.empty_cache()
    half = len(batch) // 2
    log.warning("a batch of %d did not fit; trying %d", len(batch), half)
    parts = [_stepping_down(encode, batch[:half]), _stepping_down(encode, batch[half:])]
    return np.concatenate(parts)
