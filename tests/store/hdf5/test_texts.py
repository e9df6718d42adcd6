"""Texts as bytes and offsets."""

from __future__ import annotations

from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfeat.store import FeatureStore
from mmfeat.store.hdf5.texts import cut_offsets, decode_texts, encode_texts
from mmfeat.types import IntArray
from tests.support.stage_one.stores import make_store


def test_blocks_of_texts_are_cut_by_bytes(tmp_path: Path) -> None:
    captions = ("", "x" * 50, "", "y" * 30, "z" * 30, "é" * 10, *"abcdef")
    path = make_store(tmp_path / "a.h5", captions=captions)
    for block_bytes, lengths in ((60, [3, 2, 7]), (1, [1] * 12), (1 << 20, [12])):
        with FeatureStore.open(path) as store:
            blocks = list(store.text_blocks("captions", block_bytes=block_bytes))
        assert tuple(chain.from_iterable(blocks)) == captions
        assert [len(block) for block in blocks] == lengths
    with FeatureStore.open(path) as store:
        assert [len(block) for block in store.failed_blocks()] == [2]
        assert [len(block) for block in store.failed_blocks(block_rows=1)] == [1, 1]


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=9), max_size=9))
def test_texts_survive_encoding(texts: list[str]) -> None:
    data, lengths = encode_texts(texts)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64) + 7
    assert decode_texts(data, offsets) == texts
    for block_bytes in (1, 5, 1 << 10) if texts else ():
        parts = cut_offsets(offsets, len(data) + 7, block_bytes=block_bytes)
        assert [decode_texts(data[p[0] - 7 : p[-1] - 7], p) for p in parts] == [
            texts[begin:end] for begin, end in pairwise(cuts_of(lengths, block_bytes))
        ]


def cuts_of(lengths: IntArray, block_bytes: int) -> list[int]:
    """Where a block ends: at each text with which another multiple of `block_bytes` is reached."""
    ends = np.cumsum(lengths)
    cuts = [i for i in range(1, len(ends)) if ends[i] // block_bytes > ends[i - 1] // block_bytes]
    return [0, *cuts, len(lengths)]


@pytest.mark.parametrize("data", [b"ab\xff\0", b"\xc3\xa9\xc3\0", b"\0\xff\0"])
def test_what_is_not_utf_8_is_an_error(data: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        decode_texts(np.frombuffer(data, np.uint8), np.array([0, len(data)]))


@pytest.mark.parametrize(
    ("data", "offsets"), [(b"a\0b", [0, 2, 3]), (b"a\0\0b\0", [0, 4, 5]), (b"ab\0", [0, 1, 3])]
)
def test_a_text_that_does_not_end_where_its_offsets_say_is_an_error(
    data: bytes, offsets: list[int]
) -> None:
    with pytest.raises(ValueError, match="does not end"):
        decode_texts(np.frombuffer(data, np.uint8), np.array(offsets))


@pytest.mark.parametrize("offsets", [[-1, 2], [0, 3, 2], [0, 9], [4, 4, 5]])
def test_offsets_outside_of_the_bytes_are_an_error(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="within 5 bytes"):
        list(cut_offsets(np.array(offsets), 5, block_bytes=8))
