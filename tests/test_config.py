from __future__ import annotations

import re
from pathlib import Path

import pytest

from mmfeat.config import CompareSettings, DataSettings, FitSettings, Settings
from mmfeat.core.settings import override, read_settings
from mmfeat.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    (folder / "mmfeat.toml").write_text(text)
    return folder


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert read_settings(tmp_path) == Settings()


def test_the_file_overrides_the_defaults(tmp_path: Path) -> None:
    settings = read_settings(
        write(
            tmp_path,
            """
            workspace = "w"
            [data]
            images = "data"
            label_cols = ["a", "b"]
            [splits]
            train = "train.csv"
            [extract]
            num_gpus_per_actor = 2
            [fit]
            folds = 3
            """,
        )
    )
    assert settings.workspace == "w"
    assert settings.data.images == "data"
    assert settings.data.label_cols == ("a", "b")
    assert settings.splits == {"train": "train.csv"}
    assert settings.extract.num_gpus_per_actor == 2.0
    assert settings.fit == FitSettings(folds=3)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[fit]\nfold = 3", "'fold'"),
        ("[fitt]\nfolds = 3", "'fitt'"),
        ("[fit]\nfolds = '3'", "folds"),
        ("[fit]\nfolds = true", "folds"),
        ("[splits]\ntrain = 3", "splits"),
        ("[submit]\nsample = 3", "sample"),
        ("fit = 3", "fit"),
        ("[fit", "mmfeat.toml"),
    ],
)
def test_a_bad_file_is_one_clear_error(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(ConfigError, match=found):
        read_settings(write(tmp_path, text))


def test_a_file_that_is_not_utf8_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "mmfeat.toml").write_bytes(b"workspace = '\xff'")
    with pytest.raises(ConfigError, match="TOML"):
        read_settings(tmp_path)


def test_a_value_of_a_wrong_type_is_told_in_words(tmp_path: Path) -> None:
    path = write(tmp_path, "[data]\nlabel_cols = ['a', 3]") / "mmfeat.toml"
    with pytest.raises(ConfigError) as caught:
        read_settings(tmp_path)
    assert str(caught.value) == (
        f"label_cols in {path} [data] is a list of strings; it is ['a', 3]; change its value"
    )


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("label_col = ['a', 'b']", 'a list is given as label_cols = ["a", "b"]'),
        ("label_cols = 'a'", 'write label_cols = ["a"]'),
    ],
)
def test_one_value_in_place_of_a_list_is_understood(tmp_path: Path, line: str, remedy: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(remedy)):
        read_settings(write(tmp_path, f"[data]\n{line}"))


def test_flags_override_only_where_given() -> None:
    assert override(FitSettings(), head="mlp", folds=None) == FitSettings(head="mlp")
    assert override(CompareSettings(), heads=["knn"]) == CompareSettings(heads=("knn",))
    assert override(DataSettings(), images=Path("a/b")) == DataSettings(images="a/b")
