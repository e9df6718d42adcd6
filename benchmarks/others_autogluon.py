"""AutoGluon's part of `benchmarks.others`, for the Python of its own environment.

AG/bin/python benchmarks/others_autogluon.py ROWS.npz ANSWERS.npz SECONDS
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
from autogluon.tabular import TabularPredictor


def main() -> None:
    """Fit a predictor per label, embeddings as columns; write probabilities and label sets."""
    rows, answers, seconds = sys.argv[1:]
    with np.load(rows) as given:
        train, judge = (
            pd.DataFrame(given[name]).add_prefix("x").astype("float32")
            for name in ("train", "judge")
        )
        targets = given["targets"]
    probabilities, sets = [], []
    for label, of_label in enumerate(targets.T):
        predictor = TabularPredictor("y", eval_metric="f1", path=f"label-{label}", verbosity=0)
        predictor.fit(train.assign(y=of_label), time_limit=float(seconds), num_cpus=1)
        probabilities.append(predictor.predict_proba(judge)[1].to_numpy())
        sets.append(predictor.predict(judge).to_numpy())
        print(f"label {label}: {predictor.model_best}", flush=True)
    np.savez(
        answers,
        probabilities=np.stack(probabilities, axis=1),
        sets=np.stack(sets, axis=1).astype(np.uint8),
    )


if __name__ == "__main__":
    main()
