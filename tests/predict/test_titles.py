"""Every label has a column of its own in the file of predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mmfeat.decide.decision import Decision
from mmfeat.predict.write import write_predictions
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
