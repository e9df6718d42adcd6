"""Ways to weight an ensemble: fitted by log-loss, equal, and chosen greedily.

    python -m benchmarks.fit.heads.ensembles --data FOLDER [--folder DIR] [--seeds 3]

The ensembles average logreg and mlp on image, text and concat; data and scores are those of
`benchmarks.fit.late`, and with its --folder no source is fitted again.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.fit.late import COLUMNS, N_FOLDS, Judged, difference, halves, read_or_score, scenes
from benchmarks.paths import existing
from benchmarks.results import machine, write_section
from mmfeat.fit.models.weights import Weights, choose_weights, fit_weights, mix
from mmfeat.runs.folds.stratify import make_folds
from mmfeat.types import Features, FloatArray, Targets

HEADS, AVERAGE = ("logreg", "mlp"), "probability"


def by_log_loss(parts: FloatArray, y: Targets) -> Weights:
    """The weights that minimise the log-loss."""
    return fit_weights(parts.reshape(len(parts), -1), y.ravel(), average=AVERAGE)


WAYS: dict[str, Callable[[FloatArray, Targets], Weights]] = {
    "fitted": by_log_loss,
    "equal": lambda parts, y: np.full(len(parts), 1 / len(parts)),
    "greedy": lambda parts, y: choose_weights(parts, y, average=AVERAGE),
}


def judge(train: Features, test: Features, *, seed: int, places: list[Path]) -> dict[str, Judged]:
    """Every way to weight, with the folds of one seed."""
    assert train.targets is not None
    y = train.targets
    folds = make_folds(y, n_folds=N_FOLDS, seed=seed)
    runs = [
        scores
        for head, place in zip(HEADS, places, strict=True)
        for scores in read_or_score(train, test, folds, head=head, seed=seed, place=place).values()
    ]
    oof, judged = (np.stack([getattr(run, of) for run in runs]) for of in ("oof", "judged"))
    found = {}
    for way, weigh in WAYS.items():
        mixed = np.empty(y.shape, dtype=np.float32)
        for fold in range(N_FOLDS):
            held, others = folds == fold, folds != fold
            mixed[held] = mix(oof[:, held], weigh(oof[:, others], y[others]), AVERAGE)
        final = mix(judged, weigh(oof, y), AVERAGE)
        found[way] = Judged(mixed, final, train, test, folds)
    return found


def main() -> None:
    """Judge every way on both data sets, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=existing, required=True)
    parser.add_argument("--folder", type=Path, help="where scenes and scores are kept")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="mmfeat-late-"))
    lines = [
        "## Weights of an ensemble",
        "",
        "`python -m benchmarks.fit.heads.ensembles --data FOLDER`: ensembles of logreg and mlp on"
        f" image, text and concat; rows as in `benchmarks.fit.late`, {options.seeds} seeds; the"
        f" last column is macro-F1 tuned minus that of fitted weights, paired. {machine()}",
    ]
    for name, (train, test) in {"demo": scenes(folder), "coco18": halves(options.data)}.items():
        found: dict[str, dict[int, Judged]] = {}
        for seed in range(options.seeds):
            places = [folder / f"{name}-{head}-{seed}.npz" for head in HEADS]
            for way, judged in judge(train, test, seed=seed, places=places).items():
                found.setdefault(way, {})[seed] = judged
        lines += ["", f"**{name}**", "", f"| weights | {' | '.join(COLUMNS)} | − fitted |"]
        lines.append("|---|" + "---:|" * (len(COLUMNS) + 1))
        for way, runs in found.items():
            values = np.mean([one.values for one in runs.values()], axis=0)
            cells = " | ".join(f"{value:.4f}" for value in values)
            gap = difference(runs, found["fitted"], test, "tuned")
            lines.append(f"| {way} | {cells} | {gap} |")
    write_section("ensembles", "\n".join(lines))


if __name__ == "__main__":
    main()
