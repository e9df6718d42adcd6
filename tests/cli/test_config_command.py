"""`mmfeat config` prints every key, as an mmfeat.toml, and `mmfeat list heads` every option."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from mmfeat.config import Settings
from mmfeat.core.settings import read_settings
from mmfeat.fit.models.model import FITTED
from mmfeat_cli.list_ import options
from tests.support.files import put
from tests.support.workspaces import Mmfeat, error_line

SETTINGS = """
workspace = "wörk"
[splits]
"a b" = "a.csv"
[data]
label_sep = "\\t"
label_cols = ["x", "y"]
[fit]
folds = 3
[compare]
seeds = 2
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MMFEAT_WORKSPACE", raising=False)
    return put(tmp_path / "mmfeat.toml", SETTINGS)


def test_what_is_printed_gives_the_same_settings(mmfeat: Mmfeat, here: Path) -> None:
    before = read_settings()
    printed = mmfeat("config").stdout
    assert max(len(line) for line in printed.splitlines()) <= 80
    here.write_text(printed)
    assert read_settings() == before != Settings()


def test_every_key_is_printed_with_its_origin(mmfeat: Mmfeat, here: Path) -> None:
    keys = json.loads(mmfeat("config", "--json").stdout)["keys"]
    found = {(key["section"], key["name"]): key for key in keys}
    for field in fields(Settings):
        value = getattr(Settings(), field.name)
        if is_dataclass(value):
            assert {(field.name, inner.name) for inner in fields(value)} <= set(found)
        else:
            assert ("", field.name) in found
    given = {place for place, key in found.items() if key["origin"] == "mmfeat.toml"}
    assert given == {
        ("", "workspace"),
        ("", "splits"),
        ("data", "label_sep"),
        ("data", "label_cols"),
        ("fit", "folds"),
        ("compare", "seeds"),
    }
    assert (
        found["fit", "folds"] | {"value": 3, "default": None, "type": "an integer"}
        == (found["fit", "folds"])
    )
    assert all(key["help"] for key in keys)


def test_the_variable_of_the_workspace_wins(
    mmfeat: Mmfeat, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMFEAT_WORKSPACE", "elsewhere")
    printed = mmfeat("config").stdout
    assert tomllib.loads(printed)["workspace"] == "elsewhere"
    assert "# MMFEAT_WORKSPACE" in printed


def test_a_settings_file_that_is_none_is_refused(mmfeat: Mmfeat, here: Path) -> None:
    here.unlink()
    here.mkdir()
    assert "must be a file" in error_line(mmfeat, "config")


@pytest.mark.parametrize("head", FITTED)
def test_every_option_of_a_head_is_listed(mmfeat: Mmfeat, head: str) -> None:
    printed = mmfeat("list", "heads", head).stdout
    names = {known.name for known in options(head)}
    expected = {"runs", "average", "weights"} if head == "ensemble" else {"normalise", "final"}
    assert expected <= names
    assert names == set(re.findall(r"^(\w+): ", printed, re.MULTILINE))
    assert max(len(line) for line in printed.splitlines()) <= 100


def test_an_unknown_kind_is_told_the_known_ones(mmfeat: Mmfeat) -> None:
    line = error_line(mmfeat, "list", "nosuch")
    assert line.startswith("error: KIND is one of heads, fusions,") and "Value error" not in line
