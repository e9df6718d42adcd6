"""The length of training and the rate where no option gives them."""

from __future__ import annotations

import pytest

from mmfeat.fit.heads.torch.length import Length

LENGTH = Length(epochs=12, steps=400, rate=0.002)


@pytest.mark.parametrize(
    ("n_batches", "epochs", "rate"),
    [
        (100, 12, 0.002),
        (20, 20, 0.002),
        (6, 50, 0.002 * 400 / 300),
        (2, 50, 0.004),
        (1, 100, 0.002),
    ],
    ids=["many rows", "enough steps", "most epochs", "few rows", "one batch"],
)
def test_few_rows_get_more_epochs_and_then_a_higher_rate(
    n_batches: int, epochs: int, rate: float
) -> None:
    assert LENGTH.epochs_for(n_batches) == epochs
    assert LENGTH.rate_for(n_batches, epochs) == pytest.approx(rate)
