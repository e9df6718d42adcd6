"""Rows that are equal bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from mmfeat.near import equal as equal_rows
from mmfeat.near.equal import find_equal, keys_of
from tests.support.made_up.near import features_of, vectors


def test_equal_rows_are_pairs_with_the_first_of_them() -> None:
    rows = vectors(12)
    rows[7] = rows[9] = rows[2]
    rows[4] = rows[5] = np.nan  # rows that failed are not alike
    equal = find_equal(features_of(image=rows), "image")
    assert equal.pairs.tolist() == [[2, 7], [2, 9]]
    assert equal.distinct.tolist() == [0, 1, 2, 3, 6, 8, 10, 11]
    assert equal.first[[4, 5]].tolist() == [-1, -1] and equal.shared == ()


def test_what_too_many_rows_share_relates_none() -> None:
    rows = vectors(500)
    rows[100:121] = rows[0]  # 22 rows: more than 20, and more than a hundredth
    rows[200:219] = rows[1]  # 20 rows
    equal = find_equal(features_of(text=rows), "text")
    assert equal.shared == ((0, 22),)
    assert equal.first[0] == equal.first[110] == -1
    assert len(equal.pairs) == 19 and set(equal.pairs[:, 0].tolist()) == {1}
    few = find_equal(features_of(text=np.tile(rows[:1], (20, 1))), "text")
    assert few.shared == () and len(few.pairs) == 19


def test_all_rows_of_several_slices_are_compared() -> None:
    rows = vectors(9000, width=4)
    rows[8999] = rows[3]
    assert [3, 8999] in find_equal(features_of(image=rows), "image").pairs.tolist()


def test_rows_without_any_embedding_have_no_equals() -> None:
    equal = find_equal(features_of(image=np.full((30, 4), np.nan, np.float16)), "image")
    assert len(equal.pairs) == len(equal.distinct) == len(equal.shared) == 0


def test_rows_that_share_a_key_by_chance_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = vectors(9000, width=5)
    rows[[4, 8990]] = rows[2]
    rows[8000] = rows[7000]
    expected = find_equal(features_of(image=rows), "image")
    monkeypatch.setattr(
        equal_rows, "keys_of", lambda arrays: np.arange(len(arrays[0]), dtype=np.uint64) // 3 % 50
    )
    for held in (1 << 28, 100):  # all first rows at once, and few at a time
        found = find_equal(features_of(image=rows), "image", held_bytes=held)
        assert found.pairs.tolist() == expected.pairs.tolist() == [[2, 4], [7000, 8000], [2, 8990]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_keys_see_every_number_and_every_feature_set(dtype: type) -> None:
    rows: np.ndarray = np.random.default_rng(0).normal(size=(20, 7)).astype(dtype)
    keys = keys_of([rows, rows[:, :3]])
    np.testing.assert_array_equal(keys, keys_of([rows, rows[:, :3].copy()]))
    for column in range(7):
        changed = rows.copy()
        changed[:, column] = -changed[:, column]  # the first bit alone
        assert (keys_of([changed, rows[:, :3]]) != keys).all()
        assert (keys_of([rows, changed[:, :3]]) != keys).all() == (column < 3)
    halves = np.where(np.arange(4096)[:, None] >> np.arange(12) & 1, -rows[0, 0], rows[0, 0])
    assert len(np.unique(keys_of([halves.astype(dtype)]))) == 4096
