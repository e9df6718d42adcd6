from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmfeat.decide.expected_f1 import decode_expected_f1, fill_empty
from mmfeat.errors import ConfigError


def expected_f1(chosen: tuple[int, ...], p: NDArray[np.float64]) -> float:
    """Expected F1 of a set, summed over all truths there can be."""
    total = 0.0
    for truth in itertools.product((0, 1), repeat=len(p)):
        chance = np.prod([q if t else 1 - q for q, t in zip(p, truth, strict=True)])
        size = sum(chosen) + sum(truth)
        hits = sum(c and t for c, t in zip(chosen, truth, strict=True))
        total += float(chance) * (2 * hits / size if size else 0.0)
    return total


def best_by_brute_force(p: NDArray[np.float64]) -> float:
    """The greatest expected F1 over all subsets: one matrix of subsets × truths."""
    k = len(p)
    sets = np.array(list(itertools.product((0, 1), repeat=k)))
    chance = np.prod(np.where(sets == 1, p, 1 - p), axis=1)
    size = sets.sum(axis=1)[:, None] + sets.sum(axis=1)[None, :]
    values = 2 * (sets @ sets.T) / np.maximum(size, 1)
    return float((values @ chance).max())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.05, 0.2, 0.5, 0.5, 0.81, 1.0]), min_size=1, max_size=5))
def test_the_set_reaches_the_best_of_all_subsets(shares: list[float]) -> None:
    p = np.array(shares)
    chosen = decode_expected_f1(p[None, :])[0]
    found = expected_f1(tuple(chosen.tolist()), p)
    best = max(expected_f1(s, p) for s in itertools.product((0, 1), repeat=len(p)))
    assert found == pytest.approx(best, abs=1e-12)


def test_ten_labels_against_all_subsets() -> None:
    rows = np.random.default_rng(0).random((12, 10)) ** 2
    for p, chosen in zip(rows, decode_expected_f1(rows), strict=True):
        truths = np.array(list(itertools.product((0, 1), repeat=10)))
        chance = np.prod(np.where(truths == 1, p, 1 - p), axis=1)
        size = chosen.sum() + truths.sum(axis=1)
        found = float((2 * (truths @ chosen) / np.maximum(size, 1)) @ chance)
        assert found == pytest.approx(best_by_brute_force(p), abs=1e-12)


def by_counts(p: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The best set of one row from all chances of hits and misses (Ye et al., ICML 2012)."""
    order = np.argsort(-p, kind="stable")
    k = len(p)
    after = 1 / np.arange(1.0, 2 * k + 1)  # E[1 / (a + labels after the first m)] at a - 1
    rests = [after]
    for q in p[order][::-1]:
        after = np.append((1 - q) * after[:-1] + q * after[1:], 0)
        rests.append(after)
    hits, values = np.ones(1), [0.0]  # P(c of the first m are present) at c
    for m, q in enumerate(p[order], start=1):
        hits = np.append((1 - q) * hits, 0) + np.append(0, q * hits)
        values.append(float(2 * np.arange(1, m + 1) * hits[1:] @ rests[k - m][m : 2 * m]))
    size = np.argmax(np.array(values) >= max(values) - 1e-12)
    chosen = np.zeros(k, dtype=np.uint8)
    chosen[order[:size]] = 1
    return chosen


@pytest.mark.parametrize("k", [1, 2, 7, 40, 120])
@pytest.mark.parametrize(
    "how", ["even", "rare", "rounded", "extreme", "equal", "certain", "tiny", "float32"]
)
def test_rows_of_any_kind_get_the_set_of_the_table_of_counts(how: str, k: int) -> None:
    rng = np.random.default_rng(k)
    p = rng.random((60, k))
    rows = {
        "even": p,
        "rare": p**12,
        "rounded": np.round(p, 1),
        "extreme": rng.choice([0, 1, 0.5, 1e-9, 1 - 1e-9, 1e-300, 1e-13], (60, k)),
        "equal": np.repeat(p[:, :1], k, axis=1),
        "certain": 1 - p**20,
        "tiny": p * 10.0 ** -rng.integers(0, 20, (60, 1)),
        "float32": (p**3).astype(np.float32),
    }[how]
    expected = [by_counts(row.astype(np.float64)) for row in rows]
    np.testing.assert_array_equal(decode_expected_f1(rows), expected)


def test_chunks_and_many_labels_change_nothing() -> None:
    rows = np.random.default_rng(1).random((300, 70)) ** 3
    together = decode_expected_f1(rows)
    alone = np.vstack([decode_expected_f1(row[None, :]) for row in rows])
    np.testing.assert_array_equal(together, alone)
    # the labels of a set are the row's most probable ones
    for p, chosen in zip(rows, together, strict=True):
        assert p[chosen == 1].min() >= p[chosen == 0].max()


def test_certain_and_impossible_labels() -> None:
    rows = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.3, 0.0, 0.0]])
    assert decode_expected_f1(rows).tolist() == [[1, 0, 1], [0, 0, 0], [1, 0, 0]]


def test_empty_rows_get_their_top_label_or_stay_blank() -> None:
    p = np.array([[0.1, 0.3, 0.3], [0.9, 0.2, 0.1]], dtype=np.float32)
    predicted = np.array([[0, 0, 0], [1, 0, 0]], dtype=np.uint8)
    assert fill_empty(predicted, p, empty="top1").tolist() == [[0, 1, 0], [1, 0, 0]]
    assert fill_empty(predicted, p, empty="blank") is predicted
    assert predicted[0].sum() == 0
    with pytest.raises(ConfigError, match="top1, blank"):
        fill_empty(predicted, p, empty="top2")
