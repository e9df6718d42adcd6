"""A store of many files is the store of one file, cut; and its index is not trusted."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from mmfeat.core.workspace import Workspace
from mmfeat.errors import StoreError
from mmfeat.store import FeatureStore, Status, open_features, read_features
from mmfeat.store.inspect import inspect_store
from mmfeat.store.parts import INDEX
from mmfeat.store.verify import verify_store
from mmfeat.tables.table import Table
from tests.support.parts import CUT, contents, everything
from tests.support.stage_one.extraction import extract
from tests.support.stage_one.toy import SETTINGS, ToyEncoder, make_picture, make_table
from tests.support.workspaces import Mmfeat, import_split


def test_cut_into_files_it_is_the_same_store(tmp_path: Path, table: Table) -> None:
    assert sorted(contents(tmp_path / "b")) == ["00000.h5", "00001.h5", "00002.h5", INDEX]
    assert not list(tmp_path.glob("b.h5*"))
    whole = everything(tmp_path / "a.h5")
    assert everything(tmp_path / "b.h5") == everything(tmp_path / "b") == whole
    assert verify_store(tmp_path / "b.h5") == []
    with FeatureStore.open(tmp_path / "a.h5") as one, FeatureStore.open(tmp_path / "b.h5") as many:
        assert (one.n_files, many.n_files) == (1, 3)
        assert many.provenance == {**one.provenance, "rows_per_file": 7}
        for rows in (slice(0), slice(6, 8), slice(7, 14), slice(3, 99), slice(-3, None), None):
            expected = one.embeddings("image", rows)
            np.testing.assert_array_equal(many.embeddings("image", rows), expected)
        stepped = slice(1, 19, 5)
        np.testing.assert_array_equal(many.numbers("image/status", stepped), [1, 2, 1, 1])
        with pytest.raises(StoreError, match="forwards"):
            many.numbers("image/status", slice(None, None, -1))


def test_each_file_is_a_store_by_itself(tmp_path: Path, table: Table) -> None:
    start = 0
    for number, n_rows in enumerate((7, 7, 6)):
        path = tmp_path / "b" / f"{number:05d}.h5"
        assert verify_store(path) == []
        with FeatureStore.open(path) as store:
            assert store.ids == table.ids[start : start + 7]
            assert store.provenance["part"] == {"start": start, "n_rows": 20}
            failed = np.flatnonzero(store.status("image") != Status.OK).tolist()
            assert [p.row for p in store.failed if p.modality == "image"] == failed
        start += n_rows


def test_stage_two_takes_either(tmp_path: Path, table: Table) -> None:
    one, many = tmp_path / "a.h5", tmp_path / "b.h5"
    joined = read_features([one, many])
    left, right = joined.embeddings["image"]
    np.testing.assert_array_equal(left, right)
    with open_features([one, many]) as stored:
        part = stored.part(slice(5, 16))
    left, right = part.embeddings["image"]
    np.testing.assert_array_equal(left, right)
    documents = [inspect_store(path) for path in (one, many)]
    assert [document.pop("files") for document in documents] == [1, 3]
    for document in documents:
        for name in ("path", "provenance", "digest"):
            del document[name]
    assert documents[0] == documents[1]


def test_commands_take_either(tmp_path: Path, mmfeat: Mmfeat) -> None:
    scores = []
    for name, cut in (("one", 0), ("many", 23)):
        space = Workspace(tmp_path / name)
        import_split(space, "train", rows_per_file=cut)
        import_split(space, "test", n_rows=20, seed=7, rows_per_file=cut)
        assert space.store("train").exists() == (not cut)
        at = ("-w", space.root)
        assert mmfeat("fit", "--head", "logreg", "--name", "run", *at, "--quiet").exit_code == 0
        assert mmfeat("tune-thresholds", "run", *at).exit_code == 0
        out = tmp_path / f"{name}.csv"
        assert mmfeat("predict", "run", "--split", "test", "--out", out, *at).exit_code == 0
        assert mmfeat("report", "run", *at).exit_code == 0
        result = mmfeat("verify", space.root / "features" / "train.h5")
        assert result.stdout.endswith("whole\n") and result.exit_code == 0
        scores.append(out.read_text())
    assert scores[0] == scores[1]
    result = mmfeat("inspect", tmp_path / "many" / "features" / "train")
    assert "60 rows in 3 files" in result.stdout
    result = mmfeat("verify", tmp_path / "many" / "features" / "nothing.h5")
    assert result.exit_code == 1 and "must exist" in result.stderr


def test_a_second_time_nothing_is_done_and_changes_are_told(
    tmp_path: Path, table: Table, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    encoder = ToyEncoder()
    summary = extract(table, tmp_path, tmp_path / "b.h5", encoder=encoder, settings=CUT)
    assert summary.already_complete and summary.path == tmp_path / "b"
    assert encoder.n_images == encoder.n_captions == 0 and not caplog.text
    make_picture(tmp_path / "images" / "3.jpg", seed=98)
    assert not extract(table, tmp_path, tmp_path / "b.h5", settings=CUT).already_complete
    assert "5 of 20 image rows and 0 of 20 text rows are new" in caplog.text


def test_failed_pictures_are_tried_again(tmp_path: Path, table: Table) -> None:
    make_picture(tmp_path / "images" / "6.jpg", seed=6)
    for name, options in (("a", SETTINGS), ("b", CUT)):
        out, encoder = tmp_path / f"{name}.h5", ToyEncoder()
        summary = extract(
            table, tmp_path, out, encoder=encoder, settings=options, retry_failed=True
        )
        assert encoder.n_images == 1 and summary.counts["image"] == {"ok": 20}
        assert verify_store(out) == []
    assert everything(tmp_path / "a.h5") == everything(tmp_path / "b.h5")


def test_verify_names_the_file(tmp_path: Path, table: Table) -> None:
    with h5py.File(tmp_path / "b" / "00001.h5", "r+") as file:
        file["image/embeddings"][3] = 0
    findings = verify_store(tmp_path / "b.h5")
    assert any(re.search(r"00001\.h5: row 3 is ok but its image", line) for line in findings)


def test_ids_that_are_repeated_in_another_file_are_found(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    table = replace(table, ids=(*table.ids[:-1], table.ids[0]))
    extract(table, tmp_path, tmp_path / "b.h5", settings=CUT)
    assert verify_store(tmp_path / "b.h5") == ["ids are repeated in several files"]


def test_a_closed_store_of_many_files_is_closed(tmp_path: Path, table: Table) -> None:
    with FeatureStore.open(tmp_path / "b.h5") as store:
        pass
    with pytest.raises(StoreError, match="closed"):
        _ = store.ids
