"""Many rows are searched by an index of faiss."""

from __future__ import annotations

import sys
from functools import partial

import numpy as np
import pytest

from mmfeat.errors import PluginError
from mmfeat.near.links import find_links
from mmfeat.near.projection import choose_projection
from mmfeat.near.search import find_pairs
from tests.support.made_up.near import all_of, features_of, nearly, rows_of, vectors

find_by_index = partial(find_pairs, exact_rows=100)


def test_the_index_finds_nearly_all() -> None:
    pytest.importorskip("faiss", reason="needs pip install 'mmfeat[near]'")
    first = vectors(2000)
    rows = rows_of(first, nearly(first[:100]))
    projection = choose_projection(all_of(rows), 0.99)
    pairs = [tuple(pair) for pair in find_by_index(rows, None, projection, 0.99).rows.tolist()]
    found = set(pairs)
    assert len(pairs) == len(found)
    assert len(found & {(at, 2000 + at) for at in range(100)}) >= 95
    between = find_by_index(rows_of(nearly(first[:50])), rows_of(first), projection, 0.99)
    assert len({tuple(pair) for pair in between.rows.tolist()} & {(n, n) for n in range(50)}) >= 47


def test_without_the_library_equal_rows_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    rows = vectors(300)
    rows[200], rows[201] = rows[0], nearly(rows)[1]
    links = find_links(features_of(image=rows), exact_rows=100)["image"]
    assert links.bound is None and links.pairs.rows.tolist() == [[0, 200]]
    assert "only equal rows are found" in caplog.text and "mmfeat[near]" in caplog.text
    with pytest.raises(PluginError, match="need faiss"):
        find_by_index(rows_of(rows), None, choose_projection(all_of(rows_of(rows)), 0.99), 0.99)
    assert np.isfinite(links.pairs.cosines).all()
