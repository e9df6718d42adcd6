"""A store of many files is the store of one file, cut; and its index is not trusted."""

from __future__ import annotations

import itertools
import json
import os
import re
import resource
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmfeat.errors import ExtractError, StoreError
from mmfeat.runs.workspace import Workspace
from mmfeat.store import FeatureStore, Status, open_features, read_features
from mmfeat.store.inspect import inspect_store
from mmfeat.store.layout import store_digest
from mmfeat.store.parts import INDEX, finish
from mmfeat.store.verify import verify_store
from mmfeat.types import Table
from tests.extract.test_extract import FORK, InterruptedEncoder, extract, repeating_table
from tests.support.toy import SETTINGS, ToyEncoder, make_picture, make_table
from tests.support.workspaces import Mmfeat, import_split

CUT = replace(SETTINGS, rows_per_file=7)  # of shards with 5 rows


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """20 rows that repeat one another across files, with failures, as `a.h5` and cut as `b/`."""
    table = repeating_table(tmp_path)
    extract(table, tmp_path, tmp_path / "a.h5")
    extract(table, tmp_path, tmp_path / "b.h5", settings=CUT)
    return table


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def everything(path: Path) -> dict[str, Any]:
    """What the reader says of a store, as plain values."""
    with FeatureStore.open(path) as store:
        return {
            "ids": store.ids,
            "image_paths": store.image_paths,
            "captions": store.captions,
            "labels": store.labels,
            "targets": store.targets.tolist() if store.targets is not None else None,
            "embeddings": {m: store.embeddings(m).tobytes() for m in store.modalities},
            "statuses": {m: codes.tolist() for m, codes in store.statuses.items()},
            "truncated": {m: flags.tolist() for m, flags in store.truncated.items()},
            "failed": store.failed,
            "n_failed": store.n_failed,
            "first": store.first_failed(3),
            "widths": store.widths,
            "dtype": store.dtype,
            "n_rows": store.n_rows,
            "features": store.features().embeddings["image"][0].tobytes(),
            "blocks": [
                [block.n_rows, block.failed, *(v.tobytes() for _, v in block.arrays())]
                for block in store.blocks(block_rows=6)
            ],
        }


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
    assert result.exit_code == 1 and "must be there" in result.stderr


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    n_images=st.integers(0, 5),
    shard_rows=st.integers(1, 9),
    rows_per_file=st.integers(1, 21),
    batch_size=st.integers(1, 5),
)
def test_interrupted_equals_uninterrupted(
    tmp_path_factory: pytest.TempPathFactory,
    n_images: int,
    shard_rows: int,
    rows_per_file: int,
    batch_size: int,
) -> None:
    folder = tmp_path_factory.mktemp("interrupted")
    table = repeating_table(folder)
    options = replace(SETTINGS, shard_rows=shard_rows, batch_size=batch_size)
    extract(table, folder, folder / "one.h5", settings=options)
    options = replace(options, rows_per_file=rows_per_file)
    extract(table, folder, folder / "whole.h5", settings=options)
    assert everything(folder / "one.h5") == everything(folder / "whole.h5")
    with pytest.raises(KeyboardInterrupt):
        extract(
            table,
            folder,
            folder / "cut.h5",
            settings=options,
            encoder=InterruptedEncoder(n_images),
        )
    extract(table, folder, folder / "cut.h5", settings=options)
    assert contents(folder / "cut") == contents(folder / "whole")
    assert not list(folder.glob("cut.h5*"))


@pytest.mark.parametrize("retry_failed", [False, True])
def test_interrupted_between_the_files_and_while_they_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: Table, retry_failed: bool
) -> None:
    """At each file that is written or moved; then the same command again."""
    make_picture(tmp_path / "images" / "6.jpg", seed=6)
    if retry_failed:
        shutil.copytree(tmp_path / "b", tmp_path / "whole")
    extract(table, tmp_path, tmp_path / "whole.h5", settings=CUT, retry_failed=retry_failed)
    whole = contents(tmp_path / "whole")
    assert len(whole) == 4 and verify_store(tmp_path / "whole") == []
    replaces = Path.replace
    moves: list[Path] = []
    for limit in itertools.count():
        out = tmp_path / f"cut{limit}.h5"
        if retry_failed:
            shutil.copytree(tmp_path / "b", out.with_suffix(""))
        moves.clear()

        def stop(path: Path, target: Path, limit: int = limit) -> Path:
            if f"cut{limit}" in str(target) and ".parts" not in str(target):
                moves.append(target)
                if len(moves) > limit:
                    raise KeyboardInterrupt
            return replaces(path, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", stop)
            try:
                extract(table, tmp_path, out, settings=CUT, retry_failed=retry_failed)
                break
            except KeyboardInterrupt:
                pass
        extract(table, tmp_path, out, settings=CUT, retry_failed=retry_failed)
        assert contents(out.with_suffix("")) == whole
        assert not list(tmp_path.glob(f"{out.name}*"))
    assert limit == 8  # four files are written and four are moved


def run_slowly(table: Table, folder: Path, out: Path) -> None:
    extract(table, folder, out, encoder=ToyEncoder(seconds=0.001), settings=CUT)


def test_killed_at_20_random_moments_the_files_are_the_same(tmp_path: Path) -> None:
    table = make_table(tmp_path, n_rows=60)
    started = time.monotonic()
    run_slowly(table, tmp_path, tmp_path / "whole.h5")
    seconds = time.monotonic() - started
    whole = contents(tmp_path / "whole")
    rng = np.random.default_rng(0)
    kills = 0
    for trial in itertools.count():
        out = tmp_path / f"{trial}.h5"
        while True:
            child = FORK.Process(target=run_slowly, args=(table, tmp_path, out))
            child.start()
            child.join(float(rng.uniform(0, seconds)))
            if child.is_alive():
                assert child.pid is not None
                os.kill(child.pid, signal.SIGKILL)
                kills += 1
            child.join()
            if child.exitcode == 0:
                break
        assert contents(tmp_path / str(trial)) == whole
        assert not list(tmp_path.glob(f"*{out.name}*"))
        if kills >= 20:
            break


def test_a_second_time_nothing_is_done_and_changes_are_told(
    tmp_path: Path, table: Table, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = ToyEncoder()
    summary = extract(table, tmp_path, tmp_path / "b.h5", encoder=encoder, settings=CUT)
    assert summary.already_complete and summary.path == tmp_path / "b"
    assert encoder.n_images == encoder.n_captions == 0 and not caplog.text
    make_picture(tmp_path / "images" / "3.jpg", seed=98)
    extract(table, tmp_path, tmp_path / "b.h5", settings=CUT)
    assert "index.json: 1, e.g. that of row 3 (3.jpg)" in caplog.text


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


@pytest.mark.parametrize("rows", [0, 6, 20])
def test_another_number_of_rows_per_file_is_refused(
    tmp_path: Path, table: Table, rows: int
) -> None:
    options = replace(SETTINGS, rows_per_file=rows)
    with pytest.raises(StoreError, match="rows_per_file is 7 there and"):
        extract(table, tmp_path, tmp_path / "b.h5", settings=options)
    if rows:
        with pytest.raises(StoreError, match="rows_per_file is None there and"):
            extract(table, tmp_path, tmp_path / "a.h5", settings=options)
    with pytest.raises(ExtractError, match="--rows-per-file is at least 0"):
        extract(table, tmp_path, tmp_path / "c.h5", settings=replace(SETTINGS, rows_per_file=-1))


def test_two_stores_of_one_name_are_refused(tmp_path: Path, table: Table) -> None:
    shutil.copy(tmp_path / "a.h5", tmp_path / "b.h5")
    for path in (tmp_path / "b.h5", tmp_path / "b"):
        with pytest.raises(StoreError, match=r"b\.h5 and .*b/index\.json are both there"):
            FeatureStore.open(path)
        with pytest.raises(StoreError, match="both"):
            verify_store(path)
    with pytest.raises(StoreError, match="both"):
        extract(table, tmp_path, tmp_path / "b.h5")


def test_a_feature_set_in_the_folder_is_left_alone(tmp_path: Path, table: Table) -> None:
    """`features/train/` may also be the feature set `train`."""
    shutil.copy(tmp_path / "a.h5", tmp_path / "b" / "test.h5")
    make_picture(tmp_path / "images" / "6.jpg", seed=6)
    extract(table, tmp_path, tmp_path / "b.h5", settings=CUT, retry_failed=True)
    assert verify_store(tmp_path / "b.h5") == [] == verify_store(tmp_path / "b" / "test.h5")


def test_what_is_ready_replaces_files_of_another_number(tmp_path: Path, table: Table) -> None:
    shutil.move(tmp_path / "b", tmp_path / "c.h5.new")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "00009.h5").touch()
    finish(tmp_path / "c.h5")
    assert verify_store(tmp_path / "c.h5") == [] and len(contents(tmp_path / "c")) == 4
    shutil.copytree(tmp_path / "c", tmp_path / "c.h5.new")
    (tmp_path / "c.h5.new" / INDEX).unlink()
    finish(tmp_path / "c.h5")
    assert not (tmp_path / "c.h5.new").exists() and verify_store(tmp_path / "c.h5") == []


Change = Callable[[Path, dict[str, Any]], None]


def set_entry(number: int, name: str, value: object) -> Change:
    def change(folder: Path, index: dict[str, Any]) -> None:
        index["files"][number][name] = value

    return change


def set_field(name: str, value: object) -> Change:
    def change(folder: Path, index: dict[str, Any]) -> None:
        index[name] = value

    return change


def _missing(folder: Path, index: dict[str, Any]) -> None:
    (folder / "00001.h5").unlink()


def _swapped(folder: Path, index: dict[str, Any]) -> None:
    (folder / "00000.h5").rename(folder / "x")
    (folder / "00001.h5").rename(folder / "00000.h5")
    (folder / "x").rename(folder / "00001.h5")
    for name in ("rows", "digest"):
        values = [entry[name] for entry in index["files"]]
        for entry, value in zip(index["files"], [values[1], values[0], values[2]], strict=True):
            entry[name] = value
    _sign(folder, index)


def _left_out(folder: Path, index: dict[str, Any]) -> None:
    del index["files"][2]
    _sign(folder, index)


def _sign(folder: Path, index: dict[str, Any]) -> None:
    with FeatureStore.open(folder / "00000.h5") as store:
        provenance = store.provenance
    provenance["n_rows"] = provenance.pop("part")["n_rows"]
    digests = {entry["name"]: entry["digest"] for entry in index["files"]}
    index["digest"] = store_digest(provenance, digests)


def _link(folder: Path, index: dict[str, Any]) -> None:
    (folder / "00001.h5").rename(folder.parent / "elsewhere.h5")
    (folder / "00001.h5").symlink_to(folder.parent / "elsewhere.h5")


def _no_store(folder: Path, index: dict[str, Any]) -> None:
    (folder / "00001.h5").write_bytes(b"nothing")


def _other_file(folder: Path, index: dict[str, Any]) -> None:
    shutil.copy(folder.parent / "a.h5", folder / "00001.h5")


def _other_labels(folder: Path, index: dict[str, Any]) -> None:
    with h5py.File(folder / "00001.h5", "r+") as file:
        file["labels/names/bytes"][0] += 1


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (set_entry(1, "name", "../a.h5"), r"must be 00001\.h5, it is '\.\./a\.h5'"),
        (set_entry(1, "name", "/etc/passwd"), "must be 00001"),
        (set_entry(1, "name", 1), "must be 00001"),
        (set_entry(1, "rows", 8), "not of the rows from 0 on, of 21"),
        (set_entry(2, "digest", "0" * 64), r"rows or the digest of 00002"),
        (set_entry(2, "rows", 10**30), "not of the rows from 0"),
        (set_entry(0, "rows", "many"), "unsupported operand"),
        (set_field("digest", "0" * 64), "digest is not that of its files"),
        (set_field("files", []), "names no files"),
        (set_field("files", {"a": 1}), "string indices"),
        (set_field("files", 3), "not iterable"),
        (set_field("schema", 99), "schema 99"),
        (_missing, "00001"),
        (_swapped, "not of the rows from 0"),
        (_left_out, r"not of the rows from 0 on, of 14"),
        (_link, "link out of the folder"),
        (_no_store, "00001"),
        (_other_file, "rows or the digest of 00001"),
        (_other_labels, "other columns or provenance"),
    ],
)
def test_an_index_that_lies_is_refused(
    tmp_path: Path, table: Table, change: Change, found: str
) -> None:
    index = json.loads((tmp_path / "b" / INDEX).read_text())
    change(tmp_path / "b", index)
    (tmp_path / "b" / INDEX).write_text(json.dumps(index))
    with pytest.raises(StoreError, match=found):
        FeatureStore.open(tmp_path / "b.h5")
    assert verify_store(tmp_path / "b.h5")


@pytest.mark.parametrize("text", ["", "[]", "nonsense", "{}", "[" * 10**5, '{"files": null}'])
def test_an_index_that_is_none_is_refused(tmp_path: Path, table: Table, text: str) -> None:
    (tmp_path / "b" / INDEX).write_text(text)
    with pytest.raises(StoreError, match=r"index\.json"):
        FeatureStore.open(tmp_path / "b.h5")


def test_more_files_than_may_be_open_are_told(tmp_path: Path) -> None:
    table = make_table(tmp_path, n_rows=40)
    out = tmp_path / "b.h5"
    extract(table, tmp_path, out, settings=replace(SETTINGS, rows_per_file=1))
    n_open = len(list(Path("/proc/self/fd").iterdir()))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (n_open + 20, hard))
    try:
        with pytest.raises(StoreError, match="raise `ulimit -n`"):
            FeatureStore.open(out)
        assert len(list(Path("/proc/self/fd").iterdir())) == n_open
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert verify_store(out) == []


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
