"""The cosine from which two rows are near-copies: far outside what unrelated rows reach.

1. Take the distances 1 − cosine between rows of a random sample, and u = −ln(1 − cosine). Where
   vectors fill m dimensions, u has a tail like exp(−m u / 2): a straight line in ln(survival).
2. Lay that line through the quantiles 99 % and 99.9 % of u. Related pairs do not bend it: a row
   has a few relatives among thousands of rows.
3. Follow the line to where a tenth of an unrelated pair is expected in the whole table.
4. Keep the result between a thousandth and a fifth of the median distance. Where the line ends
   below that thousandth, a thousandth of all pairs are nearly alike: copies, as frames of a few
   films, if hardly any pair is somewhat farther apart; else wordings of one template, say. These
   are no copies of each other: only copies up to rounding are found then.
"""

from __future__ import annotations

import math

import numpy as np

from mmfeat.types import FloatArray

LOW, HIGH = 0.99, 0.999  # quantiles that the line goes through
EXPECTED = 0.1  # unrelated pairs above the bound
NEAREST, FARTHEST = 1e-3, 0.2  # of the median distance
FEWEST_ROWS = 100  # that tell a tail; of fewer, only copies up to rounding are found
ROUNDING = 1e-7  # of a cosine of float32
GAP = 10.0, 100.0  # times `NEAREST`: where copies have no pairs, and templates have


def near_bound(sample: FloatArray, n_pairs: float) -> float:
    """Find the bound for a table of `n_pairs` pairs, given vectors of length 1, (m, d).

    Equal rows are left out of the sample. Returns a cosine below 1.
    """
    if len(sample) < 2:
        return 1 - ROUNDING
    cosines = sample @ sample.T
    above = [row[place:] for place, row in enumerate(cosines, start=1)]  # the diagonal
    distances = np.maximum(1 - np.concatenate(above), ROUNDING)
    median = float(np.median(distances))
    nearest = NEAREST * median
    if len(sample) < FEWEST_ROWS:
        return 1 - max(nearest, ROUNDING)
    low, high = np.quantile(-np.log(distances), (LOW, HIGH))
    step = (high - low) / np.log((1 - LOW) / (1 - HIGH))
    end = np.exp(-low - step * np.log((1 - LOW) * max(n_pairs, 1) / EXPECTED))
    if end < nearest:
        n_within, n_near, n_farther = (int((distances < by * nearest).sum()) for by in (1, *GAP))
        if n_farther - n_near > n_within:
            return 1 - ROUNDING
    return 1 - float(np.clip(end, max(nearest, ROUNDING), FARTHEST * median))


def show_cosine(cosine: float) -> str:
    """Write a cosine cut after four digits, so that 1.0000 is that of equal rows alone.

    Examples
    --------
    >>> show_cosine(0.98765), show_cosine(0.99999), show_cosine(1.0)
    ('0.9876', '0.9999', '1.0000')
    """
    return f"{math.floor(cosine * 1e4) / 1e4:.4f}"
