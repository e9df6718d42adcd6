"""Labels of which nobody knows whether a row has them: how tables say so, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmfeat.config import DataSettings
from mmfeat.errors import TableError
from mmfeat.tables.read import read_table
from mmfeat.tables.summary import summarise_table
from mmfeat.tables.table import Table


def read(tmp_path: Path, text: str, **columns: object) -> Table:
    path = tmp_path / "t.csv"
    path.write_text(text)
    data = DataSettings(**columns)  # type: ignore[arg-type]
    return read_table(path, data=data, named=tuple(columns))


def targets(table: Table) -> list[list[int]]:
    assert table.targets is not None
    found: list[list[int]] = table.targets.tolist()
    return found


def test_marks_and_empty_cells_of_columns_are_unknown(tmp_path: Path) -> None:
    table = read(tmp_path, "ImageID,a,b\n0,1,?\n1,0,-1\n2,,no\n3,-1.0,yes\n", label_cols=("a", "b"))
    assert targets(table) == [[1, 255], [0, 255], [255, 0], [255, 1]]
    assert table.notes[-1] == "1 empty cells of the label columns count as unknown"


def test_empty_cells_mean_no_where_nothing_else_does(tmp_path: Path) -> None:
    table = read(tmp_path, "ImageID,a,b\n0,1,\n1,,1\n2,?,1\n", label_cols=("a", "b"))
    assert targets(table) == [[1, 0], [0, 1], [255, 1]]


def test_minus_one_is_refused_where_it_may_mean_no(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"row 1 of .* has -1 in 'a', and no cell is 0 or no"):
        read(tmp_path, "ImageID,a,b\n0,1,\n1,-1,1\n", label_cols=("a", "b"))


def test_an_unknown_category_leaves_all_of_its_column_open(tmp_path: Path) -> None:
    table = read(tmp_path, "ImageID,sex,x\n0,men,1\n1,?,0\n2,women,0\n", label_cols=("sex", "x"))
    assert table.labels == ("sex:men", "sex:women", "x")
    assert targets(table) == [[1, 0, 1], [255, 255, 0], [0, 1, 0]]


def test_a_column_lists_what_is_known(tmp_path: Path) -> None:
    text = "ImageID,Labels,seen\n0,a|b,c\n1,a,a|b|c\n2,c,\n3,b,a\n"
    table = read(tmp_path, text, known_col="seen")
    assert table.labels == ("a", "b", "c") and table.format.label_sep == "|"
    assert targets(table) == [[1, 1, 0], [1, 0, 0], [255, 255, 1], [0, 1, 255]]


def test_one_separator_is_found_for_all_columns(tmp_path: Path) -> None:
    text = "ImageID,Labels,seen\n0,red fox,red fox|cat\n1,cat,red fox|cat\n2,cat,\n"
    assert targets(read(tmp_path, text, known_col="seen")) == [[0, 1], [1, 0], [1, 255]]


def test_uncertain_wins_over_known_and_over_positive(tmp_path: Path) -> None:
    text = "ImageID,Labels,seen,perhaps\n0,a|b,a|b,b\n1,a,b,b\n2,b,a|b,\n"
    found = targets(read(tmp_path, text, known_col="seen", uncertain_col="perhaps"))
    assert found == [[1, 255], [1, 255], [0, 1]]
    assert targets(read(tmp_path, text, uncertain_col="perhaps")) == [[1, 255], [1, 255], [0, 1]]


def test_label_columns_and_a_column_of_known_labels(tmp_path: Path) -> None:
    text = "ImageID,a,b,seen\n0,1,0,b\n1,0,0,\n2,0,1,a b\n"
    found = read(tmp_path, text, label_cols=("a", "b"), known_col="seen")
    assert targets(found) == [[1, 0], [255, 255], [0, 1]]


def test_labels_that_no_row_has_are_left_out_and_told(tmp_path: Path) -> None:
    table = read(tmp_path, "ImageID,Labels,seen\n0,a|b,c|a\n1,a,b|d\n", known_col="seen")
    assert table.labels == ("a", "b") and targets(table) == [[1, 1], [1, 0]]
    assert "--known-col lists labels that no row has, which are left out: c, d" in table.notes


def test_a_column_that_lists_no_label_is_refused(tmp_path: Path) -> None:
    text = "ImageID,Labels,seen\n0,a|b,yes\n1,a,no\n"
    with pytest.raises(TableError, match=r"none of the 2 in that column of .* is one: no, yes"):
        read(tmp_path, text, known_col="seen")
    with pytest.raises(TableError, match="must have the column 'unseen'"):
        read(tmp_path, text, uncertain_col="unseen")


def test_a_joined_label_is_unknown_unless_one_of_its_parts_is_positive(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        "ImageID,a,b\n0,1,?\n1,0,?\n2,0,0\n",
        label_cols=("a", "b"),
        rename_labels=("b=a",),
    )
    assert targets(table) == [[1], [255], [0]]


def test_how_much_is_known_is_told(tmp_path: Path) -> None:
    text = "ImageID,Labels,seen\n0,a|b,c\n1,a,a|b|c\n2,c,\n3,b,a\n"
    summary = summarise_table(read(tmp_path, text, known_col="seen"))
    assert summary.known_rows == {"a": 3, "b": 3, "c": 3}
    assert summary.label_rows == {"a": 2, "b": 2, "c": 1}
    assert "  unknown: 25.0 % of the labels; known of 3 rows (a) to 3 (c)" in str(summary)
    assert summarise_table(read(tmp_path, text)).known_rows is None


def test_a_table_without_the_column_has_the_format_of_one_before_there_was_it(
    tmp_path: Path,
) -> None:
    assert "known_col" not in read(tmp_path, "ImageID,Labels\n0,a\n").format.to_json()
