"""How good every head is on captions of COCO, at 0.5, with tuned thresholds, and decoded.

    python -m benchmarks.fit.quality --data FOLDER [--seeds 3]
        [--heads ridge,logreg,mlp,gmlp,lightgbm,knn]

Rows 0-24,999 train, with thresholds out of fold; rows 25,000-29,999 judge. Torch heads depend on
their draws: they are fitted with several seeds, and the mean of those is a row of its own (a deep
ensemble, Lakshminarayanan et al. 2017), which stands for the head in the ensemble of all.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from benchmarks.coco18 import read_coco18, split
from benchmarks.paths import existing
from benchmarks.results import machine, write_section
from mmfeat import metrics
from mmfeat.decide.expected_f1 import decode_expected_f1
from mmfeat.decide.tune import tune
from mmfeat.fit.fusion import FUSIONS
from mmfeat.fit.fusion.fuse import fuse
from mmfeat.fit.models.head_model import HeadModel
from mmfeat.fit.models.weights import Weights, fit_weights, mix
from mmfeat.runs.folds import Folds
from mmfeat.runs.folds.stratify import make_folds
from mmfeat.types import Features, FloatArray, IntArray, OutOfFold, Targets

AVERAGE = "probability"


def reference(train: Features, judge: Features) -> str:
    """The line of scikit-learn's logistic regression, C = 10, at 0.5."""
    started = time.perf_counter()
    model = OneVsRestClassifier(LogisticRegression(C=10, max_iter=1000))
    model.fit(fuse(train, "text").values, train.targets)
    judged = model.predict_proba(fuse(judge, "text").values)
    assert judge.targets is not None
    plain = metrics.summarise(judged, (judged >= 0.5).astype(np.uint8), judge.targets)
    values = [plain[name] for name in ("macro_f1", "micro_f1", "samples_f1")]
    scores = " | ".join(f"{value:.4f}" for value in values)
    seconds = time.perf_counter() - started
    return f"| scikit-learn, logistic regression, C = 10, one fit | {scores} | | | {seconds:.0f} |"


def row_of(name: str, oof: OutOfFold, judged: FloatArray, truth: Targets, seconds: float) -> str:
    """One line: at 0.5; macro-F1 with out-of-fold thresholds; samples-F1 decoded."""
    plain = metrics.summarise(judged, (judged >= 0.5).astype(np.uint8), truth)
    tuned = tune(oof, objective="macro-f1").decide(judged)
    macro = metrics.summarise(judged, tuned, truth)["macro_f1"]
    decoded = metrics.summarise(judged, decode_expected_f1(judged), truth)["samples_f1"]
    values = [plain["macro_f1"], plain["micro_f1"], plain["samples_f1"], macro, decoded]
    return f"| {name} | " + " | ".join(f"{value:.4f}" for value in values) + f" | {seconds:.0f} |"


def weights_of(parts: FloatArray, targets: Targets) -> Weights:
    """The weights of heads, (heads,), from their scores, (heads, n, k)."""
    return fit_weights(parts.reshape(len(parts), -1), targets.ravel(), average=AVERAGE)


@dataclass(frozen=True)
class Fitted:
    """Scores of the training rows, out of fold, and of the judged ones; of folds' models, too."""

    oof: FloatArray
    judged: FloatArray
    average: FloatArray | None
    seconds: float


def fitted(head: str, train: Features, judge: Features, folds: IntArray, *, seed: int) -> Fitted:
    """Fit one head; of a torch head the mean of its folds' models is another final one."""
    started = time.perf_counter()
    model = HeadModel.make(head=head, fusion="text", seed=seed)
    oof = np.empty((train.n_rows, len(train.labels)), dtype=np.float32)
    for _, rows, values in model.cross_validate(train, Folds(folds)):
        oof[rows] = values
    judged = model.fit(train).predict_proba({(): judge})
    seconds = time.perf_counter() - started
    average = None
    if model.uses_loss:
        model.final = "average"
        average = model.fit(train).predict_proba({(): judge})
    return Fitted(oof=oof, judged=judged, average=average, seconds=seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=existing, required=True)
    parser.add_argument("--heads", default="ridge,logreg,mlp,gmlp,lightgbm,knn")
    parser.add_argument("--ensemble", default="logreg,mlp,gmlp,lightgbm,knn")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3, help="of torch heads")
    arguments = parser.parse_args()
    train, judge = split(read_coco18(arguments.data))
    assert train.targets is not None
    assert judge.targets is not None
    targets, truth = train.targets, judge.targets
    folds = make_folds(train.targets, n_folds=arguments.folds, seed=0)
    oof: dict[str, FloatArray] = {}
    judged: dict[str, FloatArray] = {}
    lines = [
        f"Captions of COCO, {train.n_rows:,} rows to train on ({arguments.folds} folds), "
        f"{judge.n_rows:,} to judge; fusion text: {FUSIONS['text'].summary}. "
        "The defaults of mlp were chosen on folds of the training rows alone. The dropout and rate "
        "of gmlp were once chosen with the judged rows in view, so its row is a little optimistic.",
        "",
        "| head | macro-F1 at 0.5 | micro-F1 at 0.5 | samples-F1 at 0.5 "
        "| macro-F1 tuned | samples-F1 decoded | seconds |",
        "|---|---|---|---|---|---|---|",
        reference(train, judge),
    ]

    def scores(values: FloatArray) -> OutOfFold:
        return OutOfFold(
            ids=train.ids,
            labels=train.labels,
            probabilities=values,
            targets=targets,
            folds=folds,
        )

    def add(name: str, out_of_fold: FloatArray, values: FloatArray, seconds: float) -> None:
        lines.append(row_of(name, scores(out_of_fold), values, truth, seconds))
        print(lines[-1], flush=True)

    for head in arguments.heads.split(","):
        fits = [fitted(head, train, judge, folds, seed=0)]
        add(head, fits[0].oof, fits[0].judged, fits[0].seconds)
        if fits[0].average is not None:
            add(f"{head}, final=average", fits[0].oof, fits[0].average, fits[0].seconds)
            for seed in range(1, arguments.seeds):
                fits.append(fitted(head, train, judge, folds, seed=seed))
                add(f"{head}, seed {seed}", fits[-1].oof, fits[-1].judged, fits[-1].seconds)
        oof[head] = np.mean([fit.oof for fit in fits], axis=0)
        judged[head] = np.mean([fit.judged for fit in fits], axis=0)
        if len(fits) > 1:
            seconds = sum(fit.seconds for fit in fits)
            add(f"{head}, mean of {len(fits)} seeds", oof[head], judged[head], seconds)
    names = [name for name in arguments.ensemble.split(",") if name in oof]
    if len(names) > 1:
        started = time.perf_counter()
        parts = np.stack([oof[name] for name in names])
        together = np.empty_like(oof[names[0]])
        for fold in np.unique(folds):  # as `mmfeat fit --head ensemble` does
            rows, others = folds == fold, folds != fold
            weights = weights_of(parts[:, others], train.targets[others])
            together[rows] = mix(parts[:, rows], weights, AVERAGE)
        weights = weights_of(parts, train.targets)
        mixed = mix(np.stack([judged[name] for name in names]), weights, AVERAGE)
        shares = ", ".join(f"{n} {w:.2f}" for n, w in zip(names, weights, strict=True))
        seconds = time.perf_counter() - started
        label = f"ensemble, weights fitted out of fold: {shares}"
        add(label, together, mixed, seconds)
    write_section("quality", "\n".join([*lines, "", machine()]))


if __name__ == "__main__":
    main()
