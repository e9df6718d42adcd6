"""Folds that train at once give what they give alone, and stop when nobody waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from threading import Barrier, Event

import numpy as np
import pytest
import torch
from torch import nn

from mmfeat.errors import FitError
from mmfeat.fit.heads.mlp import MLP
from mmfeat.fit.heads.torch.threads import MAX_FITS, PRODUCT, side_by_side, threads_for
from mmfeat.types import Fused


@pytest.fixture(autouse=True)
def five_threads() -> Iterator[None]:
    """As many threads as folds at once, whatever the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(MAX_FITS)
    yield
    torch.set_num_threads(before)


def test_results_come_in_order_from_threads_that_run_together() -> None:
    everyone = Barrier(MAX_FITS)

    def fit(number: int) -> tuple[int, int]:
        everyone.wait(timeout=20)
        return number, torch.get_num_threads()

    fits = [partial(fit, number) for number in range(MAX_FITS)]
    assert list(side_by_side(fits, stop=Event())) == [(number, 1) for number in range(MAX_FITS)]
    assert torch.get_num_threads() == MAX_FITS


def test_the_others_are_told_when_nobody_waits_any_more() -> None:
    stop, told, begun = Event(), [], Event()

    def first() -> None:
        assert begun.wait(timeout=20)

    def waiting() -> None:
        begun.set()
        told.append(stop.wait(timeout=20))

    results = side_by_side([first, waiting], stop=stop)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert told == [True]


def test_an_error_in_one_ends_the_others() -> None:
    stop = Event()

    def fails() -> None:
        raise RuntimeError("a fold")

    def waits() -> None:
        assert stop.wait(timeout=20)

    with pytest.raises(RuntimeError, match="a fold"):
        list(side_by_side([fails, waits], stop=stop))


def test_torch_heads_give_the_same_numbers_as_alone_and_again() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 8), dtype=np.float32)
    y = (x[:, :3] + rng.standard_normal((200, 3)) > 0).astype(np.uint8)
    splits = [np.flatnonzero(np.arange(200) % 5 != fold) for fold in range(5)]
    head = MLP(epochs=3, seed=7)

    def scores() -> list[np.ndarray]:
        return [
            fold.predict_proba(x)
            for fold in head.fit_folds(Fused(values=x, blocks=(8,)), y, splits)
        ]

    state = torch.get_rng_state()
    again = scores()
    assert torch.equal(torch.get_rng_state(), state)
    for rows, together, repeated in zip(splits, scores(), again, strict=True):
        np.testing.assert_array_equal(together, repeated)
        alone = MLP(epochs=3, seed=7).fit(x[rows], y[rows], blocks=(8,)).predict_proba(x)
        np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_torch_head_that_nobody_waits_for_stops_at_its_next_step() -> None:
    x = np.zeros((64, 4), dtype=np.float32)
    y = (np.arange(64) % 2).astype(np.uint8)[:, None]
    splits = [np.arange(0), np.arange(64)]  # the first cannot be fitted, the other has no end
    with pytest.raises(FitError, match="needs rows"):
        list(MLP(epochs=10**6).fit_folds(Fused(values=x, blocks=(4,)), y, splits))


def test_a_step_gets_as_many_threads_as_its_largest_product_is_worth() -> None:
    network = nn.Sequential(nn.Linear(1024, 512), nn.Linear(512, 3))
    of_one_thread = PRODUCT // (1024 * 512)
    for batch, expected in ((1, 1), (3 * of_one_thread, 3), (100 * of_one_thread, MAX_FITS)):
        with threads_for(network, batch=batch):
            assert torch.get_num_threads() == expected
        assert torch.get_num_threads() == MAX_FITS
