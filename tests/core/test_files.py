from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mmfeat.core.files import (
    HOST,
    check_output,
    replacing,
    replacing_folder,
    write_json,
    write_text,
    writing,
)
from mmfeat.errors import ConfigError


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    write_text(path, "one\n")
    write_text(path, "two\n")
    assert path.read_text() == "two\n"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_failed_write_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as failed, replacing(tmp_path / "file"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert failed.value.filename == str(tmp_path / "file")


def test_json_is_strict(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"ü": [1, None]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"ü": [1, None]}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", float("nan"))
    assert not (tmp_path / "b.json").exists()


def test_leftovers_of_dead_processes_are_removed_and_of_live_ones_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left, live, far = (
        tmp_path / f".a.txt.{host}.{process}.tmp"
        for host, process in ((HOST, dead.pid), (HOST, os.getppid()), ("elsewhere", dead.pid))
    )
    for partial in (left, live, far):
        partial.write_text("half")
    write_text(path, "whole")
    assert sorted(tmp_path.iterdir()) == sorted([path, live, far])


def test_a_folder_is_replaced_whole_and_put_back_after_a_kill(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    for text in ("one", "two"):
        with replacing_folder(folder) as new:
            (new / "file").write_text(text)
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
    folder.rename(tmp_path / f".out.{HOST}.999999999.old")  # killed between two renames
    with pytest.raises(ValueError, match="stop"), replacing_folder(folder) as new:
        raise ValueError("stop")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (folder / "file").read_text() == "two"


def test_a_link_and_a_pipe_stay_what_they_are(tmp_path: Path) -> None:
    link, target, pipe = (tmp_path / name for name in ("link", "target", "pipe"))
    target.write_text("old")
    link.symlink_to(target)
    with writing(link) as partial:
        partial.write_text("new")
    assert link.is_symlink() and target.read_text() == "new"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_text)
        with writing(pipe) as partial:
            partial.write_text("into the pipe")
        assert read.result() == "into the pipe"
    assert pipe.is_fifo()


def test_a_pipe_that_nobody_reads_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    refused = pytest.raises(ConfigError, match="no program reads")
    with refused, writing(pipe, reader_seconds=0.1) as partial:
        partial.write_text("into the pipe")
    assert pipe.is_fifo()


def test_an_output_is_none_of_the_inputs(tmp_path: Path) -> None:
    table, link = tmp_path / "train.csv", tmp_path / "link.csv"
    table.write_text("ImageID\n")
    link.symlink_to(table)
    check_output(tmp_path / "new.csv", [table, None, tmp_path / "missing"])
    for path in (table, link):
        with pytest.raises(ConfigError, match="one of the inputs"):
            check_output(path, [None, table])
