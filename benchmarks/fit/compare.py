"""How long a whole comparison takes, and the same grid by scikit-learn and plain torch loops.

    python -m benchmarks.fit.compare [--rows 30000] [--dim 768] [--jobs 1] [--no-baseline]

The baseline is measured on one fold of one modality and one fold of both, per head; its total is
that times the number of fits of the grid. Logistic regression is measured on three classes, of
which every third of the labels counts as one.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.neighbors import KNeighborsClassifier
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.results import machine, write_section
from mmfeat.compare import Event, describe, plan_comparison, run_cells
from mmfeat.compare.board.leaderboard import make_leaderboard
from mmfeat.config import DataSettings, FitSettings
from mmfeat.core.workspace import Workspace
from mmfeat.extract.importing import store_embeddings
from mmfeat.fit.fusion.fuse import fuse
from mmfeat.fit.heads.solvers.logistic import PATH
from mmfeat.fit.heads.torch.training import TorchHead
from mmfeat.fit.models.head_model import HeadModel
from mmfeat.fit.models.source import labelled
from mmfeat.runs.config import RunConfig
from mmfeat.runs.folds.stratify import make_folds
from mmfeat.runs.run import Run
from mmfeat.store import read_features
from mmfeat.tables import read_table
from mmfeat.types import FloatArray, Fused, IntArray, Targets

HEADS = ("logreg", "mlp", "gmlp", "knn")
FUSIONS = ("image", "text", "concat", "late-stack")
N_CLASSES, N_FOLDS = 18, 5
InMemory = Fused[FloatArray]


def main() -> None:
    """Make the store, run the grid, measure what stands for the other way, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--no-baseline", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mmfeat-compare-") as folder:
        workspace = Workspace(Path(folder) / "work")
        make_store(workspace, Path(folder), n_rows=options.rows, dim=options.dim)
        plan = plan_comparison(
            FitSettings(folds=N_FOLDS), heads=HEADS, fusions=FUSIONS, losses=("bce",)
        )
        ends: list[tuple[Event, float]] = []
        started = time.perf_counter()

        def report(event: Event) -> None:
            if event.state == "finished":
                ends.append((event, time.perf_counter() - started))
                print(f"{describe(event.cell)}: {event.seconds:.1f} s", flush=True)

        outcome = run_cells(
            workspace, plan.cells, objective="macro-f1", jobs=options.jobs, report=report
        )
        make_leaderboard(outcome.runs, objective="macro-f1")
        total = time.perf_counter() - started
        again = time.perf_counter()
        run_cells(workspace, plan.cells, objective="macro-f1", jobs=options.jobs)
        again = time.perf_counter() - again
        lines = ours(ends, total, again, options)
        if not options.no_baseline:
            lines += theirs(workspace, outcome.runs, total)
    write_section("compare", "\n".join(lines))


def make_store(workspace: Workspace, folder: Path, *, n_rows: int, dim: int) -> None:
    """Write a store of made-up embeddings that tell 18 labels of falling frequency."""
    rng = np.random.default_rng(0)
    rates = np.geomspace(0.5, 0.01, N_CLASSES)
    targets = (rng.random((n_rows, N_CLASSES)) < rates).astype(np.uint8)
    targets[~targets.any(axis=1), 0] = 1
    sources = {}
    for modality, noise in (("image", 1.0), ("text", 1.4)):
        signal = targets @ rng.normal(size=(N_CLASSES, dim)) * 0.25
        sources[modality] = folder / f"{modality}.npy"
        values = signal + noise * rng.normal(size=(n_rows, dim))
        np.save(sources[modality], values.astype(np.float16))
    table = folder / "train.csv"
    names = [" ".join(f"l{label}" for label in np.flatnonzero(row)) for row in targets]
    table.write_text("\n".join(["ImageID,Labels", *(f"{i},{n}" for i, n in enumerate(names))]))
    store_embeddings(
        read_table(table, data=DataSettings()),
        sources,
        out=workspace.store("train"),
        encoder_name="made-up",
    )


def ours(
    ends: list[tuple[Event, float]], total: float, again: float, options: argparse.Namespace
) -> list[str]:
    """The cells, their seconds, and what the comparison adds to them."""
    lines = [
        f"{' × '.join((', '.join(HEADS), ', '.join(FUSIONS)))}, {N_FOLDS} folds and a refit, on"
        f" {options.rows:,} rows of {options.dim} + {options.dim} numbers and {N_CLASSES} labels;"
        f" --jobs {options.jobs}",
        "",
        f"| head | {' | '.join(FUSIONS)} |",
        "|---|" + "---:|" * len(FUSIONS),
    ]
    seconds = {(event.cell.head, event.cell.fusion): event.seconds for event, _ in ends}
    for head in HEADS:
        values = " | ".join(f"{seconds[head, fusion]:.1f} s" for fusion in FUSIONS)
        lines.append(f"| {head} | {values} |")
    half = len(ends) // 2
    lines += [
        "",
        f"All {len(ends)} cells, tuned and compared: {total:.0f} s ({total / 60:.1f} minutes); the"
        f" first {half} took {ends[half - 1][1]:.0f} s from the start. The store is read once,"
        " and a late fusion takes its sources from finished cells; its seconds above are those of"
        f" its parts and its own. The same command again, with every cell finished: {again:.1f} s.",
    ]
    return lines


def theirs(workspace: Workspace, runs: tuple[Run, ...], total: float) -> list[str]:
    """The same grid as one writes it otherwise: a fold per head and width, times the folds."""
    features = read_features(workspace.stores("train", ()))
    y = labelled(features)
    folds = make_folds(y, n_folds=N_FOLDS, seed=0)
    rows, rest = np.flatnonzero(folds != 0), np.flatnonzero(folds == 0)
    configs = {(run.config.head, run.config.fusion): run for run in runs}
    lines = [
        "",
        f"| {N_FOLDS} folds and a refit otherwise | one modality | both |",
        "|---|---:|---:|",
    ]
    kept = again = 0.0
    for head in HEADS:
        seconds = []
        for fusion in ("image", "concat"):
            fused = fuse(features, fusion)
            seconds.append(BASELINES[head](fused, y, rows, rest, configs[head, fusion]))
            print(f"{head} {fusion} otherwise: {seconds[-1]:.0f} s", flush=True)
        single, both = seconds
        kept += 2 * single + both
        again += 4 * single + both
        lines.append(f"| {NAMES[head]} | {single:.0f} s | {both:.0f} s |")
    lines += [
        "",
        "Measured on one fold and multiplied; logreg on the most frequent, the middle and the"
        " rarest label, each for a third of them. The grid by loops that keep the scores of image"
        f" and text for late-stack: {kept:.0f} s, {kept / total:.1f} times as long as the whole"
        f" comparison; by loops that fit them again: {again:.0f} s, {again / total:.1f} times.",
        "",
        machine(),
    ]
    return lines


def scikit_logreg(fused: InMemory, y: Targets, rows: IntArray, rest: IntArray, run: Run) -> float:
    """One-vs-rest by `LogisticRegressionCV` over the same C, then each fold at the chosen one."""
    x = fused.values
    strengths = PATH / np.square(x).sum(axis=1).mean()
    seconds = []
    for label in np.argsort(y.mean(axis=0))[[0, N_CLASSES // 2, -1]]:
        of_class = y[:, label]
        model = LogisticRegressionCV(
            Cs=strengths,
            cv=[(rows, rest)],
            scoring="neg_log_loss",
            refit=False,
            l1_ratios=(0.0,),
            use_legacy_attributes=False,
            max_iter=1000,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            path = timed(model.fit, x, of_class)
            chosen = LogisticRegression(C=model.C_, max_iter=1000)
            fit = timed(chosen.fit, x[rows], of_class[rows])
        seconds.append(N_FOLDS * path + (N_FOLDS + 1) * fit)
    return float(np.mean(seconds)) * N_CLASSES


def scikit_knn(fused: InMemory, y: Targets, rows: IntArray, rest: IntArray, run: Run) -> float:
    """All classes at once, by cosine."""
    model = KNeighborsClassifier(n_neighbors=50, metric="cosine", algorithm="brute")
    values = fused.values
    return N_FOLDS * timed(lambda: model.fit(values[rows], y[rows]).predict_proba(values[rest]))


def plain_torch(fused: InMemory, y: Targets, rows: IntArray, rest: IntArray, run: Run) -> float:
    """The same network, batch and epochs out of a data loader."""
    return (N_FOLDS + 1) * timed(train_plainly, fused, y, rows, rest, run)


def train_plainly(fused: InMemory, y: Targets, rows: IntArray, rest: IntArray, run: Run) -> None:
    """Train the network of `run` on `rows` and score `rest`."""
    config: RunConfig = run.config
    head = HeadModel.build(config).source.head
    assert isinstance(head, TorchHead)
    torch.manual_seed(0)
    network: nn.Module = head._module(fused.blocks, y.shape[1])
    x = torch.from_numpy(fused.values[rows])
    truth = torch.from_numpy(y[rows].astype(np.float32))
    batches = DataLoader(TensorDataset(x, truth), batch_size=head.batch, shuffle=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=head.length.rate)
    loss = nn.BCEWithLogitsLoss()
    for _ in range(epochs_of(run)):
        network.train()
        for inputs, wanted in batches:
            optimizer.zero_grad()
            loss(network(inputs), wanted).backward()
            optimizer.step()
    network.eval()
    with torch.no_grad():
        network(torch.from_numpy(fused.values[rest])).sigmoid()


def timed(work: Callable[..., object], *given: Any) -> float:
    """The seconds that `work` takes."""
    started = time.perf_counter()
    work(*given)
    return time.perf_counter() - started


def epochs_of(run: Run) -> int:
    """The epochs that our first fold walked, those after the best included."""
    folds = next(iter(run.history.values()))
    return len(next(iter(folds[0].values())))


# the seconds of all folds and the refit
BASELINES: dict[str, Callable[[InMemory, Targets, IntArray, IntArray, Run], float]] = {
    "logreg": scikit_logreg,
    "mlp": plain_torch,
    "gmlp": plain_torch,
    "knn": scikit_knn,
}
NAMES = {
    "logreg": "logreg: `LogisticRegressionCV`, one-vs-rest, the same nine C",
    "mlp": "mlp: torch, data loader, as many epochs",
    "gmlp": "gmlp: torch, data loader, as many epochs",
    "knn": "knn: scikit-learn",
}


if __name__ == "__main__":
    main()
