"""A file is what was written, or it is not there."""

from __future__ import annotations

import errno
from pathlib import Path

import h5py
import numpy as np
import pytest

from mmfeat.errors import StoreError
from mmfeat.store.hdf5.new_file import create_hdf5, new_file


def test_reserved_room_leaves_no_trace(tmp_path: Path) -> None:
    values = np.arange(100_000, dtype=np.float32)
    with create_hdf5(tmp_path / "a.h5") as file:
        file.write("a/b", values, "float32")
        file.write("sets", np.zeros((1_000, 8), np.uint8), "uint8", compression="gzip")
    with h5py.File(tmp_path / "b.h5", "w") as plain:
        plain.create_dataset("a/b", data=values)
        plain.create_dataset("sets", data=np.zeros((1_000, 8), np.uint8), compression="gzip")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_write_that_was_lost_is_noticed(tmp_path: Path) -> None:
    """Something else is in the file than what was given to it."""
    with (
        pytest.raises(OSError, match="does not read back") as raised,
        create_hdf5(tmp_path / "a.h5") as file,
    ):
        file.write("a", np.ones(10), "float64")
        file.hdf5["a"][3] = 0.0
    assert raised.value.errno == errno.EIO


def test_a_lost_write_is_an_error_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_text("old")
    with pytest.raises(StoreError, match="disk must have room"), new_file(path) as file:
        file.write("a", np.ones(10), "float64")
        file.hdf5["a"][:] = 0.0
        file.finish({})
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
