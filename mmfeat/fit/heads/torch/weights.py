"""The weights of a torch head: drawn from a seed, copied, and checked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import torch
from torch import Tensor, nn

SEEDED = Lock()  # held while torch's global random state is in use


def snapshot(network: nn.Module) -> dict[str, Tensor]:
    """A copy of all weights and buffers."""
    return {key: value.detach().clone() for key, value in network.state_dict().items()}


def is_finite(network: nn.Module) -> bool:
    """Whether every weight is a finite number."""
    return all(bool(torch.isfinite(p).all()) for p in network.parameters())


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch on the CPU inside the block, then restore the caller's random state."""
    with SEEDED, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
