"""The contract of every encoder: pixels and texts in, numpy out; no torch in this file."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfeat.errors import EncoderError
from mmfeat.types import FloatArray

PICTURE, CAPTION = "picture", "caption"  # what a row may have
NEEDS: dict[str, tuple[str, ...]] = {  # modality -> what it needs of a row
    "image": (PICTURE,),
    "text": (CAPTION,),
    "joint": (PICTURE, CAPTION),
}


def takes(part: str, modalities: Iterable[str]) -> bool:
    """Whether any of these modalities needs a part of a row."""
    return any(part in NEEDS.get(modality, ()) for modality in modalities)


def suffices(*, picture: bool, caption: bool, modalities: Iterable[str]) -> bool:
    """Whether a row that has these parts has any of the modalities."""
    has = {PICTURE: picture, CAPTION: caption}
    return any(all(has[part] for part in NEEDS[m]) for m in modalities if m in NEEDS)


Pixels = NDArray[np.uint8]  # (b, height, width, 3)
Tokens = NDArray[np.int64]  # (b, context)


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How a picture becomes the model's input.

    Attributes
    ----------
    size
        (height, width) of the input; where the shape is kept, the two are equal.
    scaled
        (height, width) that the picture is resized to before its centre is cut out; None: `size`.
    resize_mode
        ``shortest`` (then the centre is cut out), ``longest`` (then padded with `fill`), or
        ``squash``, or ``bounded``: then the shorter side becomes that of `scaled` and the longer
        at most `longest`, both rounded down to multiples of `divisor`; where `scaled` is None,
        the shorter side becomes that of `size`, and nothing is cut. Or ``area``: then both sides
        are rounded to multiples of `divisor`, and the number of pixels lies between `n_pixels`; or
        ``patches``: then both sides are rounded up, and are as long as these allow.
    rounding
        ``down`` where half a pixel beside the centre is left out, as transformers does; None: it
        is rounded to even, as torchvision does.
    mean, std
        Per channel, of pixels in [0, 1].
    """

    size: tuple[int, int]
    scaled: tuple[int, int] | None = None
    resize_mode: str = "shortest"
    interpolation: str = "bicubic"
    fill: int = 0
    longest: int | None = None
    divisor: int | None = None
    n_pixels: tuple[int, int] | None = None
    rounding: str | None = None
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def largest(self) -> tuple[int, int]:
        """(height, width) of the largest input."""
        height, width = self.size
        return (height, width if self.scaled else self.longest or width)

    def document(self) -> dict[str, Any]:
        """Return it as JSON for the provenance."""
        told = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {key: value for key, value in told.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Tokenized:
    """Captions as tokens.

    Attributes
    ----------
    tokens
        Of shape (b, context).
    lengths
        Of shape (b,): the number of tokens, at most the context.
    truncated
        Of shape (b,): 1 where the caption was longer than the context.
    """

    tokens: Tokens
    lengths: NDArray[np.int64]
    truncated: NDArray[np.uint8]


class Encoder(ABC):
    """A frozen model that gives embeddings of images, of captions, or of both together.

    A family implements `encode_images` for the modality ``image``, `tokenize` with `encode_tokens`
    for ``text``, and `tokenize` with `encode_pairs` for ``joint``; what it does not implement
    raises `EncoderError`.

    Attributes
    ----------
    provenance
        What determines its embeddings: name, sha256 of the weights, preprocessing, tokenizer and
        context length, precision, device, libraries. JSON.
    dims
        The modalities that it gives and their widths, e.g. ``{"image": 512, "text": 512}``.
    batch_sizes
        The default batch size of each of them.
    preprocessing
        How a picture becomes its input; None where it takes no pictures.
    """

    provenance: dict[str, Any]
    dims: Mapping[str, int]
    batch_sizes: Mapping[str, int]
    preprocessing: Preprocessing | None

    def encode_images(self, pixels: Pixels) -> FloatArray:
        """Return embeddings (b, d) of `pixels` (b, height, width, 3), uint8 after resizing."""
        raise self.lacks("image")

    def encode_image_batches(self, batches: Iterable[Pixels]) -> Iterator[FloatArray]:
        """Yield the embeddings of each batch, in order; the next batch may be read before that."""
        return map(self.encode_images, batches)

    def tokenize(self, captions: Sequence[str]) -> Tokenized:
        """Turn captions into what `encode_tokens` takes, cut to the tower's context."""
        raise self.lacks("text")

    def encode_tokens(self, tokens: Tokens) -> FloatArray:
        """Return embeddings (b, d) of `tokens` (b, context)."""
        raise self.lacks("text")

    def encode_pairs(self, pixels: Pixels, tokens: Tokens) -> FloatArray:
        """Return embeddings (b, d) of pictures (b, height, width, 3) with captions (b, context)."""
        raise self.lacks("joint")

    def lacks(self, modality: str) -> EncoderError:
        """Make the error for a modality that it does not give."""
        return EncoderError(
            "an encoder is asked for what it gives",
            f"{self.provenance['name']} gives {' and '.join(self.dims)}, not {modality}",
            f"use --modalities {','.join(self.dims)}, or another --model",
        )
