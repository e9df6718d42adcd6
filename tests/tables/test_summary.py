"""What a table holds is said in a few lines that fit a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mmfeat
from mmfeat_cli.main import app


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_rows_labels_captions_columns_and_separator_are_counted(tmp_path: Path) -> None:
    table = write(
        tmp_path / "t.csv",
        "file,Tags,title\n0,red|big,one\n1,red|small,\n2,,two\n3,red,two\n",
    )
    summary = mmfeat.check(table, id_col="file", label_col="Tags", text_col="title")
    assert summary.n_rows == 4 and summary.n_captions == 3 and summary.n_unlabelled == 1
    assert summary.label_rows == {"red": 3, "big": 1, "small": 1}
    assert summary.labels_per_row == (1.25, 0, 2)
    assert summary.format.label_sep == "|"
    assert str(summary) == (
        "t.csv: 4 rows\n"
        "  ids: file; captions: title (3 rows)\n"
        "  labels: 3 of Tags, separated by '|'; 1.2 per row (0 to 2), 1 row without\n"
        "  rows of each: red 3, big 1, small 1\n"
        "  note: 2 labels are in one row only: big, small\n"
        "  note: 2 rows have the caption of another row"
    )


def test_an_unlabelled_table(tmp_path: Path) -> None:
    summary = mmfeat.check(write(tmp_path / "t.csv", "ImageID\n0\n"))
    assert summary.label_rows is None and summary.n_captions is None
    assert "labels: none" in str(summary) and "no column 'Labels'" in str(summary)


@pytest.mark.parametrize("n_labels", [1, 7, 300])
def test_lines_fit_80_columns_and_few_labels_are_named(tmp_path: Path, n_labels: int) -> None:
    rows = "".join(f"{i},{'long name ' * 9}{i % n_labels}|x\n" for i in range(900))
    table = write(tmp_path / "t.csv", f"ImageID,{'Labels'}\n{rows}")
    text = str(mmfeat.check(table))
    assert max(map(len, text.splitlines())) <= 80 and len(text.splitlines()) < 12


def test_control_characters_are_not_printed(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", "ImageID,Labels\n0,\x1b]52;c;x\x07|b\n1,b\n")
    text = str(mmfeat.check(table, label_sep="|"))
    assert "\x1b" not in text and "\x07" not in text


def test_pictures_of_several_rows_and_labels_of_every_row_are_odd(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", "image,Labels\n0,a b\n0,a\n1,a b\n")
    oddities = mmfeat.check(table, image_col="image").oddities
    assert "3 rows show 2 pictures" in oddities and "1 label is in every row: a" in oddities


def test_the_command_prints_the_summary_and_json(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", "ImageID,Labels\n0,a b\n1,b\n")
    done = CliRunner().invoke(app, ["check", str(table)])
    assert done.exit_code == 0 and "labels: 2 of Labels, separated by a space" in done.stdout
    done = CliRunner().invoke(app, ["check", str(table), "--json"])
    document = json.loads(done.stdout)
    assert document["label_rows"] == {"b": 2, "a": 1}
    assert mmfeat.check(table).format.to_json() == document["format"]
