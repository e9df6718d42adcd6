"""Heads, one file each: multilabel classifiers of fused features."""

from __future__ import annotations

from typing import Any

from mmfeat.core.plugins import Plugin, resolve

HEADS: dict[str, Plugin] = {
    "mlp": Plugin("mmfeat.fit.heads.mlp:MLP", "multilayer perceptron with GELU and dropout"),
    "gmlp": Plugin(
        "mmfeat.fit.heads.gmlp:GMLP", "gated MLP over slices of the embeddings (Liu et al. 2021)"
    ),
    "ridge": Plugin(
        "mmfeat.fit.heads.ridge:Ridge", "ridge regression in closed form, for a first look"
    ),
    "logreg": Plugin(
        "mmfeat.fit.heads.logreg:LogReg", "logistic regression with C chosen by cross-validation"
    ),
    "lightgbm": Plugin(
        "mmfeat.fit.heads.lightgbm:LightGBM", "gradient-boosted trees, one ensemble per label"
    ),
    "knn": Plugin("mmfeat.fit.heads.knn:KNN", "k nearest neighbours, as a baseline"),
    "zeroshot": Plugin(
        "mmfeat.fit.heads.zeroshot:ZeroShot", "cosine similarity to prompts of the labels"
    ),
}


def __getattr__(name: str) -> Any:
    """Return the class of a head by its name, e.g. `LogReg`; it is imported on first access."""
    for head, plugin in HEADS.items():
        if plugin.target.endswith(f":{name}"):
            return resolve(head, HEADS, "head")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the registry and the classes of the heads, without importing them."""
    return sorted(["HEADS", *(plugin.target.rpartition(":")[2] for plugin in HEADS.values())])
