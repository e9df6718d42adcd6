"""The towers of an encoder as further graphs: resized pixels or tokens in, embeddings out.

They are in float32, whatever the embeddings of a store were computed in, and are compared with
torch: captions of the store, and pictures of random pixels, which need no file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmfeat.errors import FitError, RunError
from mmfeat.export.onnx.compare import TOLERANCE
from mmfeat.export.onnx.graph import export, finished
from mmfeat.extract.encoders import load_encoder
from mmfeat.extract.encoders.clip import ClipEncoder
from mmfeat.predict.encoder import check_encoder, encoder_of
from mmfeat.runs.run import Run
from mmfeat.types import FloatArray

COMPARED = 8  # rows


@dataclass(frozen=True, kw_only=True)
class Tower:
    """A tower that agrees with torch.

    Attributes
    ----------
    modality
        What it embeds; the name of its output, as an input of the graph of a run has it.
    takes
        Its input in words.
    content
        The file.
    difference
        The largest of a number of an embedding, scaled to length 1.
    """

    modality: str
    takes: str
    content: bytes
    difference: float


class ImageTower(nn.Module):
    """Pixels (n, height, width, 3), uint8 after resizing -> embeddings (n, d)."""

    def __init__(self, encoder: ClipEncoder) -> None:
        super().__init__()
        self.scale: Tensor
        self.shift: Tensor
        self.model = encoder._model
        self.register_buffer("scale", encoder.images.scale)
        self.register_buffer("shift", encoder.images.shift)

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalise and embed."""
        found: Tensor = self.model.encode_image(
            (pixels.float() * self.scale - self.shift).permute(0, 3, 1, 2)
        )
        return found


class TextTower(nn.Module):
    """Tokens (n, context), int64 -> embeddings (n, d)."""

    def __init__(self, encoder: ClipEncoder) -> None:
        super().__init__()
        self.model = encoder._model

    def forward(self, tokens: Tensor) -> Tensor:
        """Embed."""
        found: Tensor = self.model.encode_text(tokens)
        return found


def make_towers(
    run: Run, modalities: tuple[str, ...], captions: list[str], *, weights: str
) -> Iterator[Tower]:
    """Make the graphs of the towers that a run needs, from its encoder's weights.

    Raises `RunError` for a run on embeddings of other tools, `EncoderError` for weights that are
    not there, and `FitError` for an encoder of another family and for a graph that differs.
    """
    fitted = encoder_of(run)
    encoder = load_encoder(fitted["name"], pretrained=weights, precision="fp32", device="cpu")
    check_encoder(encoder.provenance, fitted, run=run.name, source=weights)
    if not isinstance(encoder, ClipEncoder):
        raise FitError(
            "towers that become graphs are those of open_clip",
            f"{fitted['name']} is another encoder",
            "leave out --with-encoder",
        )
    height, width = encoder.preprocessing.size
    pixels = np.random.default_rng(0).integers(0, 256, (COMPARED, height, width, 3), np.uint8)
    tokens = encoder.tokenize([*captions, "", "a picture of a dog on a sofa"][:COMPARED]).tokens
    known: dict[str, tuple[nn.Module, str, NDArray[Any], Callable[[Any], FloatArray]]] = {
        "image": (ImageTower(encoder), "pixels", pixels, encoder.encode_images),
        "text": (TextTower(encoder), "tokens", tokens, encoder.encode_tokens),
    }
    for modality in modalities:
        if modality not in known:
            raise RunError(
                f"an encoder has towers for {' and '.join(known)}",
                f"{run.name} looks at {modality}",
                "leave out --with-encoder",
            )
        module, name, rows, encode = known[modality]
        graph = export(
            module.eval(), [torch.from_numpy(rows[:2])], inputs=[name], outputs=[modality]
        )
        content = finished(graph, {"encoder": fitted, "input": name, "output": modality})
        yield Tower(
            modality=modality,
            takes=f"{name} (rows, {', '.join(map(str, rows.shape[1:]))}) {rows.dtype}",
            content=content,
            difference=_difference(content, name, rows, encode(rows)),
        )


def _difference(content: bytes, name: str, rows: NDArray[Any], expected: FloatArray) -> float:
    """The largest of embeddings of length 1; raise `FitError` where it is too large."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {name: rows})
    found, expected = (
        part / np.linalg.norm(part, axis=1, keepdims=True) for part in (found, expected)
    )
    largest = float(np.nan_to_num(np.abs(found - expected), nan=np.inf).max())
    if largest > TOLERANCE:
        raise FitError(
            f"a tower as an ONNX graph gives embeddings of length 1 to {TOLERANCE:g}",
            f"those of {name} differ by {largest:.1e}, so nothing was written",
            "leave out --with-encoder",
        )
    return largest
