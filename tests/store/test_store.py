"""The feature store: what is written is read, and what a stranger wrote is not trusted."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfeat import FeatureStore
from mmfeat.errors import StoreError
from mmfeat.fit.fusion.rows import present
from mmfeat.store import SCHEMA, Status, open_features, read_features, read_provenance
from mmfeat.store.inspect import inspect_store, sampled_blocks
from mmfeat.store.layout import Block, FailedRow, Rows
from mmfeat.store.verify import verify_store
from mmfeat.store.writer import write_store
from tests.support.workspaces import Mmfeat

N, WIDTH = 12, 8
IDS = tuple(f"{row}.jpg" for row in range(N))


def make_store(
    path: Path,
    *,
    ids: tuple[str, ...] = IDS,
    failed: tuple[int, ...] = (3,),
    captions: tuple[str, ...] | None = None,
    dtype: str = "float16",
    seed: int = 0,
) -> Path:
    n = len(ids)
    values = np.random.default_rng(seed).normal(size=(n, WIDTH)).astype(dtype)
    status = np.full(n, Status.OK, np.uint8)
    for row in failed:
        values[row] = np.nan
        status[row] = Status.CORRUPT
    block = Block(
        embeddings={"image": values, "text": values[:, ::-1].copy()},
        status={"image": status, "text": status},
        failed=tuple(
            FailedRow(row=row, modality=m, status=Status.CORRUPT, reason="broken")
            for row in failed
            for m in ("image", "text")
        ),
    )
    write_store(
        path,
        rows=Rows(
            ids=ids,
            image_paths=ids,
            captions=captions or tuple(f"caption {i}" for i in ids),
            targets=np.eye(3, dtype=np.uint8)[np.arange(n) % 3],
            labels=("1", "2", "19"),
        ),
        widths={"image": WIDTH, "text": WIDTH},
        dtype=dtype,
        provenance={"schema": SCHEMA, "n_rows": n, "modalities": ["image", "text"], "encoder": {}},
        blocks=[block],
    )
    return path


def test_a_store_gives_back_what_was_written(tmp_path: Path) -> None:
    path = make_store(tmp_path / "a.h5")
    with FeatureStore.open(path) as store:
        assert store.ids == store.image_paths == tuple(f"{i}.jpg" for i in range(N))
        assert store.captions is not None and store.captions[2] == "caption 2.jpg"
        assert store.labels == ("1", "2", "19") and store.modalities == ("image", "text")
        assert store.embeddings("image").dtype == np.float16
        assert np.isnan(store.embeddings("text")[3]).all()
        assert store.statuses["image"].tolist() == [1] * 3 + [3] + [1] * 8
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
    other = make_store(tmp_path / "b.h5", ids=("x.jpg", *(f"{i}.jpg" for i in range(1, N))))
    with pytest.raises(StoreError, match=r"2 ids .*'0.jpg', 'x.jpg'"):
        read_features([first, other])
    swapped = tuple(f"{i}.jpg" for i in (1, 0, *range(2, N)))
    with pytest.raises(StoreError, match="same labels"):
        read_features([first, make_store(tmp_path / "c.h5", ids=swapped)])


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
    assert "norms and cosines are of 65536 rows" in mmfeat("inspect", large).stdout
    for n_rows in (0, 1, 1024, 65_536, 65_537, 65_599, 10_000_000):
        blocks = sampled_blocks(n_rows)
        assert sum(block.stop - block.start for block in blocks) == min(n_rows, 65_536)
        assert all(a.stop <= b.start for a, b in itertools.pairwise(blocks))
        assert not n_rows or blocks[-1].stop > n_rows - 64


def edit(name: str, row: int, value: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[name][row] = value

    return change


def edit_text(name: str, row: int, value: bytes) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        start, stop = file[f"{name}/offsets"][row : row + 2]
        file[f"{name}/bytes"][start:stop] = np.frombuffer(value, np.uint8)

    return change


def set_attribute(file: h5py.File, name: str, value: bytes) -> None:
    file.attrs.create(name, value, dtype=h5py.string_dtype("utf-8", len(value)))


def edit_provenance(file: h5py.File) -> None:
    set_attribute(file, "provenance", b'{"made": "up", ' + file.attrs["provenance"][1:])


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (edit("image/embeddings", 5, 0.0), "row 5 is ok but its image embedding is zero"),
        (edit("image/embeddings", 5, 0.5), "image/embeddings is not what was written"),
        (edit("text/embeddings", 6, np.nan), "row 6 has the text status 1 but .* is NaN"),
        (edit("text/embeddings", 3, 1.0), "row 3 has the text status 3 but .* not NaN"),
        (edit("image/status", 0, 9), "unknown codes"),
        (edit("image/status", 0, 2), "reasons do not match"),
        (edit_text("ids", 0, b"1.jpg"), "ids are repeated"),
        (edit_text("captions", 0, b"caption X.jpg"), "captions/bytes is not what was written"),
        (edit("labels/targets", 0, 2), "neither 0 nor 1"),
        (edit_provenance, "provenance is not what was written"),
    ],
)
def test_verify_finds_what_was_changed(
    tmp_path: Path, change: Callable[[h5py.File], None], finding: str
) -> None:
    path = make_store(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        change(file)
    assert any(re.search(finding, line) for line in verify_store(path)), verify_store(path)


def test_an_unknown_status_is_told_by_inspect(tmp_path: Path, mmfeat: Mmfeat) -> None:
    path = make_store(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        file["image/status"][0] = 9
    result = mmfeat("inspect", path)
    assert result.exit_code == 1 and "9 is not a valid Status" in result.stderr


def _external_link(file: h5py.File) -> None:
    del file["captions"]
    file["captions"] = h5py.ExternalLink("/etc/passwd", "x")


def _soft_link(file: h5py.File) -> None:
    del file["captions"]
    file["captions"] = h5py.SoftLink("/ids")


def _huge(file: h5py.File) -> None:
    del file["image/embeddings"]
    file.create_dataset("image/embeddings", (N, 1 << 40), "f2", chunks=(1, 1 << 20))


def _huge_contiguous(file: h5py.File) -> None:
    del file["image/embeddings"]
    file.create_dataset("image/embeddings", (N, 1 << 30), "f2")


def _inflating(file: h5py.File) -> None:
    del file["image/embeddings"]
    file.create_dataset("image/embeddings", data=np.zeros((N, 4096), "f2"), compression="gzip")


def _external_storage(file: h5py.File) -> None:
    del file["image/status"]
    file.create_dataset("image/status", (N,), "u1", external=[("/etc/passwd", 0, N)])


def _references(file: h5py.File) -> None:
    del file["ids"]
    file.create_dataset("ids/offsets", (N + 1,), h5py.ref_dtype)
    file.create_dataset("ids/bytes", (1,), "u1")


def _other_rows(file: h5py.File) -> None:
    del file["text/status"]
    file.create_dataset("text/status", data=np.ones(N + 1, np.uint8))


def _other_schema(file: h5py.File) -> None:
    set_attribute(file, "provenance", json.dumps({"schema": 99}).encode())


def _no_provenance(file: h5py.File) -> None:
    del file.attrs["provenance"]


def _not_json(file: h5py.File) -> None:
    set_attribute(file, "checksums", b"nonsense")


def _stranger(file: h5py.File) -> None:
    file.create_dataset("image/more/deep", data=[1])


def _dataset_for_group(file: h5py.File) -> None:
    del file["labels"]
    file.create_dataset("labels", data=[1])


@pytest.mark.parametrize(
    "change",
    [
        _external_link,
        _soft_link,
        _huge,
        _huge_contiguous,
        _inflating,
        _external_storage,
        _references,
        _other_rows,
        _other_schema,
        _no_provenance,
        _not_json,
        _stranger,
        _dataset_for_group,
    ],
)
def test_a_store_by_a_stranger_is_refused(
    tmp_path: Path, change: Callable[[h5py.File], None]
) -> None:
    path = make_store(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(StoreError, match=r"a\.h5"):
        FeatureStore.open(path)
    assert verify_store(path)


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not"):
        FeatureStore.open(tmp_path / "none.h5")
    with pytest.raises(StoreError, match="is a folder"):
        FeatureStore.open(tmp_path)
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(StoreError, match=r"text\.h5"):
        FeatureStore.open(tmp_path / "text.h5")
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    with pytest.raises(StoreError, match="provenance"):
        FeatureStore.open(tmp_path / "empty.h5")


def test_a_damaged_file_never_ends_in_another_error(tmp_path: Path) -> None:
    """Every 16th byte of the file's structure flipped: read as before, or `StoreError`."""
    path = make_store(tmp_path / "a.h5")
    content = path.read_bytes()
    damaged = tmp_path / "b.h5"
    refused = 0
    for at in range(0, len(content), max(len(content) // 150, 1)):
        damaged.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        try:
            with FeatureStore.open(damaged) as store:
                store.features()
                assert store.failed is not None
        except StoreError:
            refused += 1
    assert refused > 0
    damaged.write_bytes(content[: len(content) // 2])
    assert verify_store(damaged)
    shutil.rmtree(tmp_path)
