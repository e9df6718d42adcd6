"""The feature store: what is written is read, and what a stranger wrote is not trusted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfeat import FeatureStore
from mmfeat.errors import StoreError
from mmfeat.store import read_provenance
from mmfeat.store.verify import verify_store
from tests.support.stage_one.stores import WIDTH, N, make_store


def test_a_store_gives_back_what_was_written(tmp_path: Path) -> None:
    path = make_store(tmp_path / "a.h5")
    with FeatureStore.open(path) as store:
        assert store.ids == store.image_paths == tuple(f"{i}.jpg" for i in range(N))
        assert store.captions is not None and store.captions[2] == "caption 2.jpg"
        assert store.labels == ("1", "2", "19") and store.modalities == ("image", "text")
        assert store.embeddings("image").dtype == np.float16
        assert np.isnan(store.embeddings("text")[3]).all()
        assert store.status("image").tolist() == [1] * 3 + [3] + [1] * 8
        assert [(f.id, f.reason) for f in store.failed] == [("3.jpg", "broken")] * 2
        features = store.features()
    assert features.embeddings["image"][0].shape == (N, WIDTH) and features.targets is not None
    assert verify_store(path) == []
    with pytest.raises(StoreError, match="closed"):
        _ = store.ids


@settings(max_examples=25, deadline=None)
@given(
    texts=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
        min_size=1,
        max_size=9,
        unique=True,
    ),
    dtype=st.sampled_from(["float16", "float32"]),
)
def test_any_texts_survive_and_bytes_repeat(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], dtype: str
) -> None:
    folder = tmp_path_factory.mktemp("store")
    paths = [
        make_store(folder / n, ids=tuple(texts), captions=tuple(texts), failed=(), dtype=dtype)
        for n in ("a.h5", "b.h5")
    ]
    with FeatureStore.open(paths[0]) as store:
        assert list(store.ids) == texts and store.captions == store.ids and store.dtype == dtype
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert verify_store(paths[0]) == []


def test_the_digest_tells_contents_apart(tmp_path: Path) -> None:
    same = [read_provenance(make_store(tmp_path / name))["digest"] for name in ("a.h5", "b.h5")]
    other = read_provenance(make_store(tmp_path / "c.h5", seed=1))["digest"]
    assert same[0] == same[1] != other


def test_a_store_that_another_program_writes_is_called_that(tmp_path: Path) -> None:
    path = make_store(tmp_path / "a.h5")
    writer = "import h5py, sys; f = h5py.File(sys.argv[1], 'a'); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", writer, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == b"open\n"
        with pytest.raises(StoreError, match=r"another program holds .*close it there"):
            FeatureStore.open(path)
        other.communicate(b"\n")
    FeatureStore.open(path).close()
