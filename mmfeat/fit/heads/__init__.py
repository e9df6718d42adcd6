"""Heads, one file each: multilabel classifiers of fused features."""

from __future__ import annotations

from mmfeat.core.plugins import Plugin

HEADS: dict[str, Plugin] = {
    "mlp": Plugin("mmfeat.fit.heads.mlp:MLP", "hidden layers with GELU and dropout"),
    "gmlp": Plugin(
        "mmfeat.fit.heads.gmlp:GMLP", "gating across slices of the embeddings (Liu 2021)"
    ),
    "logreg": Plugin("mmfeat.fit.heads.logreg:LogReg", "logistic regression, C chosen out of fold"),
    "lightgbm": Plugin("mmfeat.fit.heads.lightgbm:LightGBM", "boosted trees, one set per label"),
    "knn": Plugin("mmfeat.fit.heads.knn:KNN", "labels of the nearest training rows: the baseline"),
    "zeroshot": Plugin("mmfeat.fit.heads.zeroshot:ZeroShot", "cosine to prompts of the labels"),
}
