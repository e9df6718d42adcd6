"""A disk that is full or not writable ends in one line."""

from __future__ import annotations

import os
import resource
import signal
import tempfile
from pathlib import Path

import pytest

from mmfeat.errors import ExtractError, MmfeatError
from mmfeat.tables.table import Table
from tests.support.stage_one.extraction import (
    FORK,
    extract,
)
from tests.support.stage_one.toy import ToyEncoder, make_table


def _with_little_room(table: Table, folder: Path, room: int, said: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    try:
        extract(table, folder, folder / "a.h5", encoder=ToyEncoder())
    except MmfeatError as error:
        said.touch()
        assert "room" in str(error) or "writable" in str(error)


@pytest.mark.parametrize("room", [0, 1_000, 10_000, 17_000])
def test_a_full_disk_is_told_and_what_is_finished_is_kept(tmp_path: Path, room: int) -> None:
    table = make_table(tmp_path, n_rows=40)
    extract(table, tmp_path, tmp_path / "whole.h5")
    assert (tmp_path / "whole.h5").stat().st_size > 17_000
    said = tmp_path / "said"
    child = FORK.Process(target=_with_little_room, args=(table, tmp_path, room, said))
    child.start()
    child.join(60)
    assert child.exitcode == 0 and said.exists()
    assert not (tmp_path / "a.h5").exists()
    extract(table, tmp_path, tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def _without_rights(table: Table, folder: Path, said: Path) -> None:
    """As somebody who is not root, in a folder that may be read; root may write everywhere."""
    if os.geteuid() == 0:
        os.setresuid(65534, 65534, 65534)
    try:
        extract(table, folder, folder / "closed" / "a.h5")
    except ExtractError as error:
        os.write(os.open(said, os.O_WRONLY), str(error).encode())


def test_a_folder_that_is_not_writable() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own are for one user
        folder, said = Path(name), Path(name) / "said"
        table = make_table(folder)
        (folder / "closed").mkdir(mode=0o555)
        folder.chmod(0o755)
        said.touch()
        said.chmod(0o666)
        child = FORK.Process(target=_without_rights, args=(table, folder, said))
        child.start()
        child.join(60)
        assert child.exitcode == 0 and "writable" in said.read_text()
        assert not list((folder / "closed").iterdir())


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ExtractError, match="writable"):
        extract(table, tmp_path, tmp_path / "file" / "a.h5")
