from __future__ import annotations

import numpy as np
import pytest

from mmfeat.core.numeric import logit, sigmoid


def test_logits_invert_the_sigmoid() -> None:
    z = np.linspace(-12, 12, 49)
    np.testing.assert_allclose(logit(sigmoid(z), smallest=1e-9), z, rtol=1e-9, atol=1e-9)


def test_probabilities_are_clipped_before_the_logit() -> None:
    logits = logit(np.array([0, 1e-9, 0.5, 1], np.float32), smallest=1e-3)
    bound = np.log(1e-3 / 0.999)
    assert logits.dtype == np.float64
    np.testing.assert_allclose(logits, [bound, bound, 0, -bound])


@pytest.mark.parametrize("z", [-1e4, 1e4])
def test_the_sigmoid_of_large_logits_does_not_overflow(z: float) -> None:
    with np.errstate(all="raise"):
        assert sigmoid(np.array(z)) == (z > 0)
