"""Models of sentence-transformers that take chat messages: captions, pictures, or both in one.

What a message looks like is the model's own: sentence-transformers makes it by the chat template.
A caption stays a text until then, as its code points.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from sentence_transformers.util import batch_to_device

from mmfeat.errors import EncoderError
from mmfeat.extract.encoders.base import Encoder, Pixels, Preprocessing, Tokenized, Tokens
from mmfeat.extract.encoders.device import Fitting, Transfer
from mmfeat.extract.encoders.subwords import NONE, cut_words
from mmfeat.types import FloatArray

TEXT_BATCH, IMAGE_BATCH = 32, 8  # such models are large


class ChatEncoder(Encoder):
    """A loaded model on one device, in one precision.

    Parameters
    ----------
    preprocessing
        How pictures are resized; None for a model that takes none.
    prompt
        What the model is told about its inputs; may be empty.
    origin
        Of the provenance: the name of the model, the sha256 of its weights, and the like.
    libraries
        Packages whose versions the provenance has.
    """

    def __init__(
        self,
        model: Any,
        *,
        preprocessing: Preprocessing | None,
        prompt: str,
        origin: dict[str, Any],
        precision: str,
        dtype: torch.dtype,
        device: torch.device,
        libraries: Sequence[str],
    ) -> None:
        self._model, self._prompt = model, prompt
        self._dtype, self._device = dtype, device
        self._transfer = Transfer(device)
        self._captions = Fitting(lambda tokens: self._run(texts_of(tokens)))
        self._pictures = Fitting(lambda pixels: self._run([*map(Image.fromarray, pixels)]))
        self._pairs = Fitting(self._run_pairs)
        self._tokenizer = model[0].tokenizer
        beside = model.preprocess(["a"], prompt=prompt)["input_ids"].shape[1] - 1
        self.context = int(model.max_seq_length or self._tokenizer.model_max_length) - beside
        width = self._captions(self.tokenize(["a"]).tokens).shape[1]
        self.preprocessing = preprocessing
        self.dims, self.batch_sizes = {"text": width}, {"text": TEXT_BATCH}
        told: dict[str, Any] = {}
        if preprocessing is not None:
            self.dims = {"image": width, "text": width, "joint": width}
            self.batch_sizes |= {"image": IMAGE_BATCH, "joint": IMAGE_BATCH}
            told = {"preprocessing": preprocessing.document()}
        self.provenance = {
            **origin,
            **told,
            "tokenizer": type(self._tokenizer).__name__,
            "context_length": self.context,
            "precision": precision,
            "device": device.type,
            "libraries": {name: importlib.metadata.version(name) for name in libraries},
        }

    def encode_images(self, pixels: Pixels) -> FloatArray:
        """Return embeddings (b, d) of `pixels` (b, height, width, 3)."""
        if self.preprocessing is None:
            raise self.lacks("image")
        return self._transfer.fetch(self._pictures(pixels))()

    def tokenize(self, captions: Sequence[str]) -> Tokenized:
        """Give the code points of captions (b, most); what is too long is cut by the model."""
        cut = cut_words(captions, context=self.context)
        found = self._tokenizer(cut, add_special_tokens=False, verbose=False)["input_ids"]
        lengths = np.array([len(ids) for ids in found], np.int64)
        tokens = np.full((len(cut), max(map(len, cut))), NONE, np.int64)
        for row, text in enumerate(cut):
            tokens[row, : len(text)] = [ord(letter) for letter in text]
        changed = [a != b for a, b in zip(cut, captions, strict=True)]
        return Tokenized(
            tokens=tokens,
            lengths=np.minimum(lengths, self.context),
            truncated=((lengths > self.context) | changed).astype(np.uint8),
        )

    def encode_tokens(self, tokens: Tokens) -> FloatArray:
        """Return embeddings (b, d) of captions by their code points (b, most)."""
        return self._transfer.fetch(self._captions(tokens))()

    def encode_pairs(self, pixels: Pixels, tokens: Tokens) -> FloatArray:
        """Return embeddings (b, d) of pictures (b, height, width, 3) with captions (b, most)."""
        if self.preprocessing is None:
            raise self.lacks("joint")
        return self._transfer.fetch(self._pairs(pixels, tokens))()

    def _run_pairs(self, pixels: Pixels, tokens: Tokens) -> torch.Tensor:
        pairs = zip(map(Image.fromarray, pixels), texts_of(tokens), strict=True)
        return self._run([{"image": picture, "text": text} for picture, text in pairs])

    def _run(self, inputs: list[Any]) -> torch.Tensor:
        try:
            found = self._model.preprocess(inputs, prompt=self._prompt)
        except ValueError as error:
            raise EncoderError(
                "a picture with its caption must fit into the context of a model",
                " ".join(str(error).split())[:300],
                "shorten the captions, or use --modalities image,text",
            ) from error
        for name, value in found.items():
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                found[name] = value.to(self._dtype)
        features = self._model(batch_to_device(found, self._device))["sentence_embedding"]
        vectors: torch.Tensor = features[:, : self._model.truncate_dim]
        return vectors


def texts_of(tokens: Tokens) -> list[str]:
    """The captions of code points (b, most)."""
    return ["".join(map(chr, row[row != NONE].tolist())) for row in tokens]
