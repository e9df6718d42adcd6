"""How a table was read is remembered, and another one is read in the same way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmfeat.config import DataSettings
from mmfeat.errors import TableError
from mmfeat.tables import TableFormat, read_table


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_format_survives_json() -> None:
    format = TableFormat(id_col=None, text_col=None, label_sep="|", label_cols=("a", "b"))
    assert TableFormat.from_json(json.loads(json.dumps(format.to_json()))) == format
    assert TableFormat.from_json({}) == TableFormat()


def test_another_table_is_read_with_the_columns_and_the_separator_of_the_first(
    tmp_path: Path,
) -> None:
    first = write(tmp_path / "a.csv", "file,Tags,title\n1,red|hot dog,x\n2,red,y\n")
    settings = DataSettings(id_col="file", label_col="Tags", text_col="title")
    format = read_table(first, data=settings).format
    assert format == TableFormat(id_col="file", label_col="Tags", text_col="title", label_sep="|")
    second = read_table(write(tmp_path / "b.csv", "file,Tags,title\n3,hot dog,z\n"), data=format)
    assert second.labels == ("hot dog",) and second.captions == ("z",)


def test_another_table_may_lack_labels_and_captions_but_no_ids(tmp_path: Path) -> None:
    format = TableFormat(id_col="file", label_col="Tags", text_col="title")
    table = read_table(write(tmp_path / "a.csv", "file,tag\n3,x\n"), data=format)
    assert table.targets is None and table.captions is None
    assert table.format == TableFormat(id_col="file", label_col=None, text_col=None)
    with pytest.raises(TableError, match="must have the column 'file'"):
        read_table(write(tmp_path / "b.csv", "File\n3\n"), data=format)
