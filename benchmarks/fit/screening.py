"""Whether ridge ranks encoders and fusions as logistic regression does, and what both cost.

    python -m benchmarks.fit.screening --data FOLDER --workspace DEMO/artifacts

The encoders of coco18 are the sentence features, and what is left of them in fewer numbers or with
noise; the fusions are those of the demo's two towers. Scores are out of fold.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from benchmarks.coco18 import read_coco18, split
from benchmarks.paths import existing
from benchmarks.results import machine, write_section
from mmfeat import metrics
from mmfeat.core.workspace import Workspace
from mmfeat.fit.models.head_model import HeadModel
from mmfeat.fit.training_data import load_training
from mmfeat.runs.folds import Folds
from mmfeat.runs.folds.stratify import make_folds
from mmfeat.types import Features

HEADS = ("ridge", "logreg")
FUSIONS = ("image", "text", "concat", "sum", "mean", "product", "max", "absdiff", "concat-product")
NUMBERS, NOISE = (16, 32, 64, 128, 256), (0.5, 1.0, 2.0, 4.0)
N_FOLDS = 5


def encoders(data: Path) -> Iterator[tuple[str, Features, str]]:
    """Features of coco18 of falling worth, with the fusion that reads them."""
    whole, _ = split(read_coco18(data))
    (values,) = whole.embeddings["text"]
    rng = np.random.default_rng(0)
    made = {"all numbers": values}
    made |= {f"the first {n}": values[:, :n] for n in NUMBERS}
    spread = values.astype(np.float32).std()
    noise = rng.normal(size=values.shape).astype(np.float32) * spread
    made |= {f"noise × {share:g}": values + share * noise for share in NOISE}
    for name, array in made.items():
        yield name, replace(whole, embeddings={"text": (array,)}), "text"


def fusions(workspace: Path) -> Iterator[tuple[str, Features, str]]:
    """The demo's features with each fusion."""
    features = load_training(Workspace(workspace), "train").features
    assert isinstance(features, Features)
    for fusion in FUSIONS:
        yield fusion, features, fusion


def judged(head: str, features: Features, fusion: str) -> tuple[float, float]:
    """The mean average precision out of fold, and seconds of processor time."""
    assert features.targets is not None
    folds = make_folds(features.targets, n_folds=N_FOLDS, seed=0)
    started = time.process_time()
    model = HeadModel.make(head=head, fusion=fusion, seed=0)
    scores = np.empty(features.targets.shape, dtype=np.float32)
    for _, rows, values in model.cross_validate(features, Folds(folds)):
        scores[rows] = values
    seconds = time.process_time() - started
    found = metrics.summarise(scores, (scores >= 0.5).astype(np.uint8), features.targets)
    assert found["map"] is not None
    return found["map"], seconds


def table(title: str, cases: Iterator[tuple[str, Features, str]]) -> list[str]:
    """Both heads on each of the cases, and how alike they rank them."""
    lines = [
        f"| {title} | ridge, mAP | logreg, mAP | ridge, s | logreg, s |",
        "|---|" + "---:|" * 4,
    ]
    found = []
    for name, features, fusion in cases:
        (one, one_s), (two, two_s) = (judged(head, features, fusion) for head in HEADS)
        found.append((one, two))
        lines.append(f"| {name} | {one:.4f} | {two:.4f} | {one_s:.1f} | {two_s:.1f} |")
        print(lines[-1], flush=True)
    alike = spearmanr(*zip(*found, strict=True)).statistic
    return [*lines, "", f"Rank correlation of {len(found)}: {alike:.3f}.", ""]


def main() -> None:
    """Rank on both data sets, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=existing, required=True)
    parser.add_argument("--workspace", type=existing, required=True)
    options = parser.parse_args()
    lines = [f"Scores out of {N_FOLDS} folds, seconds of processor time for all folds.", ""]
    lines += table("coco18", encoders(options.data)) + table("demo", fusions(options.workspace))
    write_section("screening", "\n".join([*lines, machine()]))


if __name__ == "__main__":
    main()
