"""A modality is a name: a store holds any of them, beside images and texts."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from mmfeat.errors import StoreError
from mmfeat.store import SCHEMA, FailedRow, FeatureStore, Status
from mmfeat.store.inspect import inspect_store
from mmfeat.store.layout import Block, Rows, in_order
from mmfeat.store.verify import verify_store
from mmfeat.store.writer import write_store
from tests.support.stage_one.stores import IDS, N


def write(path: Path, widths: dict[str, int], *, truncated: tuple[str, ...] = ()) -> None:
    rng = np.random.default_rng(0)
    blocks = []
    for rows in (slice(0, 5), slice(5, N)):
        m = rows.stop - rows.start
        block = Block(
            embeddings={n: rng.normal(size=(m, d)).astype(np.float32) for n, d in widths.items()},
            status={name: np.full(m, Status.OK, np.uint8) for name in widths},
            truncated={name: np.ones(m, np.uint8) for name in truncated},
            failed=tuple(
                FailedRow(row=rows.start, modality=name, status=Status.EMPTY, reason="silence")
                for name in sorted(widths)
            ),
        )
        for name in widths:
            block.embeddings[name][0] = np.nan
            block.status[name][0] = Status.EMPTY
        blocks.append(block)
    write_store(
        path,
        rows=Rows(
            ids=IDS,
            image_paths=IDS,
            captions=None,
            targets=None,
            labels=(),
            groups=[str(row // 2) for row in range(N)],
        ),
        widths=widths,
        dtype="float32",
        provenance={"schema": SCHEMA, "n_rows": N, "modalities": list(in_order(widths))},
        blocks=blocks,
    )


def test_a_made_up_modality_is_written_read_and_verified(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write(path, {"audio": 4, "image": 6, "joint": 3}, truncated=("audio", "joint"))
    assert verify_store(path) == []
    assert inspect_store(path)["truncated"] == N  # rows, however many modalities
    with FeatureStore.open(path) as store:
        assert store.modalities == ("image", "audio", "joint")
        assert store.widths == {"image": 6, "audio": 4, "joint": 3}
        assert store.counts == {m: {"ok": N - 2, "empty": 2} for m in store.modalities}
        cut = store.optional("truncated")
        assert {m: flags.sum() for m, flags in cut.items()} == {"audio": N, "joint": N}
        assert np.asarray(store.truncated).sum() == N
        assert [(f.row, f.id, f.modality) for f in store.failed[:3]] == [
            (0, IDS[0], "audio"),
            (0, IDS[0], "image"),
            (0, IDS[0], "joint"),
        ]
        assert np.isnan(store.embeddings("audio")[[0, 5]]).all()
        assert store.groups is not None and store.groups[:3] == ("0", "0", "1")
        assert store.features().ids == IDS
        assert np.isnan(np.asarray(store.audio)[[0, 5]]).all()
        assert store.problems == store.failed
        with pytest.raises(AttributeError, match="no attribute 'text'"):
            _ = store.text
    assert set(inspect_store(path)["norms"]) == {"image", "audio", "joint"}


def test_images_and_texts_come_first() -> None:
    assert in_order({"zebra", "text", "audio", "image"}) == ("image", "text", "audio", "zebra")


@pytest.mark.parametrize("name", ["ids", "labels", "failed", "groups", "Audio", "a b", "", "1a"])
def test_impossible_names_of_modalities_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="name of a modality"):
        write(tmp_path / "a.h5", {name: 4})
    assert not (tmp_path / "a.h5").exists()


def test_texts_have_no_variable_length_and_no_references(tmp_path: Path) -> None:
    """So no reader follows an address that a damaged file may have bent."""
    path = tmp_path / "a.h5"
    write(path, {"audio": 4})
    with h5py.File(path) as file:
        kinds: list[str] = []
        file.visititems(lambda _, item: kinds.append(getattr(item, "dtype", np.dtype("u1")).kind))
        assert set(kinds) == {"u", "i", "f"}
        for name in ("provenance", "checksums"):
            assert h5py.check_string_dtype(file.attrs.get_id(name).dtype).length is not None
