"""Text that is not UTF-8 is read by its mark, or refused with a command that converts it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from mmfeat.config import DataSettings
from mmfeat.errors import TableError
from mmfeat.tables import read_table
from mmfeat.tables.readers.encoding import read_lines
from mmfeat.tables.sheet import read_sheet

TEXT = "ImageID,Labels,Caption\n0.jpg,a,Café’s\n1.jpg,b,Café\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_with_a_mark_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(TEXT.encode(encoding))
    assert read_table(path, data=DataSettings()).captions == ("Café’s", "Café")
    assert list(read_sheet(path).column("Caption")) == ["Café’s", "Café"]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le", "utf-16-be"])
def test_the_command_of_the_error_makes_the_file_readable(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a table.csv"
    path.write_bytes(TEXT.encode(encoding))
    with pytest.raises(TableError, match="must be UTF-8") as caught:
        read_table(path, data=DataSettings())
    found = re.search("`(iconv .*)`", str(caught.value))
    assert found is not None
    mended = tmp_path / "mended.csv"
    mended.write_bytes(subprocess.check_output(shlex.split(found[1])))
    assert read_table(mended, data=DataSettings()).captions == ("Café’s", "Café")


def test_bytes_that_no_windows_page_has_are_called_latin(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"ImageID,Caption\na,\x81\n")
    with pytest.raises(TableError, match=r"line 2 .* 0x81 .*LATIN1"):
        read_table(tmp_path / "t.csv", data=DataSettings())


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(TableError, match="is a pipe or a device"):
        read_table(tmp_path / "t.csv", data=DataSettings())
    with pytest.raises(TableError, match="is a pipe or a device"):
        list(read_lines(tmp_path / "t.csv"))
