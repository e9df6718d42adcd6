"""An encoder of towers by functions: one for pictures, one for captions, or either alone."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mmfeat.errors import EncoderError
from mmfeat.extract.encoders.base import Encoder, Pixels, Preprocessing, Tokenized, Tokens
from mmfeat.extract.encoders.device import PROBE_ROWS, Fitting, ImageTower, Transfer, fitting_batch
from mmfeat.types import FloatArray

if TYPE_CHECKING:
    from mmfeat.extract.encoders.subwords import Subwords

IMAGE_BATCH, TEXT_BATCH = 64, 256
MOST_IMAGES, MOST_CAPTIONS = 1024, 4096  # the largest batches on a GPU


class TowersEncoder(Encoder):
    """A model on one device, in one precision, with a tower for each modality that it gives.

    Parameters
    ----------
    image, preprocessing
        Gives features (b, d) of normalised pictures (b, 3, height, width), and how those are made;
        both None for a model that takes no pictures.
    text, subwords
        Gives features (b, d) of the input of captions, by name on the device, and how that is
        made; both None for a model that takes no captions.
    origin
        Of the provenance: the name of the model, the sha256 of its weights, and the like.
    libraries
        Packages whose versions the provenance has.
    """

    def __init__(
        self,
        *,
        image: Callable[[torch.Tensor], torch.Tensor] | None = None,
        preprocessing: Preprocessing | None = None,
        text: Callable[[Mapping[str, torch.Tensor]], torch.Tensor] | None = None,
        subwords: Subwords | None = None,
        origin: dict[str, Any],
        precision: str,
        dtype: torch.dtype,
        device: torch.device,
        libraries: Sequence[str],
    ) -> None:
        self.preprocessing = preprocessing
        self.dims, self.batch_sizes = {}, {}
        self.provenance = {
            **origin,
            "precision": precision,
            "device": device.type,
            "libraries": {name: importlib.metadata.version(name) for name in libraries},
        }
        self._transfer = Transfer(device)
        self._images: ImageTower | None = None
        self._text, self._subwords = text, subwords
        if image is not None and preprocessing is not None:
            self._images = ImageTower(
                image, preprocessing=preprocessing, dtype=dtype, device=device
            )
            picture = np.zeros((1, *preprocessing.size, 3), np.uint8)
            self._probe("image", self._images.features, picture, IMAGE_BATCH, MOST_IMAGES)
            self.provenance["preprocessing"] = preprocessing.document()
        if subwords is not None:
            self._features = Fitting(self._run_captions)
            caption = self.tokenize(["a " * subwords.context]).tokens
            self._probe("text", self._features, caption, TEXT_BATCH, MOST_CAPTIONS)
            self.provenance |= {"tokenizer": subwords.name, "context_length": subwords.context}

    def _probe(self, modality: str, run: Fitting, row: Any, batch: int, most: int) -> None:
        features = run(row)
        if features.ndim != 2:
            shape = " x ".join(map(str, features.shape[1:]))
            raise EncoderError(
                f"a model must give one vector for each {modality}",
                f"{self.provenance['name']} gives {shape} numbers",
                "choose a model that pools its features",
            )
        if features.device.type == "cuda":
            probe = np.repeat(row, PROBE_ROWS, axis=0)
            batch = fitting_batch(run, probe, device=features.device, most=most)
        self.dims = {**self.dims, modality: features.shape[1]}
        self.batch_sizes = {**self.batch_sizes, modality: batch}

    def encode_images(self, pixels: Pixels) -> FloatArray:
        """Return embeddings (b, d) of `pixels` (b, height, width, 3)."""
        if self._images is None:
            raise self.lacks("image")
        return self._images(pixels)

    def encode_image_batches(self, batches: Iterable[Pixels]) -> Iterator[FloatArray]:
        """Yield the embeddings of each batch one batch late, which keeps a GPU busy."""
        if self._images is None:
            raise self.lacks("image")
        return self._images.encode_batches(batches)

    def tokenize(self, captions: Sequence[str]) -> Tokenized:
        """Turn captions into tokens (b, context)."""
        if self._subwords is None:
            raise self.lacks("text")
        return self._subwords(captions)

    def encode_tokens(self, tokens: Tokens) -> FloatArray:
        """Return embeddings (b, d) of `tokens` (b, context)."""
        if self._subwords is None:
            raise self.lacks("text")
        return self._transfer.fetch(self._features(tokens))()

    def _run_captions(self, tokens: Tokens) -> torch.Tensor:
        assert self._text is not None and self._subwords is not None
        inputs = self._subwords.inputs(tokens)
        return self._text({name: self._transfer.send(array) for name, array in inputs.items()})
