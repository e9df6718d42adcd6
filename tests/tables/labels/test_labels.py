"""Labels as people write them: lists, floats, columns of yes or no, categories, variants."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmfeat.config import DataSettings
from mmfeat.errors import TableError
from mmfeat.tables import read_table
from mmfeat.tables.labels.lists import parse_list
from mmfeat.tables.table import Table


def read_cells(folder: Path, cells: list[object], kind: str = "csv", **data: object) -> Table:
    """Read a table with these cells as its labels."""
    frame = pd.DataFrame({"ImageID": range(len(cells)), "Labels": cells})
    path = folder / f"t.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return read_table(path, data=DataSettings(**data))  # type: ignore[arg-type]


def read_columns(folder: Path, columns: dict[str, list[object]]) -> Table:
    """Read a table with these label columns."""
    pd.DataFrame({"ImageID": range(len(next(iter(columns.values())))), **columns}).to_csv(
        folder / "t.csv", index=False
    )
    return read_table(folder / "t.csv", data=DataSettings(label_cols=tuple(columns)))


def sets(table: Table) -> list[set[str]]:
    assert table.targets is not None
    return [
        {name for name, hit in zip(table.labels, row, strict=True) if hit} for row in table.targets
    ]


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("['stat.ML', 'cs.LG']", ("stat.ML", "cs.LG")),
        ('["dog","traffic light"]', ("dog", "traffic light")),
        ("['dog' 'hot dog']", ("dog", "hot dog")),
        ("[dog, traffic light]", ("dog", "traffic light")),
        ("[1 19]", ("1", "19")),
        ("('a',)", ("a",)),
        ("{'a', 'b'}", ("a", "b")),
        ("[]", ()),
        ("['a', None, 3]", ("a", "3")),
        ("""["it's", 'say "hi"']""", ("it's", 'say "hi"')),
        (r"""['it\'s', "caf\u00e9"]""", ("it's", "café")),
        ("[ 'a, b' ]", ("a, b",)),
    ],
)
def test_a_list_as_python_or_json_writes_it_is_its_items(
    cell: str, labels: tuple[str, ...]
) -> None:
    assert parse_list(cell, "Labels", "t.csv") == labels


@pytest.mark.parametrize(
    "cell", ["[{'id': 1, 'name': 'X'}]", "{'name': 'X'}", "[['a'], ['b']]", '[{"a": 1}]', "['a]"]
)
def test_structures_are_refused_with_how_to_flatten_them(tmp_path: Path, cell: str) -> None:
    with pytest.raises(TableError, match=r"not structures.*join the names"):
        read_cells(tmp_path, [cell, "['a']"])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_lists_are_labels_in_files_of_every_kind(tmp_path: Path, kind: str) -> None:
    table = read_cells(tmp_path, [["dog", "hot dog"], [], ["cat"]], kind)
    assert sets(table) == [{"dog", "hot dog"}, set(), {"cat"}]
    assert table.format.label_sep == "|"  # a space stands in a label


def test_cells_that_are_lists_or_not_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"all label cells are lists or none.*'dog'"):
        read_cells(tmp_path, ["['a']", "['b']", "dog"])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_whole_numbers_that_are_floats_are_whole(tmp_path: Path, kind: str) -> None:
    table = read_cells(tmp_path, [1.0, None, 2.5, 10.0], kind)
    assert sets(table) == [{"1"}, set(), {"2.5"}, {"10"}]


def test_names_that_look_like_floats_stay_beside_words(tmp_path: Path) -> None:
    assert read_cells(tmp_path, ["1.0", "beta"]).labels == ("1.0", "beta")


def test_names_that_pandas_takes_for_nothing_are_labels(tmp_path: Path) -> None:
    cells = ["NA", "None", "nan null"]
    (tmp_path / "t.csv").write_text("ImageID,Labels\n0,NA\n1,None\n2,nan null\n3,NA null\n")
    table = read_table(tmp_path / "t.csv", data=DataSettings(label_sep=" "))
    assert sets(table)[:3] == [set(text.split()) for text in cells]


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        *[(1, 0), (1.0, 0.0), (True, False), ("yes", "no"), ("Y", "N"), ("TRUE", "false")],
        *[("ja", "Nein"), ("Oui", "non"), ("sí", "no"), ("sim", "não")],
        *[(1.0, None), ("x", None), ("X", "")],
    ],
)
def test_columns_of_yes_and_no(tmp_path: Path, yes: object, no: object) -> None:
    table = read_columns(tmp_path, {"x": [yes, no, yes], "y": [no, no, yes]})
    assert table.labels == ("x", "y")
    assert table.targets is not None and table.targets.tolist() == [[1, 0], [0, 0], [1, 1]]
    assert no not in (None, "") or "empty cells" in table.notes[-1]


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ([1, 0, 3], "'3' 1 times"),
        ([4, 2, 3], "write categories as words"),
        (["yes", "no", "perhaps"], "'perhaps' in 'x'"),
    ],
)
def test_columns_that_are_not_clear_are_refused_with_their_values(
    tmp_path: Path, cells: list[object], found: str
) -> None:
    with pytest.raises(TableError, match=found):
        read_columns(tmp_path, {"x": cells, "y": [1, 0, 1]})


def test_numbered_columns_of_categories_are_one_with_several_labels(tmp_path: Path) -> None:
    columns: dict[str, list[object]] = {
        "Genre 1": ["drama", "crime", "?"],
        "kind": ["film", "film", "series"],
        "Genre 2": ["crime", None, "drama"],
        "c1": [1, 0, 0],
    }
    table = read_columns(tmp_path, columns)
    assert table.labels == ("crime", "drama", "kind:film", "kind:series", "c1")
    assert table.targets is not None
    assert table.targets.tolist() == [[1, 1, 1, 0, 1], [1, 0, 1, 0, 0], [255, 1, 0, 1, 0]]
    assert "Genre 1, Genre 2 are read as one column of several labels" in table.notes
    filled = read_columns(tmp_path, {**columns, "Genre 3": ["", None, ""]})
    assert (filled.labels, filled.notes[-1]) == (
        table.labels,
        "Genre 1, Genre 2, Genre 3 are read as one column of several labels",
    )
    with pytest.raises(TableError, match="'drama' in several of --label-cols"):
        read_columns(tmp_path, {**columns, "drama": [1, 0, 1]})


def test_several_columns_as_one_are_pointed_to(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("ImageID,Genre 1,Genre 2\n1,a,b\n")
    data = DataSettings(label_col="Genre 1,Genre 2")
    with pytest.raises(TableError, match="or several with --label-cols 'Genre 1,Genre 2'"):
        read_table(path, data=data, named=("label_col",))


def test_categories_are_labels_with_the_name_of_their_column(tmp_path: Path) -> None:
    table = read_columns(
        tmp_path,
        {"gender": ["men", "women", None], "sale": ["yes", "no", "no"], "color": ["navy blue"] * 3},
    )
    assert table.labels == ("gender:men", "gender:women", "sale", "color:navy blue")
    assert sets(table)[0] == {"gender:men", "sale", "color:navy blue"}
    assert sets(table)[2] == {"color:navy blue"}
    assert table.format.label_sep == "|"


NFD = unicodedata.normalize("NFD", "café")


@pytest.mark.parametrize(
    ("cells", "joined"),
    [
        (["Dog", "dog", "dog"], ("dog",)),
        (["hot  dog", "hot dog", "hot dog"], ("hot dog",)),
        ([NFD, "café", "café"], ("café",)),
        (["dog", "do\u200bg", "dog"], ("dog",)),
    ],
)
def test_variants_are_told_and_joined_where_asked(
    tmp_path: Path, cells: list[object], joined: tuple[str, ...]
) -> None:
    apart = read_cells(tmp_path, cells, label_sep="|")
    assert len(apart.labels) == 2 and "--normalise-labels merges them" in apart.notes[-1]
    table = read_cells(tmp_path, cells, label_sep="|", normalise_labels=True)
    assert table.labels == joined and table.notes[-1].endswith("merged")
    assert table.targets is not None and table.targets.tolist() == [[1]] * 3


def test_variants_take_the_spelling_of_known_labels(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("ImageID,Labels\n0,dog\n1,dog\n2,cat\n")
    data = DataSettings(normalise_labels=True)
    assert read_table(tmp_path / "t.csv", data=data, known=("Dog",)).labels == ("Dog", "cat")


def test_two_variants_in_one_row_are_one_label(tmp_path: Path) -> None:
    table = read_cells(tmp_path, ["Dog|dog", "dog"], normalise_labels=True)
    assert table.labels == ("dog",) and table.targets is not None
    assert table.targets.tolist() == [[1], [1]]


def test_free_text_is_no_column_of_labels(tmp_path: Path) -> None:
    cells: list[object] = [" ".join(f"w{i}x{j}" for j in range(20)) for i in range(101)]
    with pytest.raises(TableError, match=r"2020 in 101 rows .* free text"):
        read_cells(tmp_path, cells)
    rng = np.random.default_rng(0)
    shared: list[object] = [" ".join(map(str, rng.integers(0, 2000, 9))) for _ in range(2500)]
    assert len(read_cells(tmp_path, shared).labels) == 2000


def test_lists_of_numbers_in_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    lines = [{"ImageID": i, "Labels": [1, 19] if i % 2 else [2]} for i in range(4)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_table(path, data=DataSettings()).labels == ("1", "2", "19")
