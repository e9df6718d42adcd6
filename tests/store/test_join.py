"""Several stores of one split are joined by id."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from mmfeat import FeatureStore
from mmfeat.errors import StoreError
from mmfeat.fit.fusion.rows import present
from mmfeat.store import SCHEMA, open_features, read_features
from mmfeat.store.join.rows import match_rows, merge
from mmfeat.store.layout import Block, Rows
from mmfeat.store.writer import write_store
from mmfeat.types import Features
from tests.support.stage_one.stores import IDS, WIDTH, N, make_store


def test_stores_are_joined_by_id(tmp_path: Path) -> None:
    ids = tuple(f"{i}.jpg" for i in range(N))
    first = make_store(tmp_path / "a.h5", ids=ids, failed=())
    moved = tmp_path / "b.h5"
    order = np.random.default_rng(0).permutation(N)
    with FeatureStore.open(first) as store:
        features = store.features()
    write_store(
        moved,
        rows=Rows(
            ids=[ids[i] for i in order],
            image_paths=[ids[i] for i in order],
            captions=None,
            targets=features.targets[order] if features.targets is not None else None,
            labels=features.labels,
        ),
        widths={"image": WIDTH},
        dtype="float16",
        provenance={"schema": SCHEMA, "n_rows": N, "modalities": ["image"]},
        blocks=[
            Block(
                embeddings={"image": features.embeddings["image"][0][order]},
                status={"image": np.ones(N, np.uint8)},
            )
        ],
    )
    joined = read_features([first, moved])
    assert joined.ids == ids
    assert {m: len(parts) for m, parts in joined.embeddings.items()} == {"image": 2, "text": 1}
    with pytest.raises(StoreError, match="rows in one order"), open_features([first, moved]):
        pass
    one, other = joined.embeddings["image"]
    assert np.array_equal(one, other)


def test_equal_ids_of_several_stores_are_held_once(tmp_path: Path) -> None:
    first, second = (make_store(tmp_path / name) for name in ("a.h5", "b.h5"))
    other = make_store(tmp_path / "c.h5", ids=(*IDS[1:], IDS[0]))
    shorter = make_store(tmp_path / "d.h5", ids=IDS[:-1])
    with FeatureStore.open(first) as store:
        features = store.features()
    for path, expected in ((second, IDS), (other, (*IDS[1:], IDS[0])), (shorter, IDS[:-1])):
        with FeatureStore.open(path) as store:
            found = store.features(beside=features).ids
        assert found == expected and (found is features.ids) == (path is second)


def test_stores_of_other_ids_or_labels_are_not_joined(tmp_path: Path) -> None:
    first = make_store(tmp_path / "a.h5")
    other = make_store(tmp_path / "b.h5", ids=tuple(f"x{i}.jpg" for i in range(N)))
    with pytest.raises(StoreError, match=r"one table; none of 12 ids .* e.g. 'x0.jpg'"):
        read_features([first, other])
    swapped = tuple(f"{i}.jpg" for i in (1, 0, *range(2, N)))
    with pytest.raises(StoreError, match="same labels"):
        read_features([first, make_store(tmp_path / "c.h5", ids=swapped)])


def test_rows_that_a_store_lacks_have_no_embedding_there(tmp_path: Path) -> None:
    all_rows = make_store(tmp_path / "a.h5", failed=())
    fewer = make_store(tmp_path / "b.h5", ids=IDS[:9], seed=1, failed=())
    for paths in ((all_rows, fewer), (fewer, all_rows)):
        with open_features(paths) as stored:
            assert stored.n_lacking == ((0, 3) if paths[0] == all_rows else (3, 0))
            joined, middle = stored.part(slice(None)), stored.part(slice(7, 11))
        lacking = joined.embeddings["image"][paths.index(fewer)]
        assert joined.ids == IDS and np.isnan(lacking[9:]).all() and np.isfinite(lacking[:9]).all()
        np.testing.assert_array_equal(middle.embeddings["image"][paths.index(fewer)], lacking[7:11])
    with open_features([fewer], beside=[all_rows]) as stored:
        assert (stored.ids, stored.n_lacking) == (IDS, (3,))
        np.testing.assert_array_equal(stored.targets, joined.targets)
        again = pickle.loads(pickle.dumps(stored))  # as another process gets it
    with again:
        assert {m: len(parts) for m, parts in again.part(slice(9, 12)).embeddings.items()} == {
            "image": 1,
            "text": 1,
        }


def test_labels_of_rows_that_only_one_store_has() -> None:
    def part(ids: str, labels: str, targets: list[list[int]]) -> Features:
        found = np.array(targets, np.uint8)
        return Features(ids=tuple(ids), embeddings={}, targets=found, labels=tuple(labels))

    large = part("abc", "xy", [[1, 0], [0, 1], [0, 1]])
    small, other = part("cd", "yz", [[1, 0], [0, 1]]), part("cd", "yz", [[0, 0], [0, 1]])
    found = match_rows([small, large], [Path("small"), Path("large")])
    assert (found.ids, found.labels) == (tuple("abcd"), tuple("xyz"))  # the largest is first
    assert found.targets is not None
    assert found.targets.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]
    with pytest.raises(StoreError, match="must have the same labels"):
        match_rows([large, other], [Path("large"), Path("other")])


def test_columns_of_several_stores_are_one() -> None:
    at = (None, np.array([1, -1, 0]))
    assert merge([["a", "b", "c"], ["c", "a"]], at, name="folds") == ["a", "b", "c"]
    assert merge([None, None], at, name="folds") is None
    for first, finding in ((["a", "b", "x"], "are x and c"), (None, "1 row has none")):
        with pytest.raises(StoreError, match=f"must have the same folds; .*{finding}"):
            merge([first, ["c", "a"]], at, name="folds")


def test_features_that_stay_in_their_files_are_the_same(tmp_path: Path) -> None:
    paths = [make_store(tmp_path / "a.h5"), make_store(tmp_path / "b.h5", seed=1, failed=(7,))]
    whole = read_features(paths)
    with open_features(paths) as stored:
        assert (stored.n_rows, stored.ids, stored.labels) == (N, whole.ids, whole.labels)
        np.testing.assert_array_equal(stored.targets, whole.targets)
        for rows in (slice(0), slice(3, 8), slice(8, 99), slice(None)):
            part, expected = stored.part(rows), whole.part(rows)
            assert part.ids == expected.ids
            np.testing.assert_array_equal(part.targets, expected.targets)
            assert list(part.embeddings) == list(expected.embeddings)
            for modality, arrays in expected.embeddings.items():
                for found, wanted in zip(part.embeddings[modality], arrays, strict=True):
                    assert found.dtype == wanted.dtype
                    np.testing.assert_array_equal(found, wanted)
        for modality in ("image", "text"):
            np.testing.assert_array_equal(present(stored, modality), present(whole, modality))
