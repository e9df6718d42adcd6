"""Rows of delimited text, read by tables and sheets alike."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from mmfeat.errors import TableError
from mmfeat.tables.readers.delimited import find_delimiter, read_csv, read_rows


def rows(text: str, *, strict: bool = True) -> list[list[str]]:
    return list(read_rows(io.StringIO(text, newline=""), ",", source="t.csv", strict=strict))


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_the_delimiter_is_found_in_the_header(delimiter: str) -> None:
    text = delimiter.join(("ImageID", "Labels", "Caption")) + "\n" + delimiter.join("abc") + "\n"
    assert find_delimiter([text.partition("\n")[0]]) == delimiter
    columns = read_csv(text.encode(), "t.csv", "Caption")
    assert columns.values == {"ImageID": ("a",), "Labels": ("b",), "Caption": ("c",)}


def test_a_header_of_one_column_has_a_comma_as_its_delimiter() -> None:
    assert find_delimiter(["ImageID"]) == ","


def test_blank_lines_are_skipped_and_counted() -> None:
    assert rows("a,b\n\n1,2\n\r\n3,4") == [["a", "b"], ["1", "2"], ["3", "4"]]
    with pytest.raises(TableError, match=r"row 1 \(line 5\) of t.csv has 1: '3"):
        rows("a,b\n\n1,2\n\n3\n")


def test_quotes_need_not_be_doubled_unless_strict() -> None:
    assert rows('a,b\n1,"x "y" z"\n', strict=False)[1] == ["1", 'x y" z"']
    with pytest.raises(TableError, match=r"row 0 \(line 2\) of t.csv is '1,"):
        rows('a,b\n1,"x "y" z"\n')


def test_rows_are_read_one_at_a_time() -> None:
    def lines() -> Iterator[str]:
        yield from ("a,b\n", "1,2\n")
        raise AssertionError("the third row was not asked for")

    given = read_rows(lines(), ",", source="t.csv", strict=True)
    assert [next(given), next(given)] == [["a", "b"], ["1", "2"]]


def test_every_second_row_of_many_is_repaired() -> None:
    text = "ImageID,Caption\n" + 'a,"say "hi""\nb,c\n' * 5000
    columns = read_csv(text.encode(), "t.csv", "Caption")
    assert columns.n_rows == 10_000
    assert list(columns.values["Caption"]) == ['say "hi"', "c"] * 5000
    assert columns.notes[0].startswith("5,000 rows were mended")


@pytest.mark.parametrize(
    ("lines", "delimiter"),
    [
        (["ImageID;Lesion, benign;Lesion, malignant\n", "a;0;1\n"], ";"),
        (["ImageID\tLabels\n", "a\tx, y\n"], "\t"),
        (["ImageID,a|b,Caption\n", "1,0,x\n"], ","),
        ([], ","),
    ],
)
def test_the_delimiter_gives_as_many_cells_in_every_row(lines: list[str], delimiter: str) -> None:
    assert find_delimiter(lines) == delimiter


@pytest.mark.parametrize("cell", ["two\rlines", '"two\rlines"'])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_lone_carriage_return_in_a_cell_stays_in_it(cell: str, end: str) -> None:
    text = end.join(["a,b", f"1,{cell}", f"{cell},2", f"3,{cell}", ""])
    assert rows(text) == [["a", "b"], ["1", "two\rlines"], ["two\rlines", "2"], ["3", "two\rlines"]]


def test_lines_may_end_in_carriage_returns_alone_or_in_too_many() -> None:
    assert rows('a,b\r1,"x\ny"\r2,z\r') == [["a", "b"], ["1", "x\ny"], ["2", "z"]]
    assert rows("a,b\n1,x\r\r\n2,y\r\r\n") == [["a", "b"], ["1", "x"], ["2", "y"]]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,2", "has 2: .*end it with ',' if its last cells are empty"),
        ("1", "has 1: .*end it with ',,'"),
        ("1,2,3,4", "has 4: .*quote the cells that hold ','"),
        ('1,"x "y" z",3', "double the quotes"),
    ],
)
def test_the_remedy_fits_what_is_wrong_with_a_row(row: str, message: str) -> None:
    with pytest.raises(TableError, match=f"header .3.; row 0 .line 2. of t.csv .*{message}"):
        rows(f"a,b,c\n{row}\n")
