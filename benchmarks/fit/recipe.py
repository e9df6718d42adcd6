"""Guo 2024's best setting as a whole fit: seconds, and the share of what its arithmetic needs.

    python -m benchmarks.fit.recipe [--recipe guo2024] [--rows 30000] [--epochs 300] [--folds 5]

Made-up image and text embeddings of 768 numbers each and 18 labels; three heads and the decision
head, cross-validated and refitted. The arithmetic is that of the training steps alone; the rate is
that of large matrix products in the same run, in bfloat16 where the heads train in it. The paper
reports four minutes for 300 epochs, once, on a GPU; on a CPU give fewer epochs.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.extract.gpu import SIDE, peak
from benchmarks.fit.memory import make_features
from benchmarks.results import machine, write_section
from mmfeat.core.bfloat16 import has_bfloat16
from mmfeat.fit.heads.torch.training import TorchHead
from mmfeat.fit.models.fitted_model import FittedModel
from mmfeat.fit.models.stacked_model import StackedModel
from mmfeat.fit.recipes import RECIPES
from mmfeat.runs.folds import Folds
from mmfeat.runs.folds.stratify import make_folds

WIDTH = 2 * 768
SIDE_ON_CPU = 2048
N_ROWS = 512  # whose operations are counted


def operations(head: TorchHead) -> float:
    """Floating-point operations of a training step, for one row."""
    network = head._network.train()
    device = next(network.parameters()).device
    rows = torch.randn(N_ROWS, sum(head.blocks_), device=device)
    with FlopCounterMode(display=False) as counter:
        network(rows).sum().backward()
    return float(counter.get_total_flops()) / N_ROWS


def trained(member: FittedModel, n_rows: int) -> float:
    """Operations of all training steps of a member that was fitted on so many rows."""
    total = 0.0
    for head in (*member.heads.values(), *member.stacker.used.values()):
        assert isinstance(head, TorchHead)
        assert head.rounds_ is not None
        total += operations(head) * head.rounds_ * n_rows
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="guo2024", choices=("guo2024", "guo2024-oof"))
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    recipe = RECIPES[options.recipe]
    epochs = str(options.epochs)
    model = StackedModel.make(
        head=recipe.head,
        fusion=recipe.fusion,
        loss=recipe.loss,
        settings={**recipe.settings, "epochs": epochs, "decision.epochs": epochs},
    )
    features, targets = make_features(options.rows, WIDTH)
    folds = make_folds(targets, n_folds=options.folds, seed=0)
    started = time.perf_counter()
    for _ in model.cross_validate(features, Folds(folds)):
        pass
    validated = time.perf_counter() - started
    model.fit(features)
    seconds = time.perf_counter() - started
    inside = options.rows * (options.folds - 1) // options.folds
    final = trained(model.fitted[0], options.rows)
    needed = sum(trained(member, inside) for member in model.folds_) + final
    dtype = torch.bfloat16 if has_bfloat16(torch.device(device)) else torch.float32
    top = peak(device, dtype, SIDE if device == "cuda" else SIDE_ON_CPU)
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    refit = seconds - validated
    lines = [
        f"## {options.recipe} as a whole",
        "",
        f"`python -m benchmarks.fit.recipe`: {options.rows:,} × {WIDTH} × {targets.shape[1]},"
        f" {options.epochs} epochs of full batches, three heads and a decision head; {name};"
        f" {machine()}",
        "",
        "| | seconds | operations | share of the rate of large products |",
        "|---|---:|---:|---:|",
        f"| {options.folds} folds and the final model | {seconds:.1f} | {needed:.2e}"
        f" | {needed / seconds / top:.0%} |",
        f"| the final model alone | {refit:.1f} | {final:.2e} | {final / refit / top:.0%} |",
        "",
        f"Large products run at {top / 1e12:.2f} TFLOP/s ({str(dtype).removeprefix('torch.')}).",
    ]
    write_section("recipe", "\n".join(lines))


if __name__ == "__main__":
    main()
