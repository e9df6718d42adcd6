"""The text of an error fits a screen and tells no password."""

from __future__ import annotations

import re
from pathlib import Path

from mmfeat.errors import LONGEST_WORD, ConfigError, counted


def test_very_long_words_are_cut_in_the_middle() -> None:
    fits = "f" * LONGEST_WORD
    text = str(ConfigError(f"a {fits} rule", f"it is {'x' * 5000}y", "use less"))
    assert len(text) < 700
    assert fits in text
    assert "xxx…xxx" in text and "xy; use less" in text


def test_very_long_lists_are_cut_in_the_middle() -> None:
    columns = ", ".join(f"c{i}" for i in range(3000))
    text = str(ConfigError("a table needs ids", f"its columns are {columns}", "name one"))
    assert len(text) < 1000
    assert "c0, c1" in text and "c2999; name one" in text


def test_a_password_is_not_told_where_an_address_was_taken_for_a_path() -> None:
    for address in ("ftp://me:secret@host/t.csv", "http:/me:secret@host/t.csv"):
        assert "secret" not in str(ConfigError("a file", address, "another"))
    assert "C:/a@b.jpg" in str(ConfigError("a file", "C:/a@b.jpg", "another"))


def test_the_password_of_an_address_is_left_out() -> None:
    text = str(ConfigError("an address", f"s3://me:secret@{'h' * 400}/x", "another"))
    assert "secret" not in text


NOUNS = "row|label|run|class|image|picture|caption|file|cell|column|fold|store|table|trial|id|pair"
COUNT = re.compile(rf"(?<!of )\{{(?:len\(|n_)[^{{}}]*\}} (?:different )?(?:{NOUNS})(?:e?s)\b.*")
MORE_THAN_ONE = (  # what is counted is at least two wherever these are said
    " in {n_rows} rows are read from",
    " ids stand beside {n_rows} rows: rows ",
    " runs, e.g. ",
    " rows × ",
    " tables were named",
    " folds forward in time",
    " folds of {n_groups} ",
    " classes, {simpler}",
    "{n_repeated:,} rows have the caption of another row",
    "{n_rows:,} rows of {data.n_labels:,} classes",
    " rows of {found.split}",
)


def test_a_count_that_may_be_one_is_said_by_counted() -> None:
    root = Path(__file__).resolve().parents[1]
    sources = [path for part in ("mmfeat", "cli") for path in sorted((root / part).rglob("*.py"))]
    plain = [
        f"{path.relative_to(root)}: {found[0]}"
        for path in sources
        for line in path.read_text().splitlines()
        for found in COUNT.finditer(line)
        if not any(known in line for known in MORE_THAN_ONE)
    ]
    assert plain == []
    assert counted(1, "row") == "1 row" and counted(2000, "row") == "2,000 rows"
    assert counted(1, "class has", "classes have") == "1 class has"
    assert counted(0, "class has", "classes have") == "0 classes have"
