"""Decoding: the label set of greatest expected F1 for each row, and rows without labels.

**Expected F1.** Let the labels of a row be present independently with probabilities
p1 ≥ p2 ≥ …, and let F1 of a set be 2·hits / (size + number of true labels). Then

1. the best set of size m are the m most probable labels (Lewis 1995);
2. 1/a is the integral of t^(a − 1) from 0 to 1, so the expected F1 of the first m is the integral
   of 2 · t^m · Π (1 − pj + pj·t) · Σ pi / (1 − pi + pi·t), with the product over all labels and
   the sum over the first m; the integrand is a smooth polynomial, for which about twenty Gauss
   nodes are enough;
3. by Jensen's inequality it lies between 2h / (m + μ + 1) and 2h / (m + h), where h is the sum of
   the first m probabilities and μ the sum of all. The upper bound falls with m, so no size can be
   the best from where it lies below the greatest lower bound.

That takes O(k) steps per row and node. The table of all counts of hits (Ye, Chai, Lee, Chieu,
ICML 2012) takes O(k²) steps per row; the tests compare with it.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from mmfeat.core.checks import check_choice
from mmfeat.types import BoolArray, Float64Array, FloatArray, IntArray, RealArray, Targets

Decode = Literal["thresholds", "expected-f1"]
Empty = Literal["top1", "blank"]
DECODES: tuple[str, ...] = get_args(Decode)
EMPTIES: tuple[str, ...] = get_args(Empty)

DECODED_ROWS = 2**10  # rows at a time: their values at all nodes stay in the cache
EXACT = 1e-14  # greatest error of an expected F1
FAINT, TERMS = 2.0**-7, 8  # of a series for faint labels: the first term left out is FAINT⁹ / 9
TIE = 1e-12  # sets whose values differ by less count as equal


def decode_expected_f1(probabilities: RealArray) -> Targets:
    """Give the label set of greatest expected F1 for each row.

    `probabilities` of shape (n, k) in [0, 1]; returns (n, k), 0 or 1. Of equally good
    sets the smaller is taken. A row is empty only if all its probabilities are 0.
    """
    ranked = -np.sort(-probabilities.astype(np.float64), axis=1)
    most = _most_labels(ranked)
    sizes = np.empty(len(ranked), dtype=np.int64)
    alike = np.argsort(most, kind="stable")  # rows that take equally many steps, side by side
    for start in range(0, len(alike), DECODED_ROWS):
        rows = alike[start : start + DECODED_ROWS]
        sizes[rows] = _best_sizes(np.ascontiguousarray(ranked[rows].T), int(most[rows[-1]]))
    last = np.take_along_axis(ranked, np.maximum(sizes - 1, 0)[:, None], axis=1)
    above, level = probabilities > last, probabilities == last
    room = (sizes - above.sum(axis=1))[:, None]  # of equally probable labels the first are taken
    chosen: BoolArray = above | (level & (np.cumsum(level, axis=1) <= room))
    return chosen.view(np.uint8)


def fill_empty(predicted: Targets, probabilities: FloatArray, *, empty: str) -> Targets:
    """Give rows without labels their most probable one (`top1`), or leave them empty (`blank`).

    Both arrays are of shape (n, k). Of equally probable labels the first is taken. Raises
    `ConfigError` for an unknown rule.
    """
    check_choice("--empty", empty, EMPTIES)
    if empty == "blank":
        return predicted
    rows = np.flatnonzero(~predicted.any(axis=1))
    filled = predicted.copy()
    filled[rows, probabilities[rows].argmax(axis=1)] = 1
    return filled


def _most_labels(ranked: Float64Array) -> IntArray:
    """The greatest possible size of the best set, of shape (n,); `ranked`, (n, k), falls."""
    sizes = np.arange(1, ranked.shape[1] + 1)
    hits = np.cumsum(ranked, axis=1)
    least = (2 * hits / (sizes + 1 + hits[:, -1:])).max(axis=1, keepdims=True)
    most: IntArray = (2 * hits > (1 - TIE) * least * (sizes + hits)).sum(axis=1)
    return most


def _best_sizes(p: Float64Array, most: int) -> IntArray:
    """The best number of labels, at most `most`, for each row; `p`, (k, rows), falls along k."""
    places, weights = _nodes(len(p), most, float(p.sum(axis=0).max()))
    t = places[:, None]
    # of shape (nodes, rows)
    product = np.ones((len(t), p.shape[1]))
    n_clear = int(np.count_nonzero(p.max(axis=1) > FAINT))
    for label in p[:n_clear]:
        product *= 1 - (1 - t) * label
    product *= np.exp(_log_product(1 - t, p[n_clear:]))
    product *= 2 * weights[:, None]
    ratios = np.zeros_like(product)
    expected = np.zeros((most + 1, p.shape[1]))
    for size, label in enumerate(p[:most], start=1):
        ratios += label / (1 - (1 - t) * label)
        product *= t
        expected[size] = np.einsum("ij,ij->j", product, ratios)
    best: IntArray = np.argmax(expected >= expected.max(axis=0) - TIE, axis=0)
    return best


def _log_product(t: Float64Array, p: Float64Array) -> Float64Array:
    """The logarithm of Π (1 − t·pj) for t of shape (nodes, 1) and p, (m, rows), up to `FAINT`.

    By the series −Σ (t·pj)^i / i, which needs only the sums of the powers of pj.
    """
    powers, total = np.ones_like(p), np.zeros((len(t), p.shape[1]))
    for i in range(1, TERMS + 1):
        powers *= p
        total -= t**i * powers.sum(axis=0) / i
    return total


def _nodes(n_labels: int, most: int, labels_per_row: float) -> tuple[Float64Array, Float64Array]:
    """Nodes in [0, 1] and weights that integrate the polynomials with an error below `EXACT`.

    On the ellipse around 0 and 1 whose half axes have the sum ρ/2, |t| is at most r, so the
    polynomial is at most B = 2μ · r^m · exp(μ(r − 1)). The error of n + 1 nodes is less than
    32/15 · B / ((1 − ρ⁻²) · ρ^2n) (Trefethen, SIAM Review 2008, theorem 4.5).
    """
    sums = np.geomspace(1.1, 100, 200)
    reach = 0.5 + (sums + 1 / sums) / 4
    size = np.log(max(labels_per_row, 1) * 64 / 15 / (1 - sums**-2))
    size += most * np.log(reach) + labels_per_row * (reach - 1)
    enough = 1 + int(np.ceil(((size - np.log(EXACT)) / (2 * np.log(sums))).min()))
    exact = (n_labels + most + 1) // 2  # of a polynomial of degree n_labels + most - 1
    places, weights = np.polynomial.legendre.leggauss(min(enough, exact))
    return (places + 1) / 2, weights / 2
