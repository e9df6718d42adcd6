"""Tensors of a model by name: from files or drawn at random, and the sha256 that names them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from mmfeat.errors import EncoderError

log = logging.getLogger(__name__)
RANDOM_SEED = 0


@contextmanager
def random_weights() -> Iterator[None]:
    """Build a model inside: its weights are random but reproducible. Logs a warning."""
    log.warning("the weights are random: the features carry no meaning")
    with torch.random.fork_rng():
        torch.manual_seed(RANDOM_SEED)
        yield


def state_sha256(model: nn.Module) -> str:
    """The sha256 of a model's tensors, for weights that come from no file."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read tensors by name from .safetensors, or from a .pt that holds nothing but weights."""
    try:
        state: Any
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
            for key in ("state_dict", "model"):
                if isinstance(state, dict) and isinstance(state.get(key), dict):
                    state = state[key]
    except Exception as error:  # an invalid file makes an unpickler raise any exception
        raise EncoderError(
            "weights are a .safetensors file, or a .pt file with nothing but weights",
            f"{path}: {(str(error).splitlines() or ['it is empty'])[0]}",
            "convert it to .safetensors, or download it again",
        ) from error
    if (
        not isinstance(state, dict)
        or not state
        or not all(isinstance(name, str) and torch.is_tensor(v) for name, v in state.items())
    ):
        raise EncoderError(
            "weights are tensors by name", f"{path} holds something else", "save its state_dict"
        )
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def put_weights(model: nn.Module, state: dict[str, torch.Tensor], source: str) -> None:
    """Load all of `state` into `model`; raise `EncoderError` if it does not match."""
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise EncoderError(
            "weights must belong to the model",
            f"{source} does not: {' '.join(lines[1:3])[:300]}",
            "name the model that these weights were made for",
        ) from error
