"""Labels get other names when a table is read; nothing is encoded again for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmfeat.config import DataSettings
from mmfeat.errors import MmfeatError
from mmfeat.tables import read_table
from mmfeat.tables.table import Table, TableFormat
from tests.support.workspaces import Mmfeat


def read(folder: Path, text: str, **data: Any) -> Table:
    (folder / "t.csv").write_text(text)
    return read_table(folder / "t.csv", data=DataSettings(**data))


CELLS = "ImageID,Labels\na,cta|dog\nb,cat\nc,dog\n"
COLUMNS = "ImageID,dog,cta,cat\na,1,1,0\nb,0,0,1\nc,1,0,0\n"


def test_labels_of_one_name_are_one(tmp_path: Path) -> None:
    table = read(tmp_path, CELLS, rename_labels=("cta=cat", "dog=zebra"))
    assert table.labels == ("cat", "zebra")
    np.testing.assert_array_equal(table.targets, [[1, 1], [1, 0], [0, 1]])
    assert "2 labels are renamed, 1 joined to others" in table.notes
    columns = read(tmp_path, COLUMNS, label_cols=("dog", "cta", "cat"), rename_labels=("cta=cat",))
    assert columns.labels == ("dog", "cat")
    np.testing.assert_array_equal(columns.targets, [[1, 1], [0, 1], [1, 0]])
    assert TableFormat.from_json(table.format.to_json()) == table.format


def test_a_table_that_has_the_new_name_already_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, "ImageID,Labels\na,cat\n", rename_labels=("cta=cat",)).labels == ("cat",)
    assert read(tmp_path, "ImageID\na\n", rename_labels=("cta=cat",)).labels == ()


@pytest.mark.parametrize(
    ("pair", "found"),
    [("dgo=dog2", "did you mean 'dog'"), ("dog", "OLD=NEW"), ("=dog", "OLD=NEW"), ("dog=", "OLD")],
)
def test_names_that_are_none_are_refused(tmp_path: Path, pair: str, found: str) -> None:
    with pytest.raises(MmfeatError, match=found):
        read(tmp_path, CELLS, rename_labels=(pair,))


def test_the_store_has_the_new_names(project: Path, mmfeat: Mmfeat, demo_project: Path) -> None:
    images = demo_project / "data"
    prompts = Path("prompts.csv").read_text().splitlines()
    renamed = [f"one,{line[2:]}" if line.startswith("1,") else line for line in prompts]
    Path("prompts.csv").write_text("\n".join(renamed) + "\n")
    result = mmfeat(
        "extract", "train.csv", "--split", "train", "--images", images, "--rename-label", "1=one"
    )
    assert result.exit_code == 0, result.stderr
    assert "0 of 240 image rows and 0 of 240 text rows are new" in result.stderr
    fitted = mmfeat("fit", "--head", "knn", "--folds", 2, "--name", "r")
    assert fitted.exit_code == 0
    assert mmfeat("predict", "r", "--split", "test", "--out", "o.csv").exit_code == 0
    assert "one" in Path("o.csv").read_text().splitlines()[0].split(",")
