"""Texts as bytes and offsets are what a tuple of strings is, and never hold what is no text."""

from __future__ import annotations

import copy
import json
import pickle
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfeat.store import FeatureStore
from mmfeat.store.texts import BLOCK_TEXTS, Texts, cut_offsets, encode_texts, join_texts
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


TEXTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=9), max_size=9)


def of(texts: list[str] | tuple[str, ...]) -> Texts:
    return Texts(*encode_texts(texts))


@given(TEXTS)
def test_texts_survive_encoding(texts: list[str]) -> None:
    data, offsets = encode_texts(texts)
    assert list(Texts(data, offsets)) == texts
    moved = np.concatenate([np.full(7, 255, np.uint8), data])
    assert list(Texts(moved, offsets + 7)) == texts
    for block_bytes in (1, 5, 1 << 10) if texts else ():
        parts = cut_offsets(offsets, len(data), block_bytes=block_bytes)
        assert [list(Texts(data, part)) for part in parts] == [
            texts[begin:end] for begin, end in pairwise(cuts_of(np.diff(offsets), block_bytes))
        ]


def cuts_of(lengths: IntArray, block_bytes: int) -> list[int]:
    """Where a block ends: at each text with which another multiple of `block_bytes` is reached."""
    ends = np.cumsum(lengths)
    cuts = [i for i in range(1, len(ends)) if ends[i] // block_bytes > ends[i - 1] // block_bytes]
    return [0, *cuts, len(lengths)]


@given(TEXTS, TEXTS, st.slices(9), st.data())
def test_texts_are_what_a_tuple_is(
    texts: list[str], others: list[str], cut: slice, data: st.DataObject
) -> None:
    plain, found = tuple(texts), of(texts)
    assert len(found) == len(plain) and list(found) == texts
    assert found == plain and plain == found and found == texts and texts == found
    assert (found == of(others)) == (found == others) == (others == found) == (texts == others)
    assert hash(found) == hash(plain) and {found, plain} == {plain}
    assert found[cut] == plain[cut] and of(texts)[cut] == found[cut]
    assert pickle.loads(pickle.dumps(found[cut])) == plain[cut] == copy.deepcopy(found)[cut]
    assert encode_texts(found[cut])[0].tobytes() == encode_texts(plain[cut])[0].tobytes()
    assert encode_texts(found[cut])[1].tolist() == encode_texts(plain[cut])[1].tolist()
    assert list(reversed(found)) == texts[::-1]
    for at in range(-len(texts), len(texts)):
        assert found[at] == plain[at] and plain[at] in found
    assert "0123456789" not in found
    rows = data.draw(st.lists(st.integers(-len(texts), len(texts) - 1)) if texts else st.just([]))
    taken = found.take(np.array(rows, np.int64))
    assert taken == tuple(texts[row] for row in rows)
    assert taken.encoded()[1].tolist() == encode_texts([texts[row] for row in rows])[1].tolist()


@given(TEXTS)
def test_texts_are_joined_as_python_joins_them(texts: list[str]) -> None:
    expected = "\n".join(texts).encode("utf-8")
    assert b"".join(join_texts(texts, "\n")) == expected == b"".join(join_texts(of(texts), "\n"))


def test_texts_go_where_lists_go() -> None:
    names = of(("a", "é", "c"))
    assert pd.DataFrame({"id": names}).id.tolist() == ["a", "é", "c"]
    assert pd.Index(names).tolist() == np.array(names).tolist() == json.loads(json.dumps([*names]))
    assert dict(zip(names, range(3), strict=True)) == {"a": 0, "é": 1, "c": 2}
    assert set(names[1:]) == {"é", "c"} and names[np.int64(1)] == "é"
    assert names not in ("aéc", ("a", "é"), ("a", "é", 3), 3)
    for at in (3, -4):
        with pytest.raises(IndexError):
            names[at]
    with pytest.raises(IndexError):
        names.take(np.array([3]))


def test_many_texts_are_compared_and_taken_block_by_block() -> None:
    plain = tuple(f"{row}.jpg" for row in range(2 * BLOCK_TEXTS + 5))
    names, backwards = of(plain), np.arange(len(plain))[::-1]
    assert names == plain and names == of(plain) and names[1:] == of(plain[1:])
    assert names != of((*plain[:-1], "x.jpg")) and names[1:] != names[:-1]
    assert b"".join(join_texts(names, " ")) == " ".join(plain).encode()
    assert names.take(backwards) == plain[::-1] == names[::-1]
    assert repr(names).startswith("<131,077 texts: ['0.jpg', '1.jpg',") and len(repr(names)) < 80


@pytest.mark.parametrize("data", [b"ab\xff\0", b"\xc3\xa9\xc3\0", b"\0\xff\0"])
def test_what_is_not_utf_8_is_an_error(data: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        Texts(np.frombuffer(data, np.uint8), np.array([0, len(data)]))


@pytest.mark.parametrize(
    ("data", "offsets"),
    [
        (b"a\0b", [0, 2, 3]),
        (b"a\0\0b\0", [0, 4, 5]),
        (b"ab\0", [0, 1, 3]),
        (b"a\0bc\0", [0, 3, 5]),
        ("é\0".encode(), [0, 1, 3]),
    ],
)
def test_a_text_that_does_not_end_where_its_offsets_say_is_an_error(
    data: bytes, offsets: list[int]
) -> None:
    with pytest.raises(ValueError, match="does not end"):
        Texts(np.frombuffer(data, np.uint8), np.array(offsets))


@pytest.mark.parametrize("offsets", [[-1, 2], [0, 3, 2], [0, 9], [4, 4, 5]])
def test_offsets_outside_of_the_bytes_are_an_error(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="within 5 bytes"):
        Texts(np.zeros(5, np.uint8), np.array(offsets))
