"""The text of an error fits a screen and tells no password."""

from __future__ import annotations

from mmfeat.errors import LONGEST_WORD, ConfigError


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
