from __future__ import annotations

import numpy as np

from mmfeat.memory import peak_memory, reset_peak


def test_the_peak_is_of_what_came_after_the_reset() -> None:
    size = 64 * 2**20
    reset_peak()
    before = peak_memory()
    block = np.ones(size, np.uint8)
    assert peak_memory() >= before + 0.9 * size
    del block
    assert peak_memory() >= before + 0.9 * size
    reset_peak()
    assert peak_memory() < before + 0.9 * size
