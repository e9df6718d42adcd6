"""A folder as people have it becomes settings with which every table is read."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from PIL import Image

import mmfeat
from mmfeat.core.settings import read_settings
from mmfeat.errors import ConfigError, TableError
from mmfeat.tables.check import check_splits
from mmfeat.tables.read import read_table
from tests.support.workspaces import Mmfeat

NAMES = ("person", "dog", "traffic light", "potted plant")
ROWS = range(24)


def table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def picture(row: int) -> str:
    return f"a b/poster {row}.PNG"


def caption(row: int) -> str:
    return f"A picture of number {row}, seen from above."


def labels(row: int) -> list[str]:
    return (
        [NAMES[row % 4], NAMES[(row // 4) % 4]] if row % 4 != (row // 4) % 4 else [NAMES[row % 4]]
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with pictures in a folder of a folder."""
    monkeypatch.chdir(tmp_path)
    for row in ROWS:
        path = tmp_path / "pics" / picture(row)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(path)
    return tmp_path


def test_own_names_of_columns_tables_and_folders(folder: Path) -> None:
    header = ("nr", "file", "title", "genres", "user")
    rows = [(row, picture(row), caption(row), "; ".join(labels(row)), row % 5) for row in ROWS]
    table(folder / "posters 2024.csv", header, rows[:16])
    table(folder / "more.csv", header, rows[16:20])
    table(folder / "to label.csv", header[:3], [row[:3] for row in rows[20:]])
    table(folder / "sample_submission.csv", ("file", "genres"), [(picture(20), "dog")])
    (folder / "broken.jsonl").write_text("{nope\n")
    (folder / "items.xlsx").write_bytes(b"PK")
    found = mmfeat.init()
    settings = read_settings()
    assert settings.data.images == "pics"
    assert (settings.data.id_col, settings.data.image_col) == ("file", None)
    assert (settings.data.text_col, settings.data.label_col) == ("title", "genres")
    assert settings.data.label_sep == ";"
    assert settings.splits == {"train": "posters 2024.csv", "test": "to label.csv"}
    assert settings.submit.sample == "sample_submission.csv"
    assert '# group_cols = ["user"]' in found.text
    for left_out in ("more.csv", "broken.jsonl", "items.xlsx"):
        assert f"# {left_out} " in found.text
    summaries = check_splits()
    assert {name: summary.n_rows for name, summary in summaries.items()} == {"train": 16, "test": 4}


@pytest.mark.parametrize("column", ["Tags", "Worte"])
def test_an_unusual_separator_is_a_guess_and_no_column_is_dropped(
    folder: Path, column: str
) -> None:
    rows = [(picture(row), caption(row), " / ".join(labels(row))) for row in ROWS]
    table(folder / "items.csv", ("Datei", "Text", column), rows)
    text = mmfeat.init().text
    if column == "Tags":  # a name for labels
        assert "a row; that '/' separates them is a guess" in text
        data = read_settings().data
        assert (data.label_col, data.label_sep) == ("Tags", "/")
        assert next(iter(check_splits().values())).n_unlabelled == 0
    else:
        assert '# label_col = "Worte"' in text and "# none that is clear" in text


def test_columns_of_yes_and_no_and_a_validation_split(folder: Path) -> None:
    rows = [
        (picture(row), caption(row), *(int(name in labels(row)) for name in NAMES)) for row in ROWS
    ]
    for name, some in (("train.csv", rows[:18]), ("valid.csv", rows[18:])):
        table(folder / "tables" / name, ("Bild", "Text", *NAMES), some)
    mmfeat.init()
    settings = read_settings()
    assert settings.data.label_cols == NAMES
    assert settings.data.text_col == "Text"
    assert settings.splits == {"train": "tables/train.csv", "validation": "tables/valid.csv"}
    assert set(check_splits()) == {"train", "validation"}


@pytest.mark.parametrize(("yes", "no"), [("ja", "nein"), ("x", "")])
def test_columns_of_other_words_for_yes(folder: Path, yes: str, no: str) -> None:
    rows = [(picture(row), *(yes if name in labels(row) else no for name in NAMES)) for row in ROWS]
    table(folder / "liste.csv", ("Bild", *NAMES), rows)
    mmfeat.init()
    assert read_settings().data.label_cols == NAMES
    assert set(check_splits()["train"].label_rows or ()) == set(NAMES)


def test_several_pictures_in_a_cell_and_rows_that_are_numbered(folder: Path) -> None:
    rows = [(f"{picture(row)}|{picture(0)}", caption(row % 3), labels(row)[0]) for row in ROWS]
    table(folder / "items.tsv", ("photos", "name", "category"), rows)
    mmfeat.init()
    data = read_settings().data
    assert (data.id_col, data.image_col, data.image_sep) == ("", "photos", "|")
    assert next(iter(check_splits().values())).n_rows == len(ROWS)


def test_names_without_suffix_are_those_of_pictures(folder: Path) -> None:
    rows = [(picture(row).removesuffix(".PNG"), caption(row)) for row in ROWS]
    table(folder / "items.csv", ("id", "caption"), rows)
    mmfeat.init()
    data = read_settings().data
    assert (data.id_col, data.image_suffix, data.images) == ("id", ".PNG", "pics")
    read = read_table(Path("items.csv"), data=data)
    assert read.image_paths[0] == picture(0) == f"{read.ids[0]}.PNG"


def test_pictures_in_no_table_are_told(folder: Path) -> None:
    rows = [(picture(row), caption(row)) for row in ROWS]
    table(folder / "items.csv", ("file", "title"), rows)
    assert "in no table" not in mmfeat.init().text
    (folder / "to come").mkdir()
    for row in range(3):
        Image.new("RGB", (2, 2)).save(folder / f"to come/{row}.png")
    text = " ".join(mmfeat.init(force=True).text.replace("\n#", " ").split())
    assert "3 pictures in to come are in no table: `mmfeat predict --images 'to come'`" in text


def test_captions_alone_in_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [
        {"url": f"http://x/{row}", "headline": caption(row), "topics": labels(row)} for row in ROWS
    ]
    Path("articles.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    Path("linked").symlink_to("..")
    (note,) = mmfeat.init().project.notes
    assert 'set images = "linked"' in note
    settings = read_settings()
    assert settings.extract.modalities == ("text",)
    assert (settings.data.label_col, settings.data.label_sep) == ("topics", None)
    assert next(iter(check_splits().values())).n_rows == len(ROWS)


def test_what_it_refuses(folder: Path) -> None:
    with pytest.raises(TableError, match="24 pictures and 0 other tables"):
        mmfeat.init()
    with pytest.raises(ConfigError, match="a project is a folder"):
        mmfeat.init("nothing")
    table(folder / "items.csv", ("id", "caption"), [(picture(row), caption(row)) for row in ROWS])
    Path("mmfeat.toml").write_text("# mine\n")
    with pytest.raises(ConfigError, match="replace it with --force"):
        mmfeat.init()
    assert Path("mmfeat.toml").read_text() == "# mine\n"
    mmfeat.init(force=True)
    assert read_settings().data.text_col == "caption"


@pytest.mark.parametrize("name", ["train\n[data]\n.csv", 'a"b\\.csv', "x\x7f\x01.csv"])
def test_odd_names_stay_texts(name: str, folder: Path) -> None:
    table(folder / name, ("id", "caption\x7f"), [(picture(row), caption(row)) for row in ROWS])
    (folder / f"{name}.xlsx").write_bytes(b"")
    mmfeat.init()
    assert read_settings().splits == {"train": name}


def test_columns_that_may_relate_rows_are_asked_about(folder: Path, mmfeat: Mmfeat) -> None:
    rows = [(picture(row), caption(row), "; ".join(labels(row)), row % 5) for row in ROWS]
    table(folder / "items.csv", ("file", "title", "genres", "user"), rows)
    told = " ".join(mmfeat("init").stderr.split())
    assert "where rows that share a value of 'user' are related, take the # before" in told


def test_a_table_whose_pictures_lie_elsewhere_is_left_for_later(folder: Path) -> None:
    header = ("file", "title", "genres")
    rows = [(f"{row}.png", caption(row), "; ".join(labels(row))) for row in ROWS]
    for row in ROWS:
        path = folder / ("new ones" if row >= 20 else "old") / f"{row}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (2, 2)).save(path)
    table(folder / "archive.csv", header, rows[:18])
    table(folder / "judge.csv", header, rows[20:])
    table(folder / "to label.csv", header[:2], [row[:2] for row in rows[20:]])
    table(folder / "test.csv", header[:2], [row[:2] for row in rows[18:20]])
    found = mmfeat.init(folder)
    assert found.project.splits.keys() == {"train", "test"}
    assert found.project.splits["test"][0] == "test.csv"
    text = " ".join(found.text.replace("\n#", " ").split())
    assert "`mmfeat predict --table 'to label.csv' --images 'new ones'`" in text
    assert "`mmfeat extract judge.csv --images 'new ones' --split judge`" in text
    assert "20 pictures; 100% of those named are there" in text


def test_numbered_columns_are_labels_and_further_tables_are_predicted_later(folder: Path) -> None:
    header = ("file", "title", "genre_1", "genre_2", "season")
    kinds = [[*labels(row), ""][:2] for row in ROWS]
    rows = [(picture(row), caption(row), *kinds[row], f"1{row % 3}") for row in ROWS]
    table(folder / "archive.csv", header, rows[:18])
    for name, at in {"upcoming": 18, "later": 20}.items():
        table(folder / f"{name}.csv", header[:2], [row[:2] for row in rows[at : at + 2]])
    found = mmfeat.init(folder)
    assert found.project.roles.label_cols == ("genre_1", "genre_2")
    assert "4 labels, 1.7 a row" in found.text
    assert 'objective = "samples-f1"  # for tags; macro-f1' in found.text  # 8 rows a label
    assert list(found.project.splits) == ["train", "test"]
    assert "upcoming.csv has no labels, either: `mmfeat predict --table upcoming.csv`" in found.text
    assert {summary.n_rows for summary in check_splits().values()} == {18, 2}
