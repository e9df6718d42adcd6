"""Processes that share a folder make one store together, and a death costs one shard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from mmfeat.core.lock import locked
from mmfeat.errors import StoreError
from mmfeat.extract import ENGINES, extract_table, help_extract
from mmfeat.extract.engines.base import engine_name
from mmfeat.extract.engines.torchrun import is_helper
from mmfeat.extract.images.decoding import Decoder, DecodeTask
from mmfeat.extract.images.read import Decoded
from mmfeat.extract.images.sources import open_images
from mmfeat.tables.table import Table
from tests.support.stage_one.extraction import FORK, extract, repeating_table
from tests.support.stage_one.toy import SETTINGS, ToyEncoder, make_table

TORCHRUN = replace(SETTINGS, engine="torchrun")


def give_help(table: Table, folder: Path, out: Path, seconds: float = 0.0) -> None:
    help_extract(
        table,
        images=folder / "images",
        encoder=ToyEncoder(seconds=seconds),
        out=out,
        settings=TORCHRUN,
    )


def test_two_processes_of_torchrun_give_the_bytes_of_one(tmp_path: Path) -> None:
    make_table(tmp_path, n_rows=20)
    line = ["table.csv", "--images", "images", "--model", "tiny-demo", "--shard-rows", "3"]
    line += ["--batch-size", "4", "--workers", "1"]
    one = [sys.executable, "-m", "mmfeat_cli", "extract", *line, "--out", "one.h5"]
    two = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    two += ["-m", "mmfeat.extract", *line, "--out", "two.h5"]
    for command in (one, two):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.count("table.csv: 20 rows") == 1  # the helper is silent
    assert done.stdout.count("two.h5: 20 rows") == 1
    assert (tmp_path / "two.h5").read_bytes() == (tmp_path / "one.h5").read_bytes()
    assert not list(tmp_path.glob("two.h5.*"))


def test_a_helper_makes_what_is_free_and_leaves_what_others_have_claimed(tmp_path: Path) -> None:
    table = repeating_table(tmp_path)
    extract(table, tmp_path, tmp_path / "whole.h5")
    parts = tmp_path / "a.h5.parts"
    with locked(parts / "00001.claim"):
        give_help(table, tmp_path, tmp_path / "a.h5")
    assert sorted(path.name for path in parts.iterdir()) == ["00000.h5", "00002.h5", "00003.h5"]
    encoder = ToyEncoder()
    extract(table, tmp_path, tmp_path / "a.h5", encoder=encoder, settings=TORCHRUN)
    assert encoder.n_images == 1  # of rows 5 to 9 one is missing, and three repeat earlier ones
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    give_help(table, tmp_path, tmp_path / "a.h5")  # it comes too late
    assert not parts.exists()


def test_the_claims_of_the_dead_are_free(tmp_path: Path) -> None:
    table = make_table(tmp_path, n_rows=40)
    extract(table, tmp_path, tmp_path / "whole.h5")
    out = tmp_path / "a.h5"
    helper = FORK.Process(target=give_help, args=(table, tmp_path, out, 0.05))
    helper.start()
    while helper.is_alive() and not list(tmp_path.glob("a.h5.parts/*.claim")):
        time.sleep(0.001)
    assert helper.pid is not None
    os.kill(helper.pid, signal.SIGKILL)
    helper.join()
    extract(table, tmp_path, out, settings=TORCHRUN)
    assert out.read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_progress_counts_what_others_make(tmp_path: Path) -> None:
    table = make_table(tmp_path, n_rows=60)
    out = tmp_path / "a.h5"
    helper = FORK.Process(target=give_help, args=(table, tmp_path, out, 0.01))
    helper.start()
    seen: dict[str, list[int]] = {"image": [], "text": []}
    extract_table(
        table,
        images=tmp_path / "images",
        encoder=ToyEncoder(seconds=0.01),
        out=out,
        settings=TORCHRUN,
        progress=lambda modality, done, total: seen[modality].append(done),
    )
    helper.join()
    assert helper.exitcode == 0
    for done in seen.values():
        assert done == sorted(done) and done[-1] == 60


def test_a_helper_with_another_model_is_refused(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    give_help(table, tmp_path, tmp_path / "a.h5")
    with pytest.raises(StoreError, match=r"encoder\.name"):
        help_extract(
            table,
            images=tmp_path / "images",
            encoder=ToyEncoder(name="other"),
            out=tmp_path / "a.h5",
            settings=TORCHRUN,
        )


def test_who_helps_is_told_by_its_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert not is_helper()
    for rank, helps in (("0", False), ("3", True)):
        monkeypatch.setenv("RANK", rank)
        assert is_helper() == helps


def test_a_decoder_forgets_what_was_asked_and_not_taken(tmp_path: Path) -> None:
    make_table(tmp_path, n_rows=40)
    task = DecodeTask(
        images=open_images(tmp_path / "images"),
        preprocessing=ToyEncoder.preprocessing,
        max_pixels=10**6,
        fast=False,
    )
    names = [f"{row}.jpg" for row in range(40)]
    with Decoder(task, workers=2) as decoder:
        next(decoder.decode(names))
        again = list(decoder.decode(names[::-1]))
    assert digests(again) == digests(task(names[::-1])) and len(again) == 40


def digests(decoded: Iterable[Decoded]) -> list[bytes]:
    return [found[1] for found in decoded if isinstance(found, tuple)]


def test_the_former_name_of_the_engine_is_accepted(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    extract(table, tmp_path, tmp_path / "new.h5", settings=TORCHRUN)
    extract(table, tmp_path, tmp_path / "old.h5", settings=replace(TORCHRUN, engine="claims"))
    assert (tmp_path / "old.h5").read_bytes() == (tmp_path / "new.h5").read_bytes()
    assert list(ENGINES) == ["local", "torchrun", "ray"]
    assert engine_name("claims") == engine_name("torchrun") == "torchrun"
