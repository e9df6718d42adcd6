"""Passes over rows in blocks: in order, shuffled, by batches, and to a device."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmfeat.fit.heads.streaming import BLOCK_ROWS, PASS_ROWS, in_order, shuffled
from mmfeat.fit.heads.torch.batches import Source, on_device
from mmfeat.types import IntArray
from tests.support.fits.streaming import Noted


def permute(n: int) -> IntArray:
    order: IntArray = torch.randperm(n).numpy()
    return order


@pytest.mark.parametrize("n_rows", [1, 5000, 10_000])
def test_a_pass_in_order_gives_the_chosen_rows(n_rows: int) -> None:
    x = np.arange(20_000, dtype=np.float32).reshape(10_000, 2)
    rows = np.sort(np.random.default_rng(0).choice(10_000, n_rows, replace=False))
    stream = Noted(x, 1)
    found = np.full((n_rows, 2), np.nan, np.float32)
    for at, part in in_order(stream, rows):
        found[at] = part
    np.testing.assert_array_equal(found, x[rows])
    assert stream.most < 10_000


@pytest.mark.parametrize("buffer_rows", [1, 3 * BLOCK_ROWS, 10**6])
@pytest.mark.parametrize("n_batches", [1, 7, 70])
def test_a_shuffled_pass_gives_every_row_once_in_even_batches(
    buffer_rows: int, n_batches: int
) -> None:
    x = np.arange(10_000, dtype=np.float32)[:, None]
    rows = np.flatnonzero(np.arange(10_000) % 3)
    torch.manual_seed(0)
    batches = list(shuffled(Noted(x, buffer_rows), rows, n_batches=n_batches, permute=permute))
    assert len(batches) == n_batches
    sizes = [len(names) for names, _ in batches]
    assert max(sizes) - min(sizes) <= 1
    names = np.concatenate([names for names, _ in batches])
    np.testing.assert_array_equal(np.sort(names), rows)
    np.testing.assert_array_equal(np.concatenate([v for _, v in batches])[:, 0], names)


def test_a_shuffled_pass_mixes_rows_that_stand_apart() -> None:
    x = np.arange(64 * BLOCK_ROWS, dtype=np.float32)[:, None]
    rows = np.arange(len(x))
    stream = Noted(x, 16 * BLOCK_ROWS)
    passes = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        passes.append([n for n, _ in shuffled(stream, rows, n_batches=256, permute=permute)])
    assert stream.most == BLOCK_ROWS
    blocks = [len(np.unique(names // BLOCK_ROWS)) for names in passes[0]]
    assert min(blocks) >= 14  # of 16 in memory: a batch of 256 rows has nearly all of them
    assert all(map(np.array_equal, passes[0], passes[1]))
    assert not np.array_equal(passes[0][0], passes[2][0])


def test_batches_of_a_stream_are_those_of_its_rows() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 5)).astype(np.float32)
    y = (rng.random((2000, 3)) < 0.3).astype(np.uint8)
    rows = np.flatnonzero(rng.random(2000) < 0.6)
    device = torch.device("cpu")
    held, streamed = (Source(s, y, device).chosen(rows) for s in (x, Noted(x, 500)))
    assert len(held) == len(streamed)
    torch.testing.assert_close(held.rates, streamed.rates)
    for one, other in zip(held.in_order(), streamed.in_order(), strict=True):
        torch.testing.assert_close(one[0].sum(), other[0].sum(), atol=1e-3, rtol=0)
    together = [torch.cat(part) for part in zip(*streamed.in_order(), strict=True)]
    torch.testing.assert_close(together[0], torch.from_numpy(x)[rows])
    torch.testing.assert_close(together[1], torch.from_numpy(y)[rows].float())


def test_rows_go_to_a_device_part_by_part() -> None:
    x = np.random.default_rng(0).normal(size=(2 * PASS_ROWS + 3, 4)).astype(np.float32)
    noted = Noted(x, len(x), in_memory=True)
    np.testing.assert_array_equal(on_device(noted, torch.device("cpu")).numpy(), x)
    assert noted.most == PASS_ROWS
