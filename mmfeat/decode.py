"""From probabilities to label sets: by thresholds, or the set of greatest expected F1.

**Expected F1.** Let the labels of a row be present independently with probabilities
p1 ≥ p2 ≥ …, and let F1 of a set be 2·hits / (size + number of true labels). Then

1. the best set of size m are the m most probable labels (Lewis 1995), so k + 1 sets remain;
2. their hits are Poisson-binomial: C[m, c] = P(c of the first m are present), by
   C[m, c] = (1 − pm)·C[m−1, c] + pm·C[m−1, c−1];
3. the labels outside enter through R[m, a] = E[1 / (a + present labels after the first m)], by
   R[m−1, a] = (1 − pm)·R[m, a] + pm·R[m, a+1], from R[k, a] = 1/a;
4. the expected F1 of the first m is the sum over c of 2c · C[m, c] · R[m, m + c].

That is exact and takes O(k²) steps per row (Ye, Chai, Lee, Chieu, ICML 2012), here for many
rows at a time.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mmfeat.errors import ConfigError
from mmfeat.types import FloatArray, IntArray, Targets

Decode = Literal["thresholds", "expected-f1"]
Empty = Literal["top1", "blank"]
DECODES: tuple[str, ...] = get_args(Decode)
EMPTIES: tuple[str, ...] = get_args(Empty)

CHUNK_BYTES = 2**23  # of the table of one chunk of rows, so that it stays in the cache


def decode_expected_f1(probabilities: NDArray[np.floating]) -> Targets:
    """The set of labels of the greatest expected F1 for each row.

    `probabilities` of shape (n, k) in [0, 1]; returns (n, k), 0 or 1. The smaller of equally
    good sets is taken; a row is left empty only where all its probabilities are 0.
    """
    n_rows, n_labels = probabilities.shape
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, axis=1).astype(np.float64)
    sizes = np.empty(n_rows, dtype=np.int64)
    step = max(1, CHUNK_BYTES // (8 * (n_labels + 1) ** 2))
    for start in range(0, n_rows, step):
        rows = slice(start, start + step)
        sizes[rows] = _best_sizes(np.ascontiguousarray(ranked[rows].T))
    predicted = np.zeros((n_rows, n_labels), dtype=np.uint8)
    chosen = (np.arange(n_labels) < sizes[:, None]).astype(np.uint8)
    np.put_along_axis(predicted, order, chosen, axis=1)
    return predicted


def fill_empty(predicted: Targets, probabilities: FloatArray, *, empty: str) -> Targets:
    """Give rows without labels their most probable one (`top1`) or leave them (`blank`).

    Both arrays of shape (n, k). Of equally probable labels the first is taken. Raises
    `ConfigError` for another rule.
    """
    check_choice("--empty", empty, EMPTIES)
    if empty == "blank":
        return predicted
    rows = np.flatnonzero(~predicted.any(axis=1))
    filled = predicted.copy()
    filled[rows, probabilities[rows].argmax(axis=1)] = 1
    return filled


def check_choice(option: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise `ConfigError` unless `value` is one of `choices`."""
    if value not in choices:
        raise ConfigError(
            f"{option} takes {' or '.join(choices)}", f"it is {value!r}", "choose one of them"
        )


def _best_sizes(p: NDArray[np.float64]) -> IntArray:
    """The best number of labels for each row; `p` of shape (k, rows), falling along k."""
    n_labels, n_rows = p.shape
    absent = 1 - p
    counts = np.zeros((n_labels + 1, n_labels + 1, n_rows))  # C[m, c]
    counts[0, 0] = 1
    for m in range(1, n_labels + 1):
        counts[m, : m + 1] = counts[m - 1, : m + 1] * absent[m - 1]
        counts[m, 1 : m + 1] += counts[m - 1, :m] * p[m - 1]
    inverse = np.broadcast_to(
        1 / np.arange(1, 2 * n_labels + 1, dtype=np.float64)[:, None], (2 * n_labels, n_rows)
    ).copy()  # R[m, a] at a - 1
    expected = np.zeros((n_labels + 1, n_rows))
    for m in range(n_labels, 0, -1):
        hits = np.arange(1, m + 1)[:, None]
        expected[m] = (2 * hits * counts[m, 1 : m + 1] * inverse[m : 2 * m]).sum(axis=0)
        used = 2 * (m - 1)  # R[m - 1] is read up to a = 2(m - 1)
        inverse[:used] = absent[m - 1] * inverse[:used] + p[m - 1] * inverse[1 : used + 1]
    # sets whose values differ by rounding alone count as equal
    best: IntArray = np.argmax(expected >= expected.max(axis=0) - 1e-12, axis=0)
    return best
