"""Thresholds: how fast they are found, and what they are worth on rows that nobody has seen.

    python -m benchmarks.decide.thresholds [--data FOLDER] [--quick]

Speed: made-up scores of 30,000 × 18 and 100,000 × 80; every method, and beside `exact` the
usual loop over a grid of 100 thresholds with scikit-learn's `f1_score`. Quality, with
`--data` naming a folder that has `train.csv` and `text_minilm_fp16.npy`: scores of a plain
logistic regression, tuned out of fold on the rows 0–24,999, judged on the rows 25,000–29,999;
and the same with 6,000 tuning rows, drawn eight times.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from benchmarks.coco18 import read_coco18
from benchmarks.paths import existing
from benchmarks.results import machine, write_section
from mmfeat.decide.calibration.calibration import fit_calibration
from mmfeat.decide.expected_f1 import decode_expected_f1
from mmfeat.decide.thresholds import OBJECTIVES, TuningData
from mmfeat.decide.thresholds.choose import choose_thresholds
from mmfeat.decide.thresholds.evaluate import value_of
from mmfeat.decide.tune import tune
from mmfeat.fit.fusion.fuse import fuse
from mmfeat.metrics import summarise
from mmfeat.types import FloatArray, OutOfFold, Targets

N_TUNE = 25_000
N_FOLDS = 5
N_DRAWS, N_SMALL = 8, 6_000
REPEATS = 5
OBJECTIVE_KEYS = {"macro-f1": "macro_f1", "micro-f1": "micro_f1", "samples-f1": "samples_f1"}


def made_up(n_rows: int, n_labels: int, seed: int = 0) -> TuningData:
    """Scores like a good head's: prevalences from 1 % to 50 %, average precision about 0.7."""
    rng = np.random.default_rng(seed)
    rates = np.geomspace(0.01, 0.5, n_labels)
    targets = (rng.random((n_rows, n_labels)) < rates).astype(np.uint8)
    logits = 3 * targets - 1.5 + rng.normal(size=targets.shape) + np.log(rates / (1 - rates))
    return TuningData(probabilities=(1 / (1 + np.exp(-logits))).astype(np.float32), targets=targets)


def grid_search(data: TuningData) -> NDArray[np.float64]:
    """The usual loop: for each class the best of 100 thresholds by scikit-learn's f1_score."""
    grid = np.linspace(0.01, 0.99, 100)
    chosen = []
    for p, y in zip(data.probabilities.T, data.targets.T, strict=True):
        values = [f1_score(y, p >= t, zero_division=0) for t in grid]
        chosen.append(grid[int(np.argmax(values))])
    return np.array(chosen)


def seconds(work: Callable[[], Any], repeats: int = REPEATS) -> float:
    """The median time of some runs."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def speed(shapes: list[tuple[int, int]]) -> str:
    head = " | ".join(f"{n:,} × {k}" for n, k in shapes)
    tables = [made_up(*shape) for shape in shapes]
    cells: dict[str, list[str]] = {}
    exact = [
        seconds(lambda p=p: choose_thresholds(replace(p), objective="macro-f1", method="exact"))  # type: ignore[misc]
        for p in tables
    ]
    for data, ours in zip(tables, exact, strict=True):
        started = time.perf_counter()
        gridded = grid_search(data)
        theirs = time.perf_counter() - started
        chosen = choose_thresholds(data, objective="macro-f1", method="exact")
        best = value_of("macro-f1", data, data.predict(chosen))
        found = value_of("macro-f1", data, data.predict(gridded))
        cells.setdefault("grid of 100 × f1_score, s", []).append(f"{theirs:.1f}")
        cells.setdefault("exact, s", []).append(f"{ours:.3f}")
        cells.setdefault("exact is faster by", []).append(f"**{theirs / ours:.0f} ×**")
        cells.setdefault("macro-F1 of grid → exact", []).append(f"{found:.5f} → {best:.5f}")
    for objective, entry in OBJECTIVES.items():
        for method in entry.methods:
            if method in ("exact", "fixed", "expected-f1") or objective == "f-beta":
                continue
            for data in tables:
                took = seconds(
                    lambda p=data, o=objective, m=method: choose_thresholds(  # type: ignore[misc]
                        replace(p), objective=o, method=m
                    ),
                    repeats=3,
                )
                cells.setdefault(f"{objective} by {method}, s", []).append(f"{took:.3f}")
    for data in tables:
        took = seconds(lambda p=data: decode_expected_f1(p.probabilities), repeats=3)  # type: ignore[misc]
        cells.setdefault("decoding by expected F1, s", []).append(f"{took:.2f}")
        folds = np.arange(len(data.targets)) % N_FOLDS
        started = time.perf_counter()
        fit_calibration(data.probabilities, data.targets, folds)
        took = time.perf_counter() - started
        cells.setdefault("calibration, s", []).append(f"{took:.1f}")
    lines = [f"| | {head} |", "|---|" + "---:|" * len(shapes)]
    lines += [f"| {name} | {' | '.join(values)} |" for name, values in cells.items()]
    return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Scores (n, k) of rows that had no part in the tuning, and their truth."""

    probabilities: FloatArray
    targets: Targets


def fit_scores(folder: Path) -> tuple[OutOfFold, Judged]:
    """Out-of-fold scores of the tuning rows, and the scores of the rows to judge on."""
    features = read_coco18(folder)
    x, targets, labels = fuse(features, "text").values, features.targets, features.labels
    assert targets is not None
    folds = np.random.default_rng(0).permutation(N_TUNE) % N_FOLDS
    oof = np.zeros((N_TUNE, len(labels)), dtype=np.float32)
    judged = np.zeros((len(x) - N_TUNE, len(labels)), dtype=np.float32)
    for j in range(len(labels)):
        for fold in range(N_FOLDS):
            inside, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
            head = LogisticRegression(C=10, max_iter=300).fit(x[rest], targets[rest, j])
            oof[inside, j] = head.predict_proba(x[inside])[:, 1]
        head = LogisticRegression(C=10, max_iter=300).fit(x[:N_TUNE], targets[:N_TUNE, j])
        judged[:, j] = head.predict_proba(x[N_TUNE:])[:, 1]
    ids = tuple(str(i) for i in range(len(x)))
    return (
        OutOfFold(
            ids=ids[:N_TUNE],
            labels=labels,
            probabilities=oof,
            targets=targets[:N_TUNE],
            folds=folds,
        ),
        Judged(probabilities=judged, targets=targets[N_TUNE:]),
    )


def quality(tuning: OutOfFold, judging: Judged) -> str:
    lines = [
        "| objective | method | tuned on its rows | nested | judged at 0.5 | judged tuned | "
        "with top1 |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    half = (judging.probabilities >= 0.5).astype(np.uint8)
    for objective, key in OBJECTIVE_KEYS.items():
        for method in OBJECTIVES[objective].methods:
            decision = tune(tuning, objective=objective, method=method)
            judged = [
                summarise(None, found, judging.targets)[key]
                for found in (
                    half,
                    decision.decide(judging.probabilities),
                    decision.decide(judging.probabilities, empty="top1"),
                )
            ]
            values = [decision.oof["tuned"][key], decision.oof["nested"][key], *judged]
            told = " | ".join(f"{value:.4f}" for value in values)
            lines.append(f"| {objective} | {method} | {told} |")
    return "\n".join(lines)


def small(tuning: OutOfFold, judging: Judged) -> str:
    """Gain over 0.5 on unseen rows, for the default of each objective and few tuning rows."""
    lines = ["| objective | gain on unseen rows, mean | least | greatest |", "|---|---:|---:|---:|"]
    for objective, key in OBJECTIVE_KEYS.items():
        gains = []
        for draw in range(N_DRAWS):
            rows = np.random.default_rng(draw).permutation(N_TUNE)[:N_SMALL]
            some = replace(
                tuning,
                ids=tuple(tuning.ids[i] for i in rows),
                probabilities=tuning.probabilities[rows],
                targets=tuning.targets[rows],
                folds=tuning.folds[rows],
            )
            decision = tune(some, objective=objective)
            rest = np.delete(np.arange(N_TUNE), rows)
            p = np.vstack([tuning.probabilities[rest], judging.probabilities])
            truth = np.vstack([tuning.targets[rest], judging.targets])
            tuned = summarise(None, decision.decide(p), truth)[key]
            half = summarise(None, (p >= 0.5).astype(np.uint8), truth)[key]
            assert tuned is not None and half is not None
            gains.append(tuned - half)
        told = f"{np.mean(gains):+.4f} | {min(gains):+.4f} | {max(gains):+.4f}"
        lines.append(f"| {objective} | {told} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=existing, help="folder with train.csv and the embeddings")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows and classes")
    options = parser.parse_args()
    shapes = [(3_000, 6), (10_000, 8)] if options.quick else [(30_000, 18), (100_000, 80)]
    parts = [f"## Thresholds\n\n{machine()}", speed(shapes)]
    if options.data:
        tuning, judging = fit_scores(options.data)
        parts += [
            "Text embeddings of 30,000 captions, 18 labels, logistic regression; tuned on "
            "25,000 out-of-fold rows, judged on the last 5,000:",
            quality(tuning, judging),
            f"Tuned on {N_SMALL:,} rows, the default of each objective, {N_DRAWS} draws:",
            small(tuning, judging),
        ]
    else:
        print("without --data DIR: no quality on captions of COCO")
    write_section("thresholds", "\n\n".join(parts))


if __name__ == "__main__":
    main()
