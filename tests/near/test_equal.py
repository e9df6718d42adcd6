"""Rows that are equal bit for bit."""

from __future__ import annotations

import numpy as np

from mmfeat.near.equal import find_equal
from tests.support.near import features_of, vectors


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
