"""The commands of docs/start/own_table.md, as somebody with an own table runs them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from mmfeat.demo.data import write_demo_data
from tests.support.pages import replaced, run_here

PAGE = (Path(__file__).parent.parent / "docs" / "start" / "own_table.md").read_text()
BLOCKS = re.findall(r"(?:^    .*\n)+", PAGE, re.MULTILINE)
CHEAP = {  # what a test can afford, and the tables of the demo
    r"^(# *)?model = .*(\n(# *)?pretrained = .*)?": 'model = "tiny-demo"',
    r"^folds = .*": "folds = 2",
    r"--head gmlp": "--head ridge",
    r"^label_sep = .*": 'label_sep = " "',
}
FEW_CELLS = """
[fit]
folds = 2
[compare]
heads = ["ridge"]
fusions = ["image"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tables with the names of the page, and pictures."""
    write_demo_data(tmp_path, n_train=50, n_test=12, seed=3)
    (tmp_path / "data").rename(tmp_path / "images")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def follow(block: str, settings: Path) -> None:
    """Run every command; the settings that `init` wrote name what is cheap."""
    for line in replaced(block, CHEAP).splitlines():
        printed, status = run_here(shlex.split(line, comments=True)[1:])
        assert status == 0, printed
        if line.split()[1] == "init":
            settings.write_text(replaced(settings.read_text(), CHEAP) + FEW_CELLS)


def test_a_table_that_init_looks_at(folder: Path) -> None:
    (folder / "mmfeat.toml").unlink()
    for old, new in (("train.csv", "products.csv"), ("images", "more")):
        (folder / old).rename(folder / new)
    (folder / "test.csv").rename(folder / "new.csv")
    follow(BLOCKS[0], folder / "mmfeat.toml")
    assert (folder / "artifacts" / "report.html").is_file()
    assert len(pd.read_csv(folder / "labels.csv")) == 12


def test_settings_that_make_every_flag_needless(folder: Path) -> None:
    (settings,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (folder / "mmfeat.toml").write_text(replaced(settings, CHEAP))
    follow(BLOCKS[-1], folder / "mmfeat.toml")
    sample = pd.read_csv(folder / "sample_submission.csv")
    (written,) = (folder / "artifacts" / "submissions").glob("*.csv")
    assert list(pd.read_csv(written).ImageID) == list(sample.ImageID)
