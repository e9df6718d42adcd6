"""The optimiser takes the steps of torch's own class, without what that class loads."""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy

import torch
from torch import nn

from mmfeat.fit.heads.torch.optimiser import Optimizer, cosine


def test_steps_are_those_of_adamw_with_decay_of_matrices_alone() -> None:
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3))
    theirs, pace = deepcopy(ours), cosine(20)
    matrices = [p for p in theirs.parameters() if p.ndim > 1]
    others = [p for p in theirs.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    expected = torch.optim.AdamW(groups, lr=0.01)
    optimizer = Optimizer(ours, lr=0.01, decay=0.1, pace=pace)
    for step in range(20):
        rows = torch.randn(16, 6)
        optimizer.step(ours(rows).square().mean())
        expected.zero_grad()
        theirs(rows).square().mean().backward()
        for group in expected.param_groups:
            group["lr"] = 0.01 * pace(step)
        expected.step()
    for found, wanted in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(found, wanted)


def test_a_fit_does_not_load_the_compiler_of_torch() -> None:
    code = """
import sys
import numpy as np
from mmfeat.heads import MLP
x = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
MLP(rounds=1).fit(x, (x[:, :2] > 0).astype(np.uint8))
assert "torch" in sys.modules and "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
