"""Repeated texts are found by digests of 8 bytes, whatever the digest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfeat.store.unique import digests_of, has_repeats


def same(_text: str) -> int:
    return 0


@pytest.mark.parametrize("digest", [hash, len, same])
@given(
    blocks=st.lists(st.lists(st.text("abc", max_size=3), max_size=4), max_size=5),
    at_once=st.integers(1, 3),
)
def test_repeats_are_found_whatever_the_digest(
    digest: Callable[[str], int], blocks: list[list[str]], at_once: int
) -> None:
    texts = [text for block in blocks for text in block]
    digests = digests_of(texts, digest=digest)
    found = has_repeats(digests, lambda: blocks, digest=digest, at_once=at_once)
    assert found == (len(set(texts)) < len(texts))


def test_texts_are_read_again_only_where_digests_are_equal() -> None:
    readings = 0

    def read() -> list[list[str]]:
        nonlocal readings
        readings += 1
        return [["a", "b"], ["c"]]

    assert not has_repeats(np.array([3, 1, 2]), read) and readings == 0
    assert not has_repeats(np.array([3, 1, 3]), read, digest=same) and readings == 1
