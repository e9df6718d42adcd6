"""A store of many files is written like one of one file: interrupted or not, the same bytes."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmfeat.errors import ExtractError, StoreError
from mmfeat.store import FeatureStore
from mmfeat.store.parts import INDEX, finish
from mmfeat.store.verify import verify_store
from mmfeat.tables.table import Table
from tests.support.parts import CUT, contents, everything
from tests.support.stage_one.extraction import FORK, InterruptedEncoder, extract, repeating_table
from tests.support.stage_one.toy import SETTINGS, ToyEncoder, make_picture, make_table


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
    # four files are written and four are moved, and where pictures lie is noted; a new store has
    # its cost beside it, and an update a store of what is new
    assert limit == 10


def run_slowly(table: Table, folder: Path, out: Path) -> None:
    extract(table, folder, out, encoder=ToyEncoder(seconds=0.001), settings=CUT)


def test_killed_at_20_random_moments_the_files_are_the_same(tmp_path: Path) -> None:
    table = make_table(tmp_path, n_rows=60)
    started = time.monotonic()
    child = FORK.Process(target=run_slowly, args=(table, tmp_path, tmp_path / "whole.h5"))
    child.start()
    child.join()
    seconds = time.monotonic() - started  # with the time that a fork takes
    whole = contents(tmp_path / "whole")
    rng = np.random.default_rng(0)
    kills = 0
    for trial in itertools.count():
        out = tmp_path / f"{trial}.h5"
        for tries in itertools.count():  # ever later, so that each ends
            child = FORK.Process(target=run_slowly, args=(table, tmp_path, out))
            child.start()
            child.join(float(rng.uniform(0, seconds * (1 + tries / 20))))
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
        with pytest.raises(StoreError, match=r"b\.h5 and .*b/index\.json both exist"):
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


@pytest.mark.parametrize("number", [1, 7])
def test_a_store_with_the_name_of_a_file_is_kept(tmp_path: Path, table: Table, number: int) -> None:
    """`features/b/00007.h5` may be the split `00007` of the feature set `b`."""
    other = tmp_path / "b" / f"{number:05d}.h5"
    shutil.copy(tmp_path / "a.h5", other)
    (tmp_path / "b" / INDEX).unlink()
    if number == 1:
        with pytest.raises(StoreError, match=r"00001\.h5 is a store by itself"):
            extract(table, tmp_path, tmp_path / "b.h5", settings=CUT)
    else:
        extract(table, tmp_path, tmp_path / "b.h5", settings=CUT)
        assert verify_store(tmp_path / "b.h5") == []
    assert other.read_bytes() == (tmp_path / "a.h5").read_bytes()


def test_what_is_ready_replaces_files_of_another_number(tmp_path: Path, table: Table) -> None:
    shutil.move(tmp_path / "b", tmp_path / "c.h5.new")
    (tmp_path / "c").mkdir()
    shutil.copy(tmp_path / "c.h5.new" / "00001.h5", tmp_path / "c" / "00009.h5")
    finish(tmp_path / "c.h5")
    assert verify_store(tmp_path / "c.h5") == [] and len(contents(tmp_path / "c")) == 4
    shutil.copytree(tmp_path / "c", tmp_path / "c.h5.new")
    (tmp_path / "c.h5.new" / INDEX).unlink()
    finish(tmp_path / "c.h5")
    assert not (tmp_path / "c.h5.new").exists() and verify_store(tmp_path / "c.h5") == []
