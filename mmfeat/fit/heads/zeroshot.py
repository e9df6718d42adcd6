"""Zero-shot: the cosine of a row to its label's prompt, calibrated by two numbers.

As CLIP classifies (Radford et al., arXiv:2103.00020, section 3.1), with a sigmoid in place of the
softmax because a row has several labels: the probability of a label is
sigmoid(scale × cosine + offset), with one scale and one offset for all labels that minimise the
log-loss on the rows of `fit` (Platt 1999). A baseline for every trained head.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from mmfeat.core.numeric import sigmoid
from mmfeat.decide.calibration.logistic import logistic
from mmfeat.fit.heads.base import Head
from mmfeat.metrics.known import of_known
from mmfeat.types import FloatArray, Fused, IntArray, Targets

MOST_CELLS = 1 << 22  # rows × labels that the calibration is fitted on; more would only cost memory
BLOCK_ROWS = 1024  # whose cosines are computed at a time


@dataclass(kw_only=True)
class ZeroShot(Head):
    """Comparison with prompts; there are no options."""

    name: ClassVar[str] = "zeroshot"
    uses_prompts: ClassVar[bool] = True

    _scale = _offset = 0.0

    def _fit(self, fused: Fused[FloatArray], y: Targets, rows: IntArray) -> None:
        x, n_rows = fused.values, max(1, MOST_CELLS // y.shape[1])
        if len(rows) > n_rows:
            rows = np.random.default_rng(self.seed).choice(rows, n_rows, replace=False)
        parts = np.array_split(rows, -(-len(rows) // BLOCK_ROWS))
        cosines = np.vstack([self._cosines(x[part]) for part in parts]).astype(np.float64)
        scores, truth = of_known(cosines.ravel(), y[rows].ravel())
        self._scale, self._offset = logistic(scores[:, None], truth).tolist()

    def _predict(self, x: FloatArray) -> FloatArray:
        probabilities = sigmoid(self._scale * self._cosines(x).astype(np.float64) + self._offset)
        return probabilities.astype(np.float32)

    def _cosines(self, x: FloatArray) -> FloatArray:
        """Cosine of each row to each label's prompt, (n, k), averaged over the row's blocks."""
        prompts = self.prompts_[self.learnable_]
        total: FloatArray = np.zeros((len(x), len(prompts)), dtype=np.float32)
        n_present: FloatArray = np.zeros((len(x), 1), dtype=np.float32)
        for end, width in zip(np.cumsum(self.blocks_), self.blocks_, strict=True):
            rows, block = x[:, end - width : end], prompts[:, end - width : end]
            lengths = np.linalg.norm(rows, axis=1, keepdims=True)
            lengths = lengths * np.linalg.norm(block, axis=1)
            total += rows @ block.T / np.maximum(lengths, 1e-30)
            n_present += rows.any(axis=1, keepdims=True)
        total /= np.maximum(n_present, 1)
        return total

    def _save_state(self, folder: Path) -> None:
        state: dict[str, NDArray[Any]] = {
            "prompts": self.prompts_,
            "calibration": np.array([self._scale, self._offset]),
        }
        save_file(state, folder / "prompts.safetensors")

    def _load_state(self, folder: Path) -> None:
        state = load_file(folder / "prompts.safetensors")
        self.prompts_ = state["prompts"]
        self._scale, self._offset = state["calibration"].tolist()
