"""An extraction that was interrupted or killed goes on, and gives the same bytes."""

from __future__ import annotations

import importlib.metadata
import itertools
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmfeat.errors import StoreError
from mmfeat.tables.table import Table
from tests.support.stage_one.extraction import (
    FORK,
    InterruptedEncoder,
    begin,
    extract,
    interrupt_after,
)
from tests.support.stage_one.toy import SETTINGS, ToyEncoder, make_picture, make_table


def test_a_second_time_nothing_is_done(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    assert not extract(table, tmp_path, tmp_path / "a.h5").already_complete
    encoder = ToyEncoder()
    assert extract(table, tmp_path, tmp_path / "a.h5", encoder=encoder).already_complete
    assert encoder.n_images == encoder.n_captions == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"encoder": ToyEncoder(name="other")}, "encoder.name"),
        ({"settings": replace(SETTINGS, shard_rows=4)}, "shard_rows"),
        ({"settings": replace(SETTINGS, dtype="float32")}, "dtype"),
        ({"settings": replace(SETTINGS, decode="fast")}, "decoder.mode"),
        ({"settings": replace(SETTINGS, batch_size=3)}, "batch.image"),
        ({"settings": replace(SETTINGS, modalities=("text",))}, "modalities"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_going_on_otherwise_is_refused_by_field(
    tmp_path: Path, change: dict[str, object], field: str, finished: bool
) -> None:
    table = begin(tmp_path, finished=finished)
    with pytest.raises(StoreError, match=f"{field} is .* there and .* now"):
        extract(table, tmp_path, tmp_path / "a.h5", **change)


@pytest.mark.parametrize("library", ["numpy", "h5py"])
@pytest.mark.parametrize("finished", [True, False])
def test_going_on_with_another_library_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, finished: bool
) -> None:
    table = begin(tmp_path, finished=finished)
    installed = importlib.metadata.version

    def version(name: str) -> str:
        return "0.1" if name == library else installed(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(StoreError, match=rf"libraries\.{library} is .* there and '0\.1' now"):
        extract(table, tmp_path, tmp_path / "a.h5")


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(n_images=st.integers(0, 19), shard_rows=st.integers(1, 9), batch_size=st.integers(1, 5))
def test_interrupted_equals_uninterrupted(
    tmp_path_factory: pytest.TempPathFactory, n_images: int, shard_rows: int, batch_size: int
) -> None:
    folder = tmp_path_factory.mktemp("interrupted")
    table = make_table(folder, n_rows=20)
    options = replace(SETTINGS, shard_rows=shard_rows, batch_size=batch_size)
    extract(table, folder, folder / "whole.h5", settings=options)
    with pytest.raises(KeyboardInterrupt):
        extract(
            table,
            folder,
            folder / "cut.h5",
            settings=options,
            encoder=InterruptedEncoder(n_images),
        )
    encoder = ToyEncoder()
    extract(table, folder, folder / "cut.h5", settings=options, encoder=encoder)
    assert (folder / "cut.h5").read_bytes() == (folder / "whole.h5").read_bytes()
    finished = max(n_images // shard_rows, 0) * shard_rows
    assert encoder.n_images <= 20 - (finished if batch_size == 1 else 0)


def run_slowly(table: Table, folder: Path, out: Path, workers: int) -> None:
    extract(
        table,
        folder,
        out,
        encoder=ToyEncoder(seconds=0.002),
        settings=replace(SETTINGS, workers=workers),
    )


def test_killed_at_30_random_moments_the_store_is_the_same(tmp_path: Path) -> None:
    table = make_table(tmp_path, n_rows=60)
    started = time.monotonic()
    child = FORK.Process(target=run_slowly, args=(table, tmp_path, tmp_path / "whole.h5", 0))
    child.start()
    child.join()
    seconds = time.monotonic() - started  # with the time that a fork takes
    whole = (tmp_path / "whole.h5").read_bytes()
    rng = np.random.default_rng(0)
    kills = 0
    for trial in itertools.count():
        out = tmp_path / f"{trial}.h5"
        for (
            tries
        ) in itertools.count():  # ever later, so that each ends on a machine that slows down
            child = FORK.Process(target=run_slowly, args=(table, tmp_path, out, 0))
            child.start()
            child.join(float(rng.uniform(0, 0.6 * seconds * (1 + tries / 20))))
            if child.is_alive():
                assert child.pid is not None
                os.kill(child.pid, signal.SIGKILL)
                kills += 1
            child.join()
            if child.exitcode == 0:
                break
        assert out.read_bytes() == whole
        run_slowly(table, tmp_path, out, 0)
        assert sorted(p.name for p in tmp_path.glob(f"*{out.name}*")) == [out.name]
        if kills >= 30:
            break


def test_decoding_processes_die_with_a_killed_extraction(tmp_path: Path) -> None:
    table = make_table(tmp_path, n_rows=60)

    def children(pid: int) -> list[int]:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in text.split()]

    child = FORK.Process(target=run_slowly, args=(table, tmp_path, tmp_path / "a.h5", 2))
    child.start()
    assert child.pid is not None
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("a.h5.parts/0*.h5")) and time.monotonic() < deadline:
        time.sleep(0.005)
    orphans = children(child.pid)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    while any(Path(f"/proc/{pid}").exists() for pid in orphans) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert orphans and not any(Path(f"/proc/{pid}").exists() for pid in orphans)


def test_a_shard_that_the_disk_lost_is_made_again(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    extract(table, tmp_path, tmp_path / "whole.h5")
    interrupt_after(table, tmp_path, tmp_path / "a.h5", n_images=11)
    shard = tmp_path / "a.h5.parts" / "00000.h5"
    shard.write_bytes(shard.read_bytes()[:100])
    extract(table, tmp_path, tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_a_shard_with_a_flipped_bit_is_made_again(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    extract(table, tmp_path, tmp_path / "whole.h5")
    interrupt_after(table, tmp_path, tmp_path / "a.h5", n_images=11)
    shard = tmp_path / "a.h5.parts" / "00000.h5"
    content = bytearray(shard.read_bytes())
    with h5py.File(shard) as file:
        content[file["image/embeddings"].id.get_offset() + 3] ^= 1
    shard.write_bytes(content)
    extract(table, tmp_path, tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_a_picture_changed_under_its_name_is_noticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = make_table(tmp_path)
    interrupt_after(table, tmp_path, tmp_path / "a.h5", n_images=11)
    make_picture(tmp_path / "images" / "3.jpg", seed=99)
    extract(table, tmp_path, tmp_path / "a.h5")
    assert "3.jpg has changed; its shard is encoded again" in caplog.text
    extract(table, tmp_path, tmp_path / "whole.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
