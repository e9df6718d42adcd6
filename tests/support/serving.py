"""A service for tests: a small model with an encoder of colours and letters, on a real socket."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from PIL import Image

from mmfeat.core.workspace import Workspace
from mmfeat.export.predictor import Predictor
from mmfeat.export.rows import RowEncoder
from mmfeat.extract.encoders import Encoder, Preprocessing
from mmfeat.extract.encoders.base import Pixels, Tokenized, Tokens
from mmfeat.serve.answers.answering import Answering
from mmfeat.serve.app import make_app
from mmfeat.serve.limits import Limits
from mmfeat.serve.serve import make_config
from mmfeat.types import FloatArray
from tests.support.fits.runs import fit_split
from tests.support.workspaces import import_split

POISON = "\N{SKULL}"  # a caption that the encoder fails on
WIDTH = 8  # of the stores of `import_split`

JSON = {"Content-Type": "application/json"}
BOUNDARY = {"Content-Type": "multipart/form-data; boundary=x"}
# Bodies, with the status that refuses each.
HOSTILE_BODIES: list[tuple[dict[str, Any], int]] = [
    ({"content": b"a", "headers": {"Content-Type": "text/plain"}}, 415),
    ({"content": b"a"}, 415),
    ({"content": b"{", "headers": JSON}, 422),
    ({"content": b"[" * 100_000, "headers": JSON}, 422),
    ({"content": b'{"rows": [{"caption": "\\ud800"}]}', "headers": JSON}, 422),
    ({"content": b'{"rows": [{"caption": "\xff"}]}', "headers": JSON}, 422),
    ({"json": {"rows": []}}, 422),
    ({"json": {"rows": [{}]}}, 422),
    ({"json": {"rows": [{"caption": "a"}] * 5}}, 422),
    ({"json": {"rows": [{"caption": "a" * 101}]}}, 422),
    ({"json": {"rows": [{"image": "data:image/png;base64,AAAA"}]}}, 422),
    ({"json": {"rows": [{"image": "../../etc/passwd"}]}}, 422),
    ({"json": {"rows": [{"image": "é"}]}}, 422),
    ({"json": {"rows": [{"path": "/etc/passwd"}]}}, 422),
    ({"json": {"rows": [{"embeddings": {"image": [1.0] * 8}}]}}, 422),
    ({"json": {"rows": [{"caption": "a"}]}, "params": {"top": 0}}, 422),
    ({"data": {"caption": " "}}, 415),
    ({"files": {"caption": b"a"}}, 422),
    ({"files": {"image": b"a", "more": b"b"}}, 400),
    ({"data": {"image": "/etc/passwd"}, "files": {"caption": b"a"}}, 422),
    ({"content": b"--x\r\nnonsense", "headers": BOUNDARY}, 422),
    ({"content": b"a", "headers": {"Content-Type": "multipart/form-data"}}, 400),
    ({"content": b"--x--", "headers": BOUNDARY}, 422),
]


class ColourEncoder(Encoder):
    """Embeds a picture by its colours and a caption by its letters, whatever else is there."""

    dims = dict.fromkeys(("image", "text"), WIDTH)
    batch_sizes = dict.fromkeys(("image", "text"), 64)
    preprocessing = Preprocessing(size=(8, 8), mean=(0.5,) * 3, std=(0.5,) * 3)

    def __init__(self) -> None:
        self.provenance = {"name": "colours", "weights_sha256": "0" * 64}
        self.seconds = 0.0
        self.batches: list[int] = []

    def encode_images(self, pixels: Pixels) -> FloatArray:
        """Return (b, 8)."""
        time.sleep(self.seconds)
        self.batches.append(len(pixels))
        means = pixels.reshape(len(pixels), -1, 3).mean(axis=1) / 64 - 2
        return np.hstack([means, -means, means[:, :2] / 2]).astype(np.float32)

    def tokenize(self, captions: Sequence[str]) -> Tokenized:
        """One token per letter."""
        if POISON in captions:
            raise ValueError(f"it cannot take {captions}")
        tokens = np.zeros((len(captions), WIDTH), np.int64)
        for row, caption in enumerate(captions):
            letters = [ord(c) % 97 for c in caption[-WIDTH:]]
            tokens[row, : len(letters)] = letters
        whole = np.zeros(len(captions), np.uint8)
        return Tokenized(tokens=tokens, lengths=whole.astype(np.int64), truncated=whole)

    def encode_tokens(self, tokens: Tokens) -> FloatArray:
        """Return (b, 8)."""
        return (tokens / 48 - 1).astype(np.float32)


def make_answering(root: Path, *, fusion: str = "concat", embedded: bool = False) -> Answering:
    """A logistic regression on made-up embeddings; `embedded`: rows are embeddings."""
    space = Workspace(root / "work")
    import_split(space, "train")
    predictor = Predictor.of(fit_split(space, fusion=fusion))
    encoder = RowEncoder(
        encoder=ColourEncoder(),
        modalities=predictor.modalities,
        dtype="float32",
        max_pixels=1_000_000,
        fast=False,
    )
    return Answering(
        predictor=predictor,
        encoder=None if embedded else encoder,
        decode=None,
        empty="blank",
    )


def picture(*colour: int, size: tuple[int, int] = (16, 16), kind: str = "PNG") -> bytes:
    """A picture of one colour, as a file."""
    content = io.BytesIO()
    Image.new("RGB", size, colour).save(content, kind)
    return content.getvalue()


@contextmanager
def serving(answering: Answering, limits: Limits, *, token: str | None = None) -> Iterator[str]:
    """Serve on a free port of this machine, in a thread; gives the address."""
    app = make_app(answering, limits=limits, token=token)
    config = make_config(app, limits)
    config.port = 0
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
