"""Decision-level fusions: one head per source, and a stacker of their scores.

| fusion     | sources             | stacker                                             |
|------------|---------------------|------------------------------------------------------|
| late-mean  | image, text         | mean of the probabilities                            |
| late-sum   | image, text         | an MLP on the sum of the probabilities               |
| late-stack | image, text         | logistic regression on the logits, side by side      |
| mixed      | image, text, concat | an MLP on the sum of the probabilities               |

A row that lacks a modality takes that modality's scores from the other one, so that a sum or
mean is made of what is there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np

from mmfeat.core.numeric import logit
from mmfeat.core.plugins import resolve
from mmfeat.fit.fusion.fuse import present
from mmfeat.fit.heads import HEADS
from mmfeat.fit.heads.base import Head
from mmfeat.types import FeatureRows, FloatArray, IntArray, Targets

SOURCES: dict[str, tuple[str, ...]] = {
    "late-mean": ("image", "text"),
    "late-sum": ("image", "text"),
    "late-stack": ("image", "text"),
    "mixed": ("image", "text", "concat"),
}
SMALLEST = 1 / (1 + math.exp(15))  # probability: rounded ones may be 0 or 1


class Stacker:
    """Scores of several heads become one; learned from scores of rows the heads never saw."""

    def __init__(self, fusion: str, decision: Head | None) -> None:
        self.fusion, self.decision = fusion, decision

    @classmethod
    def build(cls, fusion: str, *, settings: dict[str, str], seed: int, loss: str) -> Self:
        """Make the stacker of `fusion`; `settings` are those of its decision head."""
        if fusion == "late-mean":
            return cls(fusion, None)
        if fusion == "late-stack":
            stack = {"C": "1.0", **settings}
            return cls(fusion, resolve("logreg", HEADS, "head").from_settings(stack, seed=seed))
        mlp = resolve("mlp", HEADS, "head")
        # a few scores a row are soon learned by heart: no more epochs where rows are few
        shape = {"preset": "guo-decision", "epochs": "8", **settings}
        return cls(fusion, mlp.from_settings(shape, seed=seed, loss=loss))

    @property
    def uses_loss(self) -> bool:
        """Whether the loss changes its meta-learner."""
        return self.decision is not None and self.decision.uses_loss

    def fit(self, scores: Mapping[str, FloatArray], y: Targets) -> Self:
        """Learn from each source's probabilities, (n, k), and the targets, (n, k)."""
        if self.decision is not None:
            x = self._inputs(scores)
            self.decision = replace(self.decision).fit(x, y, blocks=(x.shape[1],))
        return self

    def predict(self, scores: Mapping[str, FloatArray]) -> FloatArray:
        """Give probabilities of shape (n, k) from each source's."""
        if self.decision is None:
            mean: FloatArray = np.mean(list(scores.values()), axis=0, dtype=np.float32)
            return mean
        return self.decision.predict(self._inputs(scores))

    def copy(self) -> Self:
        """The same stacker, not fitted."""
        return type(self)(self.fusion, None if self.decision is None else replace(self.decision))

    def for_refit(self, folds: list[Self]) -> Self:
        """This stacker with what the folds found."""
        if self.decision is None:
            return self.copy()
        heads = [fold.decision for fold in folds if fold.decision is not None]
        return type(self)(self.fusion, self.decision.for_refit(heads))

    def save(self, folder: Path) -> None:
        """Write the decision head, where there is one, into `folder`."""
        if self.decision is not None:
            self.decision.save(folder)

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote."""
        if self.decision is None:
            return self.copy()
        return type(self)(self.fusion, type(self.decision).load(folder))

    def _inputs(self, scores: Mapping[str, FloatArray]) -> FloatArray:
        if self.fusion == "late-stack":
            return np.hstack([float32_logits(part) for part in scores.values()])
        total: FloatArray = np.sum(list(scores.values()), axis=0, dtype=np.float32)
        return total


def fill_missing_modality(
    scores: dict[str, FloatArray], features: FeatureRows, rows: IntArray | None = None
) -> dict[str, FloatArray]:
    """Give rows that lack a modality the other one's scores in its place.

    `scores` are of all rows of `features`, or of the chosen `rows`.
    """
    image, text = present(features, "image"), present(features, "text")
    if rows is not None:
        image, text = image[rows], text[rows]
    lent = dict(scores)
    lent["image"] = np.where((~image & text)[:, None], scores["text"], scores["image"])
    lent["text"] = np.where((image & ~text)[:, None], scores["image"], scores["text"])
    return lent


def float32_logits(probabilities: FloatArray) -> FloatArray:
    """Logits in float32, clipped to [−15, 15], of probabilities of any shape."""
    return logit(probabilities, smallest=SMALLEST).astype(np.float32)
