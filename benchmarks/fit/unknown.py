"""What unknown labels cost, and what it costs to take them for negative, on captions of COCO.

    python -m benchmarks.fit.unknown --data FOLDER [--share 0.3] [--folds 3]
        [--heads logreg,mlp,lightgbm,knn] [--draws 1]

Rows 0-24,999 train, with thresholds out of fold; rows 25,000-29,999 judge, on their full truth. A
share of the training labels, drawn at random, is set to unknown. Each head learns from all labels,
from the known ones, and from all with unknown ones as negative, for whose thresholds they are
negative as well. Each draw hides other labels and makes other folds; with the same folds, every
cost would be measured against one draw of the thresholds from all labels. Heads other than the
default have a section of their own.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from benchmarks.coco18 import read_coco18, split
from benchmarks.paths import existing
from benchmarks.results import machine, write_section
from mmfeat import metrics
from mmfeat.decide.tune import tune
from mmfeat.fit.models.head_model import HeadModel
from mmfeat.metrics.known import positives
from mmfeat.runs.folds import Folds
from mmfeat.runs.folds.stratify import make_folds
from mmfeat.types import UNKNOWN, Features, IntArray, OutOfFold, Targets

HEADS = "logreg,mlp,lightgbm,knn"


def macro_f1(head: str, train: Features, judge: Features, folds: IntArray) -> tuple[float, float]:
    """Macro-F1 of the judged rows at 0.5, and with thresholds tuned out of fold."""
    assert train.targets is not None
    assert judge.targets is not None
    model = HeadModel.make(head=head, fusion="text")
    oof = np.empty(train.targets.shape, dtype=np.float32)
    for _, rows, values in model.cross_validate(train, Folds(folds)):
        oof[rows] = values
    judged = model.fit(train).predict_proba({(): judge})
    scores = OutOfFold(
        ids=train.ids, labels=train.labels, probabilities=oof, targets=train.targets, folds=folds
    )
    decision = tune(scores, objective="macro-f1", method="bootstrap")
    half = (judged >= 0.5).astype(np.uint8)
    found = [
        metrics.summarise(None, sets, judge.targets, names=("macro_f1",))["macro_f1"] or 0.0
        for sets in (half, decision.decide(judged))
    ]
    return found[0], found[1]


def learn(
    head: str, whole: Features, judge: Features, share: float, n_folds: int, *, seed: int
) -> list[tuple[float, float]]:
    """`macro_f1` with all labels, with the known ones, and with unknown ones as negative."""
    assert whole.targets is not None
    folds = make_folds(whole.targets, n_folds=n_folds, seed=seed)
    partly = hide(whole.targets, share, seed=seed)
    kinds = (whole.targets, partly, positives(partly))
    return [macro_f1(head, replace(whole, targets=each), judge, folds) for each in kinds]


def hide(targets: Targets, share: float, *, seed: int) -> Targets:
    """The targets with a share of them unknown, drawn at random."""
    hidden = np.random.default_rng(seed).random(targets.shape) < share
    return np.where(hidden, UNKNOWN, targets).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=existing, required=True)
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--heads", default=HEADS)
    parser.add_argument("--draws", type=int, default=1)
    arguments = parser.parse_args()
    whole, judge = split(read_coco18(arguments.data))
    lines = [
        f"Captions of COCO, {whole.n_rows:,} rows to train on ({arguments.folds} folds) of which"
        f" {arguments.share:.0%} of the labels are unknown, {judge.n_rows:,} with all labels to"
        f" judge: macro-F1, mean of draws ({arguments.draws}). The cost is what is lost against all"
        " labels; the last column is the cost of learning from the known ones over that of taking"
        " unknown ones for negative.",
        "",
        "| head | thresholds | all labels | known labels | unknown as negative | cost, share |",
        "|---|---|---|---|---|---|",
    ]
    for head in arguments.heads.split(","):
        drawn = []
        for draw in range(arguments.draws):
            drawn.append(learn(head, whole, judge, arguments.share, arguments.folds, seed=draw))
            print(draw, drawn[-1], flush=True)
        found = np.mean(drawn, axis=0)
        for how, (full, known, taken) in zip(
            ("0.5", "tuned"), zip(*found, strict=True), strict=True
        ):
            cost = (
                f"{full - known:.4f} of {full - taken:.4f}, {(full - known) / (full - taken):.2f}"
            )
            lines.append(f"| {head} | {how} | {full:.4f} | {known:.4f} | {taken:.4f} | {cost} |")
            print(lines[-1], flush=True)
    name = "unknown" if arguments.heads == HEADS else f"unknown-{arguments.heads}"
    write_section(name, "\n".join([*lines, "", machine()]))


if __name__ == "__main__":
    main()
