"""Boosted trees, one set per class: the matrix is binned once and every class shares it.

Boosters of different classes are trained in parallel, each on few threads, which is faster than
many threads on one small tree. Each worker has its own copy of the binned matrix, one byte per
number, because LightGBM stores the labels in it. A stream is binned block by block into one matrix
for all threads. A class is grown on the rows of which it is known, a copy of these where some are
not. Fewer bins save no memory: where LightGBM packs them into four bits, it keeps the
buffer from which it packed them (`buf_` of its `DenseBin`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import lightgbm
import numpy as np
from lightgbm.basic import LightGBMError
from numpy.typing import NDArray

from mmfeat.core.memory import give_back_freed, large_blocks_mapped
from mmfeat.errors import FitError
from mmfeat.fit.heads.base import Head
from mmfeat.fit.heads.options import option
from mmfeat.fit.heads.solvers.lightgbm_text import read_booster
from mmfeat.fit.heads.space import Choice, Range, Space
from mmfeat.fit.heads.streaming import BLOCK_ROWS
from mmfeat.metrics.known import known_cells, known_rows
from mmfeat.runs.folds.inside import hold_out
from mmfeat.types import FloatArray, Fused, IntArray, Matrix, Stream, Targets

MAX_WEIGHT = 20.0
BUFFERS = 32  # rows of one-byte bins per buffered row of a stream: half of --max-memory
BIN_ROWS = 5000  # rows that bins are found on; LightGBM copies them, 12 bytes per number

log = logging.getLogger(__name__)
# LightGBM prints by default, and ignores `verbosity` for a Sequence.
lightgbm.register_logger(log, info_method_name="debug", warning_method_name="debug")


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn errors of LightGBM, for instance when memory runs out, into `FitError`."""
    try:
        yield
    except LightGBMError as error:
        raise FitError(
            "LightGBM must be able to train",
            f"it reports: {error}",
            "if memory ran out, fit fewer rows, or the head logreg, mlp or gmlp",
        ) from error


@dataclass(kw_only=True)
class LightGBM(Head):
    """One-vs-rest gradient boosting; options as declared below.

    `threads` affects the time of a fit, but not its result.
    """

    name: ClassVar[str] = "lightgbm"
    relative_cost: ClassVar[float] = 20.0
    streams: ClassVar[bool] = True
    reads_parts: ClassVar[bool] = True
    sketched: ClassVar[dict[str, str]] = {"lr": "0.3", "trees": "40"}
    ignored: ClassVar[dict[str, set[str]]] = {"rounds": {"patience", "trees"}}

    trees: int = option(150, "maximum number of trees per class", low=1, high=1e9)
    rounds: int | None = option(None, "exact number of trees per class", low=1, high=1e9)
    patience: int = option(
        10,
        "trees without improvement on validation rows before stopping; 0 never stops early",
        low=0,
        high=1e9,
    )
    leaves: int = option(7, "maximum number of leaves per tree", low=2, high=131072)
    lr: float = option(0.1, "learning rate", low=1e-9, high=1e3)
    bins: int = option(63, "maximum number of bins per feature", low=2, high=65535)
    min_rows: int = option(20, "minimum number of rows in a leaf", low=0, high=1e9)
    features: float = option(0.2, "fraction of the features that each tree uses", low=1e-9, high=1)
    weights: str = option(
        "none",
        "class weights; balanced weights positives up to 20 times as much",
        choices=("none", "balanced"),
    )
    threads: int = option(
        0,
        "number of threads; 0 uses all cores, or OMP_NUM_THREADS; the result is the same",
        low=0,
        high=1024,
    )

    _boosters = cast("Sequence[lightgbm.Booster]", ())
    _counts = np.empty(0)  # trees of each class, (k,); NaN where it is constant
    _planned = cast("NDArray[np.float64] | None", None)

    def search_space(self) -> Space:
        """Size of the trees and share of the data; early stopping finds their number."""
        return {
            "lr": Range(self.lr, 0.03, 0.3, log=True),
            "leaves": Range(self.leaves, 4, 63, log=True, whole=True),
            "min_rows": Range(self.min_rows, 5, 100, log=True, whole=True),
            "features": Range(self.features, 0.05, 1.0, log=True),
            "weights": Choice(self.weights, ("none", "balanced")),
        }

    def for_refit(self, folds: Sequence[Self]) -> Self:
        """Return this head with each class's mean number of trees over the folds."""
        head = replace(self)
        nothing = np.full(len(folds[0].rates_), np.nan)  # of a fold without learnable classes
        found = np.stack([fold._counts if fold._counts.size else nothing for fold in folds])
        known = np.isfinite(found).any(axis=0)
        counts = np.full(found.shape[1], float(self.trees))
        counts[known] = np.nanmean(found[:, known], axis=0)
        head._planned = counts.round().clip(1)
        return head

    @plain_errors()
    def _fit(self, fused: Fused[Matrix], y: Targets, rows: IntArray) -> None:
        x = fused.values
        if isinstance(x, np.ndarray) or x.in_memory:
            n_workers = min(self.threads or available_threads(), y.shape[1])  # each with a copy
            self._grow(fused, y, rows, n_workers)
        else:
            self._check_memory(x, copies=1 if known_cells(y) is None else 2)
            with large_blocks_mapped():  # the bins of the folds would leave gaps
                self._grow(fused, y, rows, 1)

    def _grow(self, fused: Fused[Matrix], y: Targets, rows: IntArray, n_workers: int) -> None:
        x, planned = fused.values, np.full(y.shape[1], float(self.rounds or self.trees))
        if self._planned is not None:
            planned = self._planned[self.learnable_]
        train, validation = rows, rows[:0]
        if self.patience and not self.rounds and self._planned is None:
            order = np.random.default_rng(self.seed).permutation(rows)
            validation, train = map(np.sort, hold_out(order, fused.groups))
        params = self._params((self.threads or available_threads()) // n_workers)
        data = lightgbm.Dataset(
            ChosenRows(x, train), label=np.zeros(len(train)), params=params
        ).construct()
        give_back_freed()  # the sample that bins were found on
        judge = None
        if len(validation):
            judge = data.create_valid(
                ChosenRows(x, validation), label=np.zeros(len(validation)), params=params
            ).construct()

        def boost(worker: int) -> list[lightgbm.Booster]:
            own, own_judge = (copied(part, params) if worker else part for part in (data, judge))
            return [
                self._boost(
                    own,
                    own_judge,
                    y[train, label],
                    y[validation, label],
                    params | {"num_iterations": int(planned[label])},
                )
                for label in range(worker, len(planned), n_workers)
            ]

        with ThreadPoolExecutor(n_workers) as pool:
            grown = list(pool.map(boost, range(n_workers)))
        give_back_freed()
        self._boosters = [grown[i % n_workers][i // n_workers] for i in range(len(planned))]
        self._counts = np.full(len(self.rates_), np.nan)
        self._counts[self.learnable_] = [booster.num_trees() for booster in self._boosters]
        self.rounds_ = max(1, round(float(np.nanmean(self._counts))))

    def _check_memory(self, x: Stream, *, copies: int) -> None:
        """Raise `FitError` if the bins of all rows, which the refit needs, exceed the memory."""
        n_bytes = copies * (1 if self.bins < 256 else 2)  # a number
        most = BUFFERS * x.buffer_rows // n_bytes
        if len(x) > most:
            raise FitError(
                "LightGBM holds bins of all rows in memory, which may take half of --max-memory",
                f"{len(x):,} rows × {x.shape[1]:,} numbers at {n_bytes} B each are"
                f" {len(x) * x.shape[1] * n_bytes / 2**20:,.0f} MiB",
                f"fit {most:,} rows or fewer, use logreg, mlp or gmlp, or raise --max-memory"
                f" to {len(x) / most + 0.05:.1f} times what it is",
            )

    def _boost(
        self, data: Any, judge: Any, labels: Targets, judged: Targets, params: dict[str, Any]
    ) -> lightgbm.Booster:
        data, labels = known_part(data, labels, params)
        judge, judged = known_part(judge, judged, params)
        if data is None:  # all its known rows were held out to stop by
            data, labels, judge = judge, judged, None
        data.set_label(labels.astype(np.float32))
        positives = int(labels.sum())
        if self.weights == "balanced" and positives:
            ratio = (len(labels) - positives) / positives
            params["scale_pos_weight"] = min(max(ratio, 1 / MAX_WEIGHT), MAX_WEIGHT)
        callbacks, valid = [], []
        if judge is not None:
            judge.set_label(judged.astype(np.float32))
            valid = [judge]
            callbacks = [lightgbm.early_stopping(self.patience, verbose=False)]
        n_trees = params.pop("num_iterations")
        booster = lightgbm.train(
            params, data, num_boost_round=n_trees, valid_sets=valid, callbacks=callbacks
        )
        best = booster.best_iteration if judge is not None else -1
        return lightgbm.Booster(model_str=booster.model_to_string(num_iteration=best))

    def _params(self, n_threads: int) -> dict[str, Any]:
        return {
            "objective": "binary",
            "learning_rate": self.lr,
            "num_leaves": self.leaves,
            "max_bin": self.bins,
            "bin_construct_sample_cnt": BIN_ROWS,
            "min_data_in_leaf": self.min_rows,
            "feature_fraction": self.features,
            "num_threads": n_threads,
            "seed": self.seed,
            # LightGBM derives this from `seed` for arrays, but not for a Sequence.
            "data_random_seed": ((214013 * self.seed + 2531011) % 2**32 >> 16) % 2**15 % 32767,
            "deterministic": True,
            "force_col_wise": True,
            "feature_pre_filter": False,
            "verbosity": -1,
        }

    def _predict(self, x: FloatArray) -> FloatArray:
        n_threads = self.threads or available_threads()
        scores = [booster.predict(x, num_threads=n_threads) for booster in self._boosters]
        return np.stack(scores, axis=1).astype(np.float32)

    def _save_state(self, folder: Path) -> None:
        for number, booster in enumerate(self._boosters):
            path = (
                folder / f"class-{number:04d}.txt"
            )  # not by LightGBM: a full disk ends in OSError
            path.write_text(booster.model_to_string(), encoding="utf-8")

    def _load_state(self, folder: Path) -> None:
        files = sorted(folder.glob("class-*.txt"))
        width = sum(self.blocks_)
        self._boosters = [read_booster(file, width=width) for file in files]
        self._counts = np.full(len(self.rates_), np.nan)
        self._counts[self.learnable_] = [booster.num_trees() for booster in self._boosters]


class ChosenRows(lightgbm.Sequence):  # type: ignore[misc]
    """The chosen `rows`, ascending, read a slice at a time while LightGBM bins them."""

    batch_size = BLOCK_ROWS

    def __init__(self, x: Matrix, rows: IntArray) -> None:
        self._x, self._rows = x, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | slice | list[int]) -> NDArray[np.floating]:
        rows = np.atleast_1d(self._rows[index])
        cuts = np.searchsorted(rows, np.arange(rows[0], rows[-1], BLOCK_ROWS)[1:])  # far apart
        parts = [
            self._x[int(part[0]) : int(part[-1]) + 1][part - part[0]]
            for part in np.split(rows, cuts)
            if len(part)
        ]
        return np.concatenate(parts) if np.ndim(self._rows[index]) else parts[0][0].astype(float)


def copied(data: Any, params: dict[str, Any]) -> Any:
    """Copy a binned matrix without binning it again; None stays None."""
    if data is None:
        return None
    return data.subset(np.arange(data.num_data()), params=params).construct()


def known_part(data: Any, labels: Targets, params: dict[str, Any]) -> tuple[Any, Targets]:
    """A binned matrix and its labels in the rows of which they are known; None without any."""
    rows = known_rows(labels)
    if rows is None or data is None:
        return data, labels
    return (data.subset(rows, params=params).construct() if len(rows) else None), labels[rows]


def available_threads() -> int:
    """OMP_NUM_THREADS, or the cores that this process may use."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() else len(os.sched_getaffinity(0))
