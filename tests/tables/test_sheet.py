"""Sheets of label sets: submissions, samples and solutions."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from mmfeat.config import DataSettings
from mmfeat.errors import TableError
from mmfeat.tables import read_table
from mmfeat.tables.label_sets import (
    find_sample_separator,
    label_columns,
    read_numbers,
    read_sets,
)
from mmfeat.tables.labels import indicator
from mmfeat.tables.sheet import SheetColumns, read_sheet
from tests.support.files import put

COLUMNS = SheetColumns(label_sep="|")


def test_a_sheet_and_a_table_read_the_same_labels(tmp_path: Path) -> None:
    path = put(tmp_path / "t.csv", "ImageID;Labels\na;dog | traffic light\nb;\nc;cat|dog\n")
    table = read_table(path, data=DataSettings(label_sep="|"))
    sheet = read_sheet(path)
    assert sheet.delimiter == ";" and sheet.ids(COLUMNS) == list(table.ids)
    sets = list(read_sets(sheet, COLUMNS))
    assert sets == [("dog", "traffic light"), (), ("cat", "dog")]
    np.testing.assert_array_equal(indicator(sets, table.labels), table.targets)


def test_numbers_are_labels_from_a_half_on(tmp_path: Path) -> None:
    path = put(tmp_path / "p.csv", "ImageID,Usage,cat,dog\na,x,0.5,0.49\nb,y,0,1\n")
    sheet = read_sheet(path)
    assert label_columns(sheet, COLUMNS) == ["cat", "dog"]
    assert list(read_sets(sheet, COLUMNS)) == [("cat",), ("dog",)]
    assert read_numbers(sheet, ["dog"]).tolist() == [[0.49], [1.0]]
    with pytest.raises(TableError, match=r"'Usage' of .* numbers from 0 to 1; row 2 has 'x'"):
        read_numbers(sheet, ["Usage"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"ImageID,ImageID\n", "'ImageID' twice"),
        (b"ImageID,Labels\na,\xe9\n", "line 2 .* byte 0xe9"),
        (b"ImageID,Labels\na,x,y\n", "row 0 .* has 3"),
        (b"ImageID,Labels\n,x\n", "id '': it is empty"),
        (b"ImageID,Labels\na,x\na,y\n", "id 'a': it occurs in rows 2 and 3"),
        (b"Id,Labels\na,x\n", "needs a column 'ImageID'"),
    ],
)
def test_a_broken_sheet_ends_in_one_error(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(TableError, match=message):
        read_sheet(path).ids(COLUMNS)


def test_the_rows_of_a_sheet_are_read_each_time_they_are_asked_for(tmp_path: Path) -> None:
    path = put(tmp_path / "t.csv", "\ufeffImageID,Labels\r\na,1\r\n")
    sheet = read_sheet(path)
    assert list(sheet.rows) == [["a", "1"]]
    put(path, "ImageID,Labels\na,2\n")
    assert list(sheet.rows) == [["a", "2"]]


def test_a_repeated_name_in_a_header_is_refused_and_an_empty_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("ImageID,Labels,Labels\na,x,y\n")
    with pytest.raises(TableError, match="'Labels' twice"):
        read_sheet(path)
    path.write_text("ImageID,Labels,,\na,x,,\n")
    assert list(read_sheet(path).column("Labels")) == ["x"]


def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path, found in ((tmp_path / "pipe.csv", "a pipe"), (tmp_path, "a folder")):
        with pytest.raises(TableError, match=found):
            read_sheet(path)
    with pytest.raises(TableError, match="a pipe or a device"):
        read_sheet(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("cells", "separator"),
    [
        (["cat|dog"], "|"),
        (["cat dog", "dog", "cat"], " "),
        (["cat", "dog"], None),
        (["a|b", "c;d"], None),
    ],
)
def test_a_sample_shows_its_separator_or_does_not(
    tmp_path: Path, cells: list[str], separator: str | None
) -> None:
    path = tmp_path / "s.csv"
    path.write_text("ImageID,Labels\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells)))
    assert find_sample_separator(path, "Labels") == separator
    assert find_sample_separator(path, "Tags") is None
