"""LightGBM against one classifier per class in scikit-learn's `MultiOutputClassifier`."""

from __future__ import annotations

from functools import partial

import lightgbm
import numpy as np
import torch
from sklearn.multioutput import MultiOutputClassifier

from benchmarks.fit.heads.timing import Data, timed
from mmfeat.fit.heads.lightgbm import LightGBM


def bench_lightgbm(train: Data, trees: int) -> str:
    lines = [
        f"LightGBM, {len(train[0]):,} rows, {train[1].shape[1]} classes, {trees} trees each",
        "",
        "| features | MultiOutputClassifier, s | mmfeat, s | ratio | largest difference |",
        "|---|---|---|---|---|",
    ]
    x, y = train
    for width in (96, 384, 1536):
        wide = np.tile(x, (1, -(-width // x.shape[1])))[:, :width]
        wide = wide + np.random.default_rng(0).normal(scale=0.01, size=wide.shape)
        wide = wide.astype(np.float32)
        head = LightGBM(trees=trees, patience=0)
        ours, _ = timed(partial(head.fit, wide, y, blocks=(width,)))
        params = {**head._params(1), "n_estimators": trees}
        params["num_threads"] = torch.get_num_threads()
        model = MultiOutputClassifier(lightgbm.LGBMClassifier(**params))
        theirs, _ = timed(partial(model.fit, wide, y))
        few = wide[:500]
        expected = np.stack([p[:, 1] for p in model.predict_proba(few)], axis=1)
        gap = np.abs(expected - head.predict_proba(few)).max()
        lines.append(f"| {width} | {theirs:.1f} | {ours:.1f} | {theirs / ours:.2f} | {gap:.1e} |")
    return "\n".join(lines)
