"""Ways to relate rows are joined; a chain of relations relates its ends."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmfeat.core.groups import group_texts, joined_groups, linked_groups


def test_chains_of_two_ways_are_one_group() -> None:
    first, second = np.array([7, 7, 1, 2, 3]), np.array([0, 1, 1, 2, 3])
    found = joined_groups(first, None, second)
    assert found is not None and found.tolist() == [0, 0, 0, 3, 4]


def test_ways_that_relate_nothing_give_none() -> None:
    assert joined_groups(None) is None
    assert joined_groups(np.array([3, 1, 2]), None) is None
    assert group_texts(["a", "b", ""], None, ["", "", ""]) is None


def test_one_way_is_numbered_by_first_rows() -> None:
    found = joined_groups(np.array([9, 5, 9]))
    assert found is not None and found.tolist() == [0, 1, 0]


def test_empty_texts_are_like_no_other() -> None:
    found = group_texts(["", "x", "", "x"])
    assert found is not None and found.tolist() == [0, 1, 2, 1]


@given(st.lists(st.sampled_from(["", "a", "b", "c", "d", "e"])))
def test_a_row_has_the_number_of_the_first_with_its_text(texts: list[str]) -> None:
    found = group_texts(texts)
    expected = [texts.index(text) if text else row for row, text in enumerate(texts)]
    assert expected == (list(range(len(texts))) if found is None else found.tolist())


def test_links_may_be_none_or_in_any_order() -> None:
    assert linked_groups(3, np.empty((0, 2), np.int64)).tolist() == [0, 1, 2]
    assert linked_groups(4, np.array([[3, 1], [2, 3]])).tolist() == [0, 1, 1, 1]
