"""Batches on a device, with a made-up GPU: what fits, what is split, what is told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mmfeat.errors import EncoderError
from mmfeat.extract.encoders import device
from mmfeat.extract.encoders.device import Fitting, Transfer, fitting_batch
from mmfeat.extract.encoders.precision import choose_device

ROWS = np.arange(22, dtype=np.float32).reshape(11, 2)


class Card:
    """A GPU with `memory` bytes, of which models take `taken` and every row `of_one`."""

    def __init__(self, *, memory: int, of_one: int = 1, taken: int = 1_000) -> None:
        self.memory, self.of_one, self.taken = memory, of_one, taken
        self.peak = 0
        self.sizes: list[int] = []

    def run(self, batch: NDArray[Any]) -> torch.Tensor:
        self.sizes.append(len(batch))
        self.peak = max(self.peak, self.taken + self.of_one * len(batch))
        if self.peak > self.memory:
            self.peak = self.taken
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 bytes.")
        return torch.from_numpy(batch) * 2


def test_what_did_not_fit_once_is_not_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    card = Card(memory=1_003)
    fitting = Fitting(card.run)
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(fitting(ROWS).numpy(), 2 * ROWS)
        assert card.sizes == [11, 5, 2, 2, 2, 2, 2, 1]
        assert np.array_equal(fitting(ROWS[:5]).numpy(), 2 * ROWS[:5])
    assert card.sizes[8:] == [2, 2, 1]
    assert caplog.messages == [
        "a batch of 11 rows does not fit into memory: continuing with 5",
        "a batch of 5 rows does not fit into memory: continuing with 2",
    ]


def test_where_not_even_one_row_fits_the_error_says_so() -> None:
    with pytest.raises(EncoderError, match=r"one row must fit .*; CUDA out of memory; .*--device"):
        Fitting(Card(memory=999).run)(ROWS)


@pytest.mark.parametrize(
    ("memory", "of_one", "most", "rows"),
    [
        (1_000_000, 1_000, 4096, 256),  # (500,000 - 1,000) / 1,000 = 499
        (1_000_000, 1_000, 64, 64),
        (40_000, 1_000, 4096, 16),  # 19 fit
        (18_000, 1_000, 4096, 8),
    ],
)
@pytest.mark.parametrize("others", [0, 700])
def test_a_batch_takes_half_the_card_whatever_is_free(
    monkeypatch: pytest.MonkeyPatch, *, memory: int, of_one: int, most: int, rows: int, others: int
) -> None:
    """Also beside models that were placed before this one."""
    card = Card(memory=memory, of_one=of_one, taken=1_000 + others)
    monkeypatch.setitem(device.OTHERS, "cuda", others)

    def forget(_device: torch.device) -> None:
        card.peak = card.taken

    answers: dict[str, Callable[[torch.device], Any]] = {
        "memory_allocated": lambda _device: card.taken,
        "max_memory_allocated": lambda _device: card.peak,
        "reset_peak_memory_stats": forget,
        "mem_get_info": lambda _device: (0, card.memory),
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, answer)
    probe = np.zeros((16, 2), np.float32)
    found = fitting_batch(Fitting(card.run), probe, device=torch.device("cuda"), most=most)
    assert found == rows


@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "cuda",
            marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
        ),
    ],
)
def test_there_and_back(device: str) -> None:
    transfer = Transfer(torch.device(device))
    features = [transfer.send(ROWS[start : start + 4]) * 2 for start in (0, 4, 8)]
    found = [wait() for wait in map(transfer.fetch, features)]
    assert np.array_equal(np.concatenate(found), 2 * ROWS)


def test_each_process_of_torchrun_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "99")
    with pytest.raises(EncoderError, match="cuda:99"):
        choose_device("cuda")
    assert choose_device("cpu").type == "cpu"
