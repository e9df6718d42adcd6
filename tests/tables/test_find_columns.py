"""Columns are found by their names; a name that is wrong is an error that helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmfeat.config import DataSettings
from mmfeat.errors import TableError
from mmfeat.tables import read_table
from mmfeat.tables.check import check
from mmfeat.tables.find_columns import named_columns
from mmfeat.tables.several import read_tables
from mmfeat.tables.table import Table


def read(folder: Path, text: str, name: str = "t.csv", /, **columns: object) -> Table:
    path = folder / name
    path.write_text(text)
    data = DataSettings(**columns)  # type: ignore[arg-type]
    return read_table(path, data=data, named=named_columns(columns))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label_col": "tags"}, "'tags'; .* has 'Tags'.*did you mean --label-col 'Tags'"),
        ({"text_col": "nothing"}, "'nothing'.*--text-col ''"),
        ({"image_col": "file"}, "'file'.*--image-col"),
        ({"id_col": "id"}, "'id'.*--id-col"),
        ({"label_cols": ("Tags", "cow")}, "no column 'cow'"),
        ({"label_cols": ("cow",)}, "no column 'cow'"),
        ({"label_col": "Tags", "text_col": "Tags"}, "'Tags' .* by --text-col and --label-col"),
        ({"label_cols": ("Tags", "Tags")}, "'Tags' .* twice by --label-cols"),
        ({"label_col": "ImageID"}, "by --id-col and --label-col"),
        ({"image_col": "title", "text_col": "title"}, "by --text-col and --image-col"),
    ],
)
def test_a_named_column_that_is_wrong_is_an_error(
    tmp_path: Path, columns: dict[str, object], message: str
) -> None:
    with pytest.raises(TableError, match=message):
        read(tmp_path, "ImageID,Tags,title\na,x,y\nb,x,y\n", **columns)


def test_columns_of_the_settings_file_may_be_absent_unless_one_is_nearly_named_so(
    tmp_path: Path,
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("ImageID,Tags\na,x\n")
    assert read_table(path, data=DataSettings(label_col="genre")).targets is None
    with pytest.raises(TableError, match="did you mean --label-col 'Tags'"):
        read_table(path, data=DataSettings(label_col="tags"))


@pytest.mark.parametrize(
    "header", ["ImageID, Caption, Labels", "imageid,caption,labels", "image_id,CAPTION,LABELS"]
)
def test_blanks_and_other_spellings_of_default_names(tmp_path: Path, header: str) -> None:
    table = read(tmp_path, f"{header}\n0,some words,b\n1,some words,c\n")
    assert table.labels == ("b", "c") and table.captions == ("some words", "some words")
    assert table.ids == ("0", "1")


def test_columns_without_a_name_and_repeated_ones_that_nobody_reads(tmp_path: Path) -> None:
    assert read(tmp_path, ",ImageID,Labels,,\n0,a,x,,\n").ids == ("a",)
    assert read(tmp_path, "ImageID,score,score\na,1,2\n").ids == ("a",)
    with pytest.raises(TableError, match="'Labels' twice"):
        read(tmp_path, "ImageID,Labels,Labels \na,1,2\n")


def test_empty_names_read_no_such_column(tmp_path: Path) -> None:
    text = "ImageID,Labels,Caption\na,x,y\na,x,y\n"
    table = read(tmp_path, text, id_col="", label_col="", text_col="", image_col="ImageID")
    assert table.ids == ("0", "1") and table.image_paths == ("a", "a")
    assert table.targets is None and table.captions is None
    assert table.format.id_col is None and table.format.label_col is None


def test_several_rows_of_one_picture_are_numbered(tmp_path: Path) -> None:
    text = "image,caption\n0.jpg,one\n0.jpg,two\n"
    with pytest.raises(TableError, match="number them: --image-col image --id-col ''"):
        read(tmp_path, text, id_col="image", text_col="caption")
    table = read(tmp_path, text, image_col="image", text_col="caption")
    assert table.ids == ("0", "1") and "numbered" in table.notes[0]


def test_a_table_without_ids_is_told_how_to_number_its_rows(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="number the rows with --id-col ''"):
        read(tmp_path, "text,toxic\nx,1\n")


def test_a_message_names_near_columns_of_many(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(20_000)]
    text = ",".join(["ImageID", "Labels", *names]) + "\n" + ",".join("1" * 20_002) + "\n"
    with pytest.raises(
        TableError, match=r"'c77'; .* has .* and 19994 more.*did you mean"
    ) as caught:
        read(tmp_path, text.replace("c77,", "C 77,"), label_col="c77")
    assert len(str(caught.value)) < 500


def test_every_line_of_jsonl_may_have_a_key_of_its_own(tmp_path: Path) -> None:
    lines = "".join(f'{{"ImageID": "{i}", "k{i}": 1}}\n' for i in range(20_000))
    assert read(tmp_path, lines, "t.jsonl").n_rows == 20_000


def test_tables_of_one_project_are_read_with_one_separator(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("ImageID,Tags\na,hot dog|cat\nb,cat\n")
    (tmp_path / "valid.csv").write_text("ImageID,Tags\na,hot dog\nb,big cat\n")
    (tmp_path / "test.csv").write_text("ImageID\na\n")
    paths = {name: tmp_path / f"{name}.csv" for name in ("train", "valid", "test")}
    data = DataSettings(label_col="Tags")
    tables = read_tables(paths, data=data, given={}, unlabelled="test")
    assert tables["valid"].labels == ("big cat", "hot dog") and tables["test"].targets is None
    with pytest.raises(TableError, match="must have the column 'Tags'"):
        read_tables(paths, data=data, given={})


def test_a_label_column_that_is_named_takes_the_place_of_those_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mmfeat.toml").write_text('[data]\nlabel_cols = ["cat", "dog"]\n')
    (tmp_path / "t.csv").write_text("ImageID,cat,dog,Tags\na,1,0,x;y\nb,0,1,y\n")
    assert set(check("t.csv").label_rows or ()) == {"cat", "dog"}
    assert check("t.csv", label_col="Tags", label_sep=";").label_rows == {"y": 2, "x": 1}
    for options in ({"label_col": "Tags", "label_cols": ["cat"]}, {"label_sep": ";"}):
        with pytest.raises(TableError, match="a list in one column, or a column each"):
            check("t.csv", **options)
