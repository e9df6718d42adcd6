"""How long the heads train, side by side with what one would write otherwise.

python -m benchmarks.heads --data FOLDER [--only logreg,mlp,…] [--repeat 3]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import lightgbm
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multioutput import MultiOutputClassifier
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.coco18 import N_TRAIN, read_coco18
from benchmarks.paths import existing
from benchmarks.results import machine, write_section
from mmfeat.fit.fusion.fuse import fuse
from mmfeat.fit.heads.base import Head
from mmfeat.fit.heads.gmlp import GMLP
from mmfeat.fit.heads.lightgbm import LightGBM
from mmfeat.fit.heads.logreg import LogReg
from mmfeat.fit.heads.mlp import MLP
from mmfeat.types import Fused

Data = tuple[np.ndarray, np.ndarray]


def timed(work: Callable[[], Any], repeat: int = 1) -> tuple[float, Any]:
    """Median seconds of `repeat` calls, and the last answer."""
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        answer = work()
        seconds.append(time.perf_counter() - started)
    return median(seconds), answer


def objective(x: np.ndarray, y: np.ndarray, w: np.ndarray, b: float, strength: float) -> float:
    """C × sum of log-losses + |w|²/2 of one class, in float64."""
    z = x @ w + b
    return float(strength * (np.logaddexp(0, z) - z * y).sum() + np.square(w).sum() / 2)


TOLERANCES = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8)  # of scikit-learn, until it comes as close as we did
SAME = 1e-6  # relative, of two objectives


@dataclass(frozen=True)
class Solution:
    """One class as scikit-learn fitted it: what that took, and how far it is from ours."""

    tolerance: float
    seconds: float
    above: float  # its objective above ours, relative
    from_minimum: float  # largest difference of a probability
    from_ours: float


def solutions(
    x: np.ndarray, y: np.ndarray, strength: float, *, least: float, minimum: np.ndarray, ours: Any
) -> tuple[Solution, Solution]:
    """scikit-learn's at the loosest tolerance that reaches `least`, and at a tenth of it.

    `minimum` and `ours` are the probabilities that it is compared with, (n,).
    """
    reached: list[Solution] = []
    for tolerance in TOLERANCES:
        model = LogisticRegression(C=strength, tol=tolerance, max_iter=10_000)
        seconds, fitted = timed(partial(model.fit, x, y))
        w, b = fitted.coef_[0], float(fitted.intercept_[0])
        found = fitted.predict_proba(x)[:, 1]
        solution = Solution(
            tolerance=tolerance,
            seconds=seconds,
            above=objective(x, y, w, b, strength) / least - 1,
            from_minimum=np.abs(found - minimum).max(),
            from_ours=np.abs(found - ours).max(),
        )
        if reached or solution.above <= SAME:
            reached.append(solution)
        if len(reached) == 2:
            break
    return reached[0], reached[-1]


def bench_logreg(data: Data, repeat: int, n_classes: int) -> str:
    """One C, against scikit-learn on every so many-th class; then the path."""
    x, y = data
    strength, d, k = 10.0, x.shape[1], y.shape[1]
    ours, head = timed(lambda: LogReg(C=strength).fit(x, y, blocks=(d,)), repeat)
    exact = x.astype(np.float64)
    classes = range(0, k, max(1, k // n_classes))
    above, away, theirs = 0.0, 0.0, []
    for label in classes:
        w, b = head._weights[:, label].astype(np.float64), float(head._offsets[label])
        least = objective(exact, y[:, label], w, b, strength)
        newton = LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-12)
        minimum = newton.fit(exact, y[:, label]).predict_proba(exact)[:, 1]
        found = 1 / (1 + np.exp(-(exact @ w + b)))
        away = max(away, np.abs(found - minimum).max())
        theirs.append(
            solutions(exact, y[:, label], strength, least=least, minimum=minimum, ours=found)
        )
        best = objective(exact, y[:, label], newton.coef_[0], float(newton.intercept_[0]), strength)
        above = max(above, least / best - 1)
    path, _ = timed(lambda: path_fit(x, y))
    alone = path_only(x, y)
    lines = [
        f"Logistic regression, {x.shape[0]:,} × {d} × {k}, C = {strength:g}",
        "",
        "| | seconds | against mmfeat | objective above | probability from that at the minimum"
        " | from mmfeat's |",
        "|---|---|---|---|---|---|",
        f"| mmfeat | {ours:.2f} | | {above:.1e} above the minimum | {away:.1e} | |",
    ]
    for side in zip(*theirs, strict=True):
        tolerances = [solution.tolerance for solution in side]
        seconds = sum(solution.seconds for solution in side) * k / len(classes)
        lines.append(
            f"| scikit-learn, tol {max(tolerances):g} to {min(tolerances):g} | {seconds:.2f}"
            f" | {seconds / ours:.1f} times"
            f" | {max(solution.above for solution in side):.1e} above mmfeat's"
            f" | {max(solution.from_minimum for solution in side):.1e}"
            f" | {max(solution.from_ours for solution in side):.1e} |"
        )
    return "\n".join(
        [
            *lines,
            f"| mmfeat, 9 C along the path | {alone:.2f} | {alone / ours:.1f} times | | | |",
            f"| mmfeat, path of 9 C with 3 folds, chosen, refitted | {path:.2f} | | | | |",
            "",
            f"scikit-learn was fitted on {len(classes)} of the {k} classes, each in float64,"
            f" scaled to {k}: with the loosest tolerance that reaches our objective to {SAME:g},"
            " and with a tenth of that. Its Newton solver at 1e-12 finds the minimum. Differences"
            " are the largest of any row and class.",
        ]
    )


def path_fit(x: np.ndarray, y: np.ndarray) -> LogReg:
    return LogReg().fit(x, y, blocks=(x.shape[1],))


def path_only(x: np.ndarray, y: np.ndarray) -> float:
    """Seconds for the nine C on all rows, warm-started, without a choice."""
    from mmfeat.fit.heads.logreg import PATH, PATH_TOLERANCE, Solver  # noqa: PLC0415

    def work() -> None:
        classes = np.arange(y.shape[1])
        solver = Solver(
            x,
            y,
            np.ones((len(x), 1), dtype=bool),
            fold_of=np.zeros_like(classes),
            class_of=classes,
            head=LogReg(),
        )
        for C in PATH:
            solver.solve(np.full(y.shape[1], C), PATH_TOLERANCE)

    return timed(work)[0]


def paper_way(x: np.ndarray, y: np.ndarray, epochs: int) -> nn.Module:
    """Guo 2024's ablation as one writes it: full batches out of a data loader, Adam 1e-3."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(x.shape[1], 2048), nn.GELU(), nn.Linear(2048, y.shape[1]))
    rows = TensorDataset(torch.from_numpy(x), torch.from_numpy(y.astype(np.float32)))
    loader = DataLoader(rows, batch_size=len(x), shuffle=True)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=2e-4)
    for _ in range(epochs):
        for batch, targets in loader:
            loss = nn.functional.binary_cross_entropy_with_logits(network(batch), targets)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return network


def made_up(n_rows: int, width: int) -> Data:
    """Two modalities' embeddings of length 1, side by side, that tell 18 classes with noise."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n_rows, width), dtype=np.float32)
    modalities = x.reshape(n_rows, 2, -1)
    modalities /= np.linalg.norm(modalities, axis=2, keepdims=True)
    logits = 6 * x @ rng.standard_normal((width, 18), dtype=np.float32) - 2
    return x, (logits + rng.logistic(size=logits.shape) > 0).astype(np.uint8)


def bench_mlp(train: Data, judged: Data, epochs: int, repeat: int) -> str:
    x, y = train

    def macro(scores: np.ndarray) -> float:
        return float(f1_score(judged[1], scores >= 0.5, average="macro", zero_division=0))

    theirs, network = timed(lambda: paper_way(x, y, epochs))
    with torch.no_grad():
        their_f1 = macro(network(torch.from_numpy(judged[0])).sigmoid().numpy())
    ours, head = timed(lambda: MLP().fit(x, y, blocks=(x.shape[1],)), repeat)
    return "\n".join(
        [
            f"MLP, {x.shape[0]:,} × {x.shape[1]} × {y.shape[1]}, judged on {len(judged[0]):,} rows",
            "",
            "| | seconds | macro-F1 at 0.5 |",
            "|---|---|---|",
            f"| the paper's way: 2048 wide, full batch, data loader, {epochs} epochs "
            f"| {theirs:.1f} | {their_f1:.4f} |",
            f"| mmfeat, defaults ({head.rounds_} epochs kept) | {ours:.1f} "
            f"| {macro(head.predict_proba(judged[0])):.4f} |",
            "",
            f"{theirs / ours:.1f} times as fast.",
        ]
    )


def bench_gmlp(n_rows: int, width: int, repeat: int) -> str:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n_rows, width)).astype(np.float32)
    y = (rng.random((n_rows, 18)) < 0.1).astype(np.uint8)
    blocks = (width // 2, width - width // 2)
    size = n_weights(GMLP(rounds=1).fit(x, y, blocks=blocks))
    hidden = round((size - 18) / (width + 19))
    fits = (
        partial(MLP(rounds=4, hidden=(hidden,)).fit, x, y, blocks=blocks),
        partial(GMLP(rounds=4).fit, x, y, blocks=blocks),
    )
    rounds = [[timed(fit)[0] / 4 for fit in fits] for _ in range(repeat)]
    plain, gated = (median(side) for side in zip(*rounds, strict=True))
    ratio = median(second / first for first, second in rounds)
    return "\n".join(
        [
            f"gMLP against MLP of equal size, {n_rows:,} × {width} × 18, seconds per epoch",
            "",
            "| | weights | seconds |",
            "|---|---|---|",
            f"| mlp, {hidden} wide | {hidden * (width + 19) + 18:,} | {plain:.2f} |",
            f"| gmlp, defaults | {size:,} | {gated:.2f} |",
            "",
            f"{ratio:.1f} times the time: the median of {repeat} rounds in turn.",
        ]
    )


def drained(fits: Callable[[], Iterable[Head]]) -> float:
    """Seconds until all of them have come."""
    return timed(lambda: list(fits()))[0]


def bench_folds(data: Data, repeat: int, epochs: int = 2, n_folds: int = 5) -> str:
    """Five folds one after another with all threads, and side by side as `fit_folds` does it."""
    x, y = data
    fold_of = np.arange(len(x)) % n_folds
    splits = [np.flatnonzero(fold_of != fold) for fold in range(n_folds)]
    lines = [
        f"{n_folds} folds of {x.shape[0]:,} × {x.shape[1]} × {y.shape[1]}, {epochs} epochs each",
        "",
        "| | one after another, s | side by side, s | ratio |",
        "|---|---|---|---|",
    ]
    fused = Fused(values=x, blocks=(x.shape[1],))
    for head in (MLP(epochs=epochs), GMLP(epochs=epochs)):
        folds = partial(head.fit_folds, fused, y, splits)
        alone = partial(Head.fit_folds, head, fused, y, splits)
        rounds = [(drained(alone), drained(folds)) for _ in range(repeat)]
        apart, together = (median(side) for side in zip(*rounds, strict=True))
        ratio = median(a / b for a, b in rounds)
        lines.append(f"| {head.name} | {apart:.1f} | {together:.1f} | {ratio:.2f} |")
    return "\n".join(lines)


def bench_memory(n_rows: int, width: int, n_folds: int = 5) -> str:
    """Peaks of `benchmarks.memory`, each in a process of its own."""
    fold = n_rows * (n_folds - 1) // n_folds * width * 4
    lines = [
        f"Memory of a fit, {n_rows:,} × {width} × 18, {n_folds} folds and the refit",
        "",
        f"The most that is held beyond the embeddings as stored; a float32 copy of a fold's rows"
        f" is {fold / 2**20:.0f} MiB, the whole matrix 1.25 of them.",
        "",
        "| | MiB | copies of a fold |",
        "|---|---|---|",
    ]
    for head in ("mlp", "gmlp", "logreg", "lightgbm", "knn"):
        command = [sys.executable, "-m", "benchmarks.memory", head]
        command += [str(number) for number in (n_rows, width, n_folds)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        held = json.loads(told)["bytes"]
        lines.append(f"| {head} | {held / 2**20:.0f} | {held / fold:.2f} |")
    return "\n".join(lines)


def n_weights(head: Any) -> int:
    return sum(p.numel() for p in head._network.parameters())


def bench_lightgbm(train: Data, trees: int) -> str:
    lines = [
        f"LightGBM, {len(train[0]):,} rows, {train[1].shape[1]} classes, {trees} trees each",
        "",
        "| features | MultiOutputClassifier, s | mmfeat, s | ratio | largest difference |",
        "|---|---|---|---|---|",
    ]
    x, y = train
    for width in (96, 384, 1536):
        wide = np.tile(x, (1, -(-width // x.shape[1])))[:, :width]
        wide = wide + np.random.default_rng(0).normal(scale=0.01, size=wide.shape)
        wide = wide.astype(np.float32)
        head = LightGBM(trees=trees, patience=0)
        ours, _ = timed(partial(head.fit, wide, y, blocks=(width,)))
        params = {**head._params(1), "n_estimators": trees}
        params["num_threads"] = torch.get_num_threads()
        model = MultiOutputClassifier(lightgbm.LGBMClassifier(**params))
        theirs, _ = timed(partial(model.fit, wide, y))
        few = wide[:500]
        expected = np.stack([p[:, 1] for p in model.predict_proba(few)], axis=1)
        gap = np.abs(expected - head.predict_proba(few)).max()
        lines.append(f"| {width} | {theirs:.1f} | {ours:.1f} | {theirs / ours:.2f} | {gap:.1e} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=existing, required=True)
    parser.add_argument("--only", default="logreg,logreg-wide,mlp,gmlp,folds,lightgbm,memory")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--paper-epochs", type=int, default=200)
    parser.add_argument("--rows", type=int, default=N_TRAIN, help="of logistic regression")
    parser.add_argument("--classes", type=int, default=18, help="that scikit-learn fits")
    parser.add_argument("--trees", type=int, default=30)
    arguments = parser.parse_args()
    features = read_coco18(arguments.data)
    assert features.targets is not None
    values = fuse(features, "text").values
    train = values[:N_TRAIN], features.targets[:N_TRAIN]
    judged = values[N_TRAIN:], features.targets[N_TRAIN:]
    parts: dict[str, Callable[[], str]] = {
        "logreg": lambda: bench_logreg(
            (train[0][: arguments.rows], train[1][: arguments.rows]),
            arguments.repeat,
            arguments.classes,
        ),
        "logreg-wide": lambda: bench_logreg(made_up(30_000, 1536), arguments.repeat, 2),
        "mlp": lambda: bench_mlp(train, judged, arguments.paper_epochs, arguments.repeat),
        "gmlp": lambda: bench_gmlp(10_000, 1536, arguments.repeat),
        "folds": lambda: bench_folds(train, arguments.repeat),
        "lightgbm": lambda: bench_lightgbm((train[0][:10_000], train[1][:10_000]), arguments.trees),
        "memory": lambda: bench_memory(30_000, 1536),
    }
    for name in arguments.only.split(","):
        write_section(f"heads-{name}", f"{parts[name]()}\n\n{machine()}")


if __name__ == "__main__":
    main()
