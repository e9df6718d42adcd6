"""Networks on few rows: the usual length of training against twice as many epochs.

    python -m benchmarks.fit.heads.few_rows --data FOLDER [--rows 500,1000] [--draws 3]

A draw takes rows of the captions of COCO at random; 5,000 others judge the final head.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping

import numpy as np

from benchmarks.coco18 import read_coco18, split
from benchmarks.paths import existing
from benchmarks.results import machine, write_section
from mmfeat import metrics
from mmfeat.decide.tune import tune
from mmfeat.fit.models.head_model import HeadModel
from mmfeat.runs.folds import Folds
from mmfeat.runs.folds.stratify import make_folds
from mmfeat.types import Features, OutOfFold, Targets

N_FOLDS = 3
LENGTHS: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("mlp", "100 epochs at 0.002", {"epochs": "100", "lr": "0.002"}),
    ("mlp", "usual", {}),
    ("gmlp", "100 epochs at 0.003", {"epochs": "100", "lr": "0.003"}),
    ("gmlp", "usual", {}),
)


def log_loss(probabilities: np.ndarray, targets: Targets) -> float:
    """The mean over all cells."""
    right = np.where(targets == 1, probabilities, 1 - probabilities.astype(np.float64))
    return float(-np.log(right.clip(1e-7)).mean())


def measured(
    head: str, settings: Mapping[str, str], train: Features, judge: Features, *, seed: int
) -> list[float]:
    """Log-loss out of fold and judged, macro-F1 at 0.5 and tuned, seconds of processor time."""
    assert train.targets is not None
    assert judge.targets is not None
    folds = make_folds(train.targets, n_folds=N_FOLDS, seed=seed)
    started = time.process_time()
    model = HeadModel.make(head=head, fusion="text", seed=seed, settings=settings)
    scores = np.empty(train.targets.shape, dtype=np.float32)
    for _, rows, values in model.cross_validate(train, Folds(folds)):
        scores[rows] = values
    model.fit(train)
    seconds = time.process_time() - started
    judged = model.predict_proba({(): judge})
    decision = tune(
        OutOfFold(
            ids=train.ids,
            labels=train.labels,
            probabilities=scores,
            targets=train.targets,
            folds=folds,
        ),
        objective="macro-f1",
    )
    f1 = [
        metrics.summarise(judged, sets, judge.targets)["macro_f1"]
        for sets in ((judged >= 0.5).astype(np.uint8), decision.decide(judged))
    ]
    losses = (log_loss(scores, train.targets), log_loss(judged, judge.targets))
    return [*losses, *(value for value in f1 if value is not None), seconds]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=existing, required=True)
    parser.add_argument("--rows", default="500,1000")
    parser.add_argument("--draws", type=int, default=3)
    arguments = parser.parse_args()
    whole, judge = split(read_coco18(arguments.data))
    lines = [
        f"Captions of COCO, {N_FOLDS} folds, {judge.n_rows:,} rows to judge; means of "
        f"{arguments.draws} draws, seconds of processor time for all folds and the final head.",
        "",
        "| rows | head | length | log-loss out of fold | log-loss | macro-F1 at 0.5 "
        "| macro-F1 tuned | seconds |",
        "|---:|---|---|" + "---:|" * 5,
    ]
    for n_rows in map(int, arguments.rows.split(",")):
        for head, length, settings in LENGTHS:
            draws = []
            for seed in range(arguments.draws):
                order = np.random.default_rng(seed).permutation(whole.n_rows)
                train = whole.take(np.sort(order[:n_rows]))
                draws.append(measured(head, settings, train, judge, seed=seed))
            *scores, seconds = np.mean(draws, axis=0).tolist()
            values = " | ".join(f"{value:.4f}" for value in scores)
            lines.append(f"| {n_rows:,} | {head} | {length} | {values} | {seconds:.1f} |")
            print(lines[-1], flush=True)
    write_section("few-rows", "\n".join([*lines, "", machine()]))


if __name__ == "__main__":
    main()
