"""Groups, folds and times of a table: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmfeat.config import DataSettings
from mmfeat.errors import TableError
from mmfeat.tables.read import read_table
from mmfeat.tables.summary import summarise_table
from mmfeat.tables.table import Table

ROWS = (
    ("1_a.jpg", "x", "p", "s1", "0", "2024-01-02"),
    ("1_b.jpg", "y", "p", "s2", "0", "2024-01-01T12:00"),
    ("2_a.jpg", "x", "q", "s2", "1", "2024-01-03T00:00+02:00"),
    ("3_a.jpg", "y", "", "", "1", "2023-12-31"),
)
HEADER = "ImageID,Labels,product,shop,fold,date"


def table(tmp_path: Path, *, changed: tuple[str, str] = ("", ""), **columns: object) -> Table:
    path = tmp_path / "t.csv"
    text = "\n".join([HEADER, *(",".join(row) for row in ROWS)])
    path.write_text(text.replace(*changed) if changed[0] else text)
    return read_table(path, data=DataSettings(**columns), named=tuple(columns))  # type: ignore[arg-type]


def test_one_column_names_the_groups(tmp_path: Path) -> None:
    assert table(tmp_path, group_cols=("product",)).groups == ("p", "p", "q", "")


def test_several_columns_are_joined_by_what_they_share(tmp_path: Path) -> None:
    found = table(tmp_path, group_cols=("product", "shop")).groups
    assert found == ("product: p", "product: p", "product: p", "")


def test_a_pattern_finds_groups_in_ids(tmp_path: Path) -> None:
    assert table(tmp_path, group_regex=r"^(\d)_").groups == ("1", "1", "2", "3")
    assert table(tmp_path, group_regex="1_[ab]|2").groups == ("1_a", "1_b", "2", "")


def test_without_either_there_are_none(tmp_path: Path) -> None:
    found = table(tmp_path)
    assert (found.groups, found.folds, found.times) == (None, None, None)
    assert "group_cols" not in found.format.to_json()


def test_folds_and_times(tmp_path: Path) -> None:
    found = table(tmp_path, fold_col="fold", time_col="date")
    assert found.folds == ("0", "0", "1", "1") and found.times is not None
    assert found.times.argsort().tolist() == [3, 1, 0, 2]
    assert found.times[0] == 1704153600.0  # 2024-01-02 in UTC
    numbers = table(tmp_path, time_col="fold").times
    assert numbers is not None and numbers.tolist() == [0, 0, 1, 1]


def test_what_relates_rows_is_told(tmp_path: Path) -> None:
    found = table(tmp_path, group_cols=("product",), fold_col="fold", time_col="date")
    assert (
        "  groups of product: 1 of 2 rows, 2 alone; folds of fold: 0 2, 1 2; times: date"
    ) in str(summarise_table(found)).replace("\n    ", " ")


@pytest.mark.parametrize(
    ("columns", "changed", "words"),
    [
        ({"group_cols": ("produkt",)}, ("", ""), ["no column 'produkt'", "--group-col"]),
        ({"group_regex": "("}, ("", ""), ["regular expression", "'('"]),
        ({"group_regex": "^z"}, ("", ""), ["'^z' matches none"]),
        ({"fold_col": "folds"}, ("", ""), ["did you mean --fold-col 'fold'"]),
        ({"fold_col": "fold"}, (",1,2023", ",,2023"), ["row 3", "every row needs a fold"]),
        ({"fold_col": "fold"}, (",1,", ",0,"), ["names 1, e.g. '0'"]),
        ({"time_col": "date"}, ("2023-12-31", "last year"), ["row 3", "'last year'"]),
        ({"time_col": "date"}, ("2023-12-31", "12"), ["row 3", "'12'"]),
        ({"time_col": "fold"}, (",1,2023", ",nan,2023"), ["row 3", "'nan'"]),
        ({"time_col": "Labels", "label_col": "Labels"}, ("", ""), ["a column has one role"]),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, columns: dict[str, object], changed: tuple[str, str], words: list[str]
) -> None:
    with pytest.raises(TableError) as caught:
        table(tmp_path, changed=changed, **columns)
    assert all(word in str(caught.value) for word in words), str(caught.value)
