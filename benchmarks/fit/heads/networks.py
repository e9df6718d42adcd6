"""The MLP against the paper's way, the gMLP against an MLP of equal size, folds side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.fit.heads.timing import Data, timed
from mmfeat.fit.heads.base import Head
from mmfeat.fit.heads.gmlp import GMLP
from mmfeat.fit.heads.mlp import MLP
from mmfeat.types import Fused


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


def n_weights(head: Any) -> int:
    return sum(p.numel() for p in head._network.parameters())
