"""Every label has a column of its own in the file of predictions, beside those of the table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmfeat.config import DataSettings
from mmfeat.decide.decision import Decision
from mmfeat.errors import ConfigError
from mmfeat.predict.sheets import columns_of
from mmfeat.predict.write import own_columns, write_predictions
from mmfeat.tables import read_table
from mmfeat.tables.sheet import SheetColumns, read_sheet
from mmfeat.types import Predictions


def test_labels_that_are_called_like_columns_are_not_lost(tmp_path: Path) -> None:
    labels = ("labels", "p_labels", "id", "p_id", "p_p_labels", "cat")
    values = np.linspace(0.1, 0.9, 12, dtype=np.float32).reshape(2, 6)
    write_predictions(
        tmp_path / "o.csv",
        Predictions(ids=("a", "b"), labels=labels, probabilities=values),
        Decision(labels=labels, thresholds=(0.5,) * 6, objective="none", method="fixed"),
        empty="blank",
        label_sep="|",
    )
    frame = pd.read_csv(tmp_path / "o.csv")
    assert len(frame.columns) == len(set(frame.columns)) == 8
    np.testing.assert_allclose(frame.iloc[:, 2:], values, atol=1e-6)
    assert frame["cat"][1] == frame.iloc[1, 7]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_own_columns_stand_before_the_predictions(tmp_path: Path, suffix: str) -> None:
    rows = pd.DataFrame(
        {
            "file": ["a", "b", "c"],
            "price": [1, 2, None],
            "cat": ["007", None, "x"],
            "tags": [[], ["u"], None],
        },
        dtype=object,
    )
    rows.to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
    table = read_table(
        tmp_path / "rows.jsonl", data=DataSettings(id_col="file", text_col="", label_col="")
    )
    out, own = tmp_path / f"out{suffix}", own_columns(table, None)
    write_predictions(
        out,
        Predictions(ids=table.ids, labels=("cat", "dog"), probabilities=np.eye(3, 2, dtype="f4")),
        Decision(labels=("cat", "dog"), thresholds=(0.5,) * 2, objective="none", method="fixed"),
        empty="blank",
        statuses={"price": ["ok"] * 3},
        own=own,
        slice_rows=1,
    )
    read = {
        ".csv": lambda p: pd.read_csv(p, dtype={"cat": str}, keep_default_na=False),
        ".jsonl": lambda p: pd.read_json(p, lines=True, dtype={"cat": str}),
        ".parquet": pd.read_parquet,
    }[suffix]
    frame = read(out)
    assert list(frame) == [*rows, "predicted_labels", "p_price", "p_cat", "dog"]
    assert frame["cat"][0] == "007" and frame["price"].tolist()[:2] in ([1, 2], ["1", "2"])
    assert frame["tags"][1] == "['u']" and frame["predicted_labels"].tolist()[:2] == ["cat", "dog"]
    if suffix == ".csv":
        wanted = columns_of(read_sheet(out), SheetColumns(id_col="file", label_col="cat"))
        assert (wanted.id_col, wanted.label_col) == ("file", "predicted_labels")
        with pytest.raises(ConfigError, match="already"):
            own_columns(replace(table, source=str(out)), None)
