"""Heads, one file each: multilabel classifiers of fused features."""

from __future__ import annotations

import os

from mmfeat.plugins import Plugin

# Read when torch or LightGBM loads OpenMP. Threads that spin while they wait make two fits on
# one machine ten times slower each; threads that sleep cost an idle machine nothing we measured.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

HEADS: dict[str, Plugin] = {
    "mlp": Plugin("mmfeat.heads.mlp:MLP", "hidden layers with GELU and dropout"),
    "gmlp": Plugin("mmfeat.heads.gmlp:GMLP", "gating across slices of the embeddings (Liu 2021)"),
    "logreg": Plugin("mmfeat.heads.logreg:LogReg", "logistic regression, C chosen out of fold"),
    "lightgbm": Plugin("mmfeat.heads.lightgbm:LightGBM", "boosted trees, one set per label"),
    "knn": Plugin("mmfeat.heads.knn:KNN", "labels of the nearest training rows: the baseline"),
}
