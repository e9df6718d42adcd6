"""What `mmfeat inspect` says of a store."""

from __future__ import annotations

import itertools
import json
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

from mmfeat.store import FeatureStore
from mmfeat.store.inspect import inspect_store, sampled_blocks
from mmfeat.store.verify import verify_store
from tests.support.stage_one.stores import N, make_store, seal
from tests.support.workspaces import Mmfeat


def test_inspect_counts_and_compares(tmp_path: Path) -> None:
    document = inspect_store(make_store(tmp_path / "a.h5"))
    json.dumps(document, allow_nan=False)
    assert document["rows"] == N and document["status"]["image"] == {"ok": 11, "corrupt": 1}
    assert document["problems"][0]["reason"] == "broken" and document["n_problems"] == 2
    assert document["rows_looked_at"] == N and document["labels_per_row"] == 1.0
    assert set(document["cosine"]) == set(document["norms"]["text"]) == {"min", "median", "max"}


def test_inspect_looks_at_blocks_of_a_large_store(tmp_path: Path, mmfeat: Mmfeat) -> None:
    path = make_store(tmp_path / "a.h5", failed=(3, 6))
    document = inspect_store(path, block_rows=2, most_blocks=3)
    assert document["rows_looked_at"] == 6
    assert document["status"]["image"] == {"ok": 10, "corrupt": 2}
    with FeatureStore.open(path) as store:
        norms = np.linalg.norm(store.embeddings("image").astype(np.float32), axis=1)
    seen = norms[[0, 1, 5, 10, 11]]  # row 6 is NaN
    assert document["norms"]["image"]["max"] == pytest.approx(float(seen.max()))
    assert document["norms"]["image"]["median"] == pytest.approx(float(np.median(seen)))
    ids = tuple(f"{row}.jpg" for row in range(65_600))
    large = make_store(tmp_path / "large.h5", ids=ids, captions=ids)
    assert (
        "norms and cosines are measured on 65536 evenly spaced rows"
        in mmfeat("inspect", large).stdout
    )
    for n_rows in (0, 1, 1024, 65_536, 65_537, 65_599, 10_000_000):
        blocks = sampled_blocks(n_rows)
        assert sum(block.stop - block.start for block in blocks) == min(n_rows, 65_536)
        assert all(a.stop <= b.start for a, b in itertools.pairwise(blocks))
        assert not n_rows or blocks[-1].stop > n_rows - 64


def test_an_unknown_status_is_told_by_inspect(tmp_path: Path, mmfeat: Mmfeat) -> None:
    path = make_store(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        file["image/status"][0] = 9
        seal(file)
    result = mmfeat("inspect", path)
    assert result.exit_code == 1 and "9 is not a valid Status" in result.stderr


def test_inspect_says_nothing_of_norms_that_are_none(tmp_path: Path) -> None:
    path = make_store(tmp_path / "a.h5", dtype="float32")
    with h5py.File(path, "r+") as file:
        file["image/embeddings"][0] = 0
        file["image/embeddings"][1] = 1e30
        seal(file)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert inspect_store(path)["cosine"]["max"] <= 1.001


def test_what_is_unknown_is_whole_and_told(tmp_path: Path, mmfeat: Mmfeat) -> None:
    path = make_store(tmp_path / "a.h5")
    assert min(inspect_store(path)["known_labels"].values()) == 1.0
    with h5py.File(path, "r+") as file:
        file["labels/targets"][:3, 0] = 255
        seal(file)
    assert verify_store(path) == []
    assert next(iter(inspect_store(path)["known_labels"].values())) == 1 - 3 / N
    assert "of the labels are unknown, most often" in mmfeat("inspect", path).stdout
