"""Workspaces with made-up stores, and the command line as a function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from typer.testing import Result

from mmfeat.config import DataSettings
from mmfeat.core.workspace import Workspace
from mmfeat.extract.importing import store_embeddings
from mmfeat.tables import read_table

Mmfeat = Callable[..., Result]


def error_line(mmfeat: Mmfeat, *arguments: object) -> str:
    """Run a command that must end with status 1 and one error line; return the line."""
    result = mmfeat(*arguments)
    lines = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert result.exit_code == 1, (result.stdout, result.stderr)
    assert len(lines) == 1
    assert "Traceback" not in result.stderr
    return lines[0]


def import_split(
    workspace: Workspace,
    split: str,
    *,
    n_rows: int = 60,
    seed: int = 0,
    encoder: str = "made-up",
    features: str | None = None,
    rows_per_file: int = 0,
    uncertain: float = 0.0,
) -> Path:
    """Make a store of `n_rows` × (8 + 8) numbers that tell three labels, without a model.

    With a share `uncertain` of them, labels are unknown.
    """
    rng = np.random.default_rng(seed)
    targets = (rng.random((n_rows, 3)) < (0.6, 0.4, 0.2)).astype(np.uint8)
    targets[:, 0] |= ~targets.any(axis=1)
    folder = workspace.root / "sources"
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for modality in ("image", "text"):
        signal = targets @ np.random.default_rng(1).normal(size=(3, 8))
        arrays[modality] = folder / f"{modality}.npy"
        np.save(arrays[modality], (signal + rng.normal(size=(n_rows, 8))).astype(np.float16))
    hidden = np.random.default_rng(2).random(targets.shape) < uncertain
    listed, doubts = (
        [" ".join(f"l{j}" for j in np.flatnonzero(row)) for row in cells]
        for cells in (targets, hidden)
    )
    lines = [f"{split}{row}.jpg,{listed[row]},{doubts[row]}" for row in range(n_rows)]
    table = folder / f"{split}.csv"
    table.write_text("\n".join(["ImageID,Labels,Doubts", *lines]) + "\n")
    out = workspace.store(split, features)
    store_embeddings(
        read_table(table, data=DataSettings(uncertain_col="Doubts" if uncertain else None)),
        arrays,
        out=out,
        encoder_name=encoder,
        rows_per_file=rows_per_file,
    )
    return out
