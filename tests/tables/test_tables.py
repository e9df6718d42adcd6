"""Tables of every kind, read alike; what is wrong with one is told in one line."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfeat.config import DataSettings
from mmfeat.errors import TableError
from mmfeat.tables import READERS, read_table
from mmfeat.tables.readers.delimited import read_csv

DATA = DataSettings()
ROWS = [("a.jpg", "1 19", "A dog"), ("b.jpg", "3", "two, cats"), ("c.jpg", "", 'say "hi"')]


def write(path: Path, rows: list[tuple[str, str, str]]) -> Path:
    frame = pd.DataFrame(rows, columns=["ImageID", "Labels", "Caption"])
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(dict(row)) for _, row in frame.iterrows()))
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


def text_table(tmp_path: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("suffix", READERS)
def test_every_reader_gives_the_same_table(tmp_path: Path, suffix: str) -> None:
    table = read_table(write(tmp_path / f"t{suffix}", ROWS), data=DATA)
    assert table.ids == table.image_paths == ("a.jpg", "b.jpg", "c.jpg")
    assert table.captions == ("A dog", "two, cats", 'say "hi"')
    assert table.labels == ("1", "3", "19")
    assert table.targets is not None
    assert table.targets.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert len(table.sha256) == 64 and table.notes == ()


def test_a_misspelt_table_is_told_the_one_beside_it(tmp_path: Path) -> None:
    (tmp_path / "catalogue.csv").touch()
    with pytest.raises(TableError, match="not there; did you mean 'catalogue"):
        read_table(tmp_path / "catalog.csv", data=DataSettings())


def test_labels_are_sorted_as_numbers_only_if_all_are(tmp_path: Path) -> None:
    path = text_table(tmp_path, "ImageID,Labels\na,10|9\nb,x\n")
    table = read_table(path, data=replace(DATA, label_sep="|"))
    assert table.labels == ("10", "9", "x")


def test_lists_of_labels_in_jsonl(tmp_path: Path) -> None:
    path = text_table(tmp_path, '{"ImageID":"a","Labels":[2,10]}\n{"ImageID":"b"}\n', "t.jsonl")
    table = read_table(path, data=DATA)
    assert table.labels == ("2", "10") and table.captions is None
    assert table.targets is not None and table.targets.tolist() == [[1, 1], [0, 0]]


def test_one_column_per_label(tmp_path: Path) -> None:
    path = text_table(tmp_path, "ImageID,cat,dog\na,1,0\nb,0,1\n")
    table = read_table(path, data=replace(DATA, label_cols=("dog", "cat")))
    assert table.labels == ("dog", "cat")
    assert table.targets is not None and table.targets.tolist() == [[0, 1], [1, 0]]
    with pytest.raises(TableError, match=r"'ImageID' .* by --id-col and --label-cols"):
        read_table(path, data=replace(DATA, label_cols=("ImageID", "cat")))
    with pytest.raises(TableError, match="no column 'cow'"):
        read_table(path, data=replace(DATA, label_cols=("cat", "cow")))


def test_absent_columns_are_none_and_an_empty_label_column_is_noted(tmp_path: Path) -> None:
    table = read_table(text_table(tmp_path, "ImageID\na\n"), data=DATA)
    assert table.captions is None and table.targets is None and table.labels == ()
    table = read_table(text_table(tmp_path, "ImageID,Labels\na,\n"), data=DATA)
    assert table.targets is None and "label column is empty" in table.notes[0]


def test_image_column_and_utf8_mark_and_crlf(tmp_path: Path) -> None:
    text = "\ufeffImageID,file,Caption\r\n1,é.jpg,x\r\n2,b.jpg,\r\n"
    table = read_table(text_table(tmp_path, text), data=replace(DATA, image_col="file"))
    assert table.ids == ("1", "2") and table.image_paths == ("é.jpg", "b.jpg")
    assert table.captions == ("x", "")


def test_numbers_and_missing_cells_in_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame({"ImageID": [1, 2], "Labels": [3.0, np.nan], "Caption": [None, "x"]})
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet", data=DATA)
    assert table.ids == ("1", "2") and table.captions == ("", "x") and table.labels == ("3",)


def test_quotes_that_were_not_doubled_are_mended_and_counted(tmp_path: Path) -> None:
    text = (
        'ImageID,Labels,Caption\n0.jpg,1,"A sign that says "stop, now" here"\n'
        '1.jpg,1 2,"proper ""quotes"", and\na second line"\n2.jpg,3,plain\n3.jpg,3,"odd "one"\n'
    )
    table = read_table(text_table(tmp_path, text), data=DATA)
    assert table.captions == (
        'A sign that says "stop, now" here',
        'proper "quotes", and\na second line',
        "plain",
        'odd "one',
    )
    assert table.notes == (
        "2 rows were mended: commas or quotes in the caption were not quoted (rows 0, 3)",
    )


def test_a_broken_row_is_named_where_the_caption_is_not_last(tmp_path: Path) -> None:
    text = 'ImageID,Caption,Labels\n0.jpg,"a "b" c",1\n'
    with pytest.raises(TableError, match=r"row 0 \(line 2\)"):
        read_table(text_table(tmp_path, text), data=DATA)


@given(
    st.lists(
        st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20), min_size=1, max_size=8
    )
)
def test_any_caption_survives_proper_quoting(captions: list[str]) -> None:
    proper = io.StringIO()
    csv.writer(proper, quoting=csv.QUOTE_ALL).writerows([("ImageID", "Caption")])
    csv.writer(proper, quoting=csv.QUOTE_ALL).writerows(enumerate(captions))
    columns = read_csv(proper.getvalue().encode(), "t.csv", "Caption")
    assert list(columns.values["Caption"]) == captions


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.txt", b"x", "t.txt ends in '.txt'"),
        ("t.csv", b"", "has none"),
        ("t.csv", b"ImageID,Caption\n", "has none"),
        ("t.csv", b"id,Caption\na,b\n", "has 'id', 'Caption'"),
        ("t.csv", b"ImageID\na\nb\na\n", r"rows 0 and 2 .* are both 'a'"),
        ("t.csv", b"ImageID,Caption\n,b\n", "row 0 .* has none"),
        ("t.csv", b"ImageID,Caption\na,caf\xe9\n", "line 2 .* byte 0xe9"),
        ("t.csv", b"ImageID,Caption\na,b\x00c\n", "row 0 .* NUL"),
        ("t.csv", b"ImageID,ImageID\na,b\n", "twice"),
        ("t.jsonl", b'{"ImageID": "a"}\n[1]\n', "line 2"),
        ("t.jsonl", b'{"ImageID": "a", "Caption": "\\ud800"}\n', "row 0 .* half a character"),
        ("t.jsonl", b"nonsense\n", "line 1"),
        ("t.jsonl", b'{"ImageID": {"a": 1}}\n', "row 0 .* has {'a': 1} in 'ImageID'"),
        ("t.jsonl", b'{"ImageID": "a"}\n{"ImageID": "b", "Caption": [["x"]]}\n', "row 1 .*Caption"),
        ("t.jsonl", b'{"ImageID": "a", "Labels": {"x": 1}}\n', "row 0 .*'Labels'"),
        ("t.jsonl", b'{"ImageID": "a", "Labels": ["x", ["y"]]}\n', "row 0 .* has .'y'. in"),
        ("t.parquet", b"nonsense", "t.parquet"),
    ],
)
def test_bad_tables_end_in_one_error(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(TableError, match=message):
        read_table(text_table(tmp_path, content, name), data=DATA)


def test_a_missing_table(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="is not there"):
        read_table(tmp_path / "none.csv", data=DATA)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(TableError, match=r"is a folder; .*`mmfeat predict --images /"):
        read_table(tmp_path / "folder.csv", data=DATA)


def test_ids_that_differ_by_case_are_kept_and_noted(tmp_path: Path) -> None:
    table = read_table(text_table(tmp_path, "ImageID\nA.jpg\na.jpg\n"), data=DATA)
    assert table.ids == ("A.jpg", "a.jpg") and "only by case" in table.notes[-1]


def test_a_lone_broken_header_or_an_open_quote_ends_in_one_error(tmp_path: Path) -> None:
    for text in ('ImageID,"Cap"tion"\na,b\n', 'ImageID,Caption\n"a,b\n', '"ImageID,Caption\n'):
        with pytest.raises(TableError):
            read_table(text_table(tmp_path, text), data=DATA)


def test_too_few_and_too_many_cells(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"row 1 \(line 3\)"):
        read_table(text_table(tmp_path, "ImageID,Caption\na,b\nc\n"), data=DATA)
    table = read_table(text_table(tmp_path, "ImageID,Caption\na,b, c\n"), data=DATA)
    assert table.captions == ("b, c",) and "1 row was mended" in table.notes[0]


def test_labels_that_no_store_can_hold_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"ImageID": "a", "Labels": ["x\\u0000y"]}\n')
    with pytest.raises(TableError, match="label must be plain text"):
        read_table(path, data=DataSettings())


def test_an_empty_text_in_a_list_is_no_label(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"ImageID": "a", "Labels": ["", "x"]}\n{"ImageID": "b", "Labels": ["y "]}\n')
    assert read_table(path, data=DataSettings()).labels == ("x", "y")


def test_label_columns_that_are_not_there_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("ImageID,Labels\na,x\n")
    for data in (DataSettings(label_cols=("p", "q")), DataSettings(label_col="none")):
        table = read_table(path, data=data)
        assert table.targets is None
        assert any("counts as unlabelled" in note for note in table.notes)
