"""Fits of more rows than memory holds, in processes limited to --max-memory.

    python -m benchmarks.fit.larger [--rows 1000000] [--dim 1024] [--max-memory 2GiB] [--heads ...]

Every fit is an `mmfeat fit` of its own. The kernel refuses it more data than the limit
(RLIMIT_DATA), and its peak of resident memory is read from the run. A tenth of the rows is fitted
in memory for comparison: streaming is linear where a row takes no longer.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import machine, write_section
from mmfeat.core.memory import bytes_of
from mmfeat.core.workspace import Workspace
from mmfeat.store import SCHEMA, Status
from mmfeat.store.layout import Block, Rows
from mmfeat.store.writer import write_store

N_CLASSES, BLOCK_ROWS, TENTH = 20, 8192, 10
LITTLE = "256MiB"  # twice the bins of LightGBM
OPTIONS = {
    "logreg": "--folds 5 --set C=10",
    "mlp": "--folds 2 --set hidden=512 --set epochs=2",
    "gmlp": "--folds 2 --set epochs=1 --set tokens=4",
    "lightgbm": "--folds 2 --set trees=20 --set lr=0.3 --set patience=0",
}


@dataclass(frozen=True)
class Fitted:
    """What a fit took, on the wall and of the processors, and how good it is."""

    seconds: float
    processor: float
    peak: int
    macro_f1: float
    map: float

    @property
    def quality(self) -> str:
        """What stands in the table."""
        return f"{self.macro_f1:.4f}, {self.map:.4f}"


def main() -> None:
    """Write both stores, fit every head in memory and streamed, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=1024)
    parser.add_argument("--max-memory", default="2GiB")
    parser.add_argument("--heads", default="logreg,mlp,lightgbm")
    parser.add_argument("--folder", type=Path, help="where the stores are; default: temporary")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mmfeat-larger-", dir=options.folder) as folder:
        workspace = Workspace(Path(folder))
        make_store(workspace.store("large"), n_rows=options.rows, dim=options.dim)
        make_store(workspace.store("tenth"), n_rows=options.rows // TENTH, dim=options.dim)
        lines = [
            f"{options.rows:,} rows × {options.dim} numbers × {N_CLASSES} labels made up on disk"
            f" ({workspace.store('large').stat().st_size / 1e9:.1f} GB); the streamed fits"
            f" are processes limited to {options.max_memory} (those of a tenth stream by {LITTLE})",
            "",
            "| head | in memory, a tenth | peak | streamed, all rows | peak"
            " | time of a row against in memory (processor time of the whole process)"
            " | macro-F1 and mAP in memory, a tenth | streamed, a tenth | streamed, all |",
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        ]
        for head in options.heads.split(","):
            lines.append(compare(workspace, head, options.max_memory))
            print(lines[-1], flush=True)
    load = f"load now {os.getloadavg()[0]:.1f}"
    write_section("larger", "\n".join([*lines, "", f"{machine()}; {load}"]))


def compare(workspace: Workspace, head: str, limit: str) -> str:
    """One line of the table."""
    held = fit(workspace, head, "tenth")
    little = fit(workspace, head, "tenth", stream=LITTLE)
    streamed = fit(workspace, head, "large", stream=limit, limit=bytes_of(limit))
    return (
        f"| {head} {OPTIONS[head]} | {held.seconds:.0f} s | {held.peak / 2**30:.2f} GiB"
        f" | {streamed.seconds:.0f} s | {streamed.peak / 2**30:.2f} GiB"
        f" | {streamed.seconds / TENTH / held.seconds:.2f}"
        f" ({streamed.processor / TENTH / held.processor:.2f})"
        f" | {held.quality} | {little.quality} | {streamed.quality} |"
    )


def make_store(path: Path, *, n_rows: int, dim: int) -> None:
    """Write a store of image embeddings that tell labels of falling frequency."""
    rng = np.random.default_rng(0)
    rates = np.geomspace(0.5, 0.02, N_CLASSES)
    directions = 0.4 * rng.normal(size=(N_CLASSES, dim)).astype(np.float32)
    targets = (rng.random((n_rows, N_CLASSES)) < rates).astype(np.uint8)
    ids = [f"{row}.jpg" for row in range(n_rows)]

    def blocks() -> Iterator[Block]:
        for start in range(0, n_rows, BLOCK_ROWS):
            part = targets[start : start + BLOCK_ROWS]
            values = part @ directions + 4 * rng.standard_normal((len(part), dim), np.float32)
            yield Block(
                embeddings={"image": values.astype(np.float16)},
                status={"image": np.full(len(part), Status.OK, np.uint8)},
            )

    write_store(
        path,
        rows=Rows(
            ids=ids,
            image_paths=ids,
            captions=None,
            targets=targets,
            labels=[f"l{label}" for label in range(N_CLASSES)],
        ),
        widths={"image": dim},
        dtype="float16",
        provenance={"schema": SCHEMA, "n_rows": n_rows, "modalities": ["image"], "encoder": {}},
        blocks=blocks(),
    )


def fit(
    workspace: Workspace, head: str, split: str, *, stream: str = "", limit: int | None = None
) -> Fitted:
    """Run `mmfeat fit` in a process that may hold `limit` bytes of data."""
    name = f"{head}-{split}{'-streamed' * bool(stream)}"
    command = [sys.executable, "-m", "mmfeat_cli", "fit", "-w", str(workspace.root)]
    command += ["--split", split, "--head", head, "--fusion", "image", "--name", name]
    command += ["--quiet", *OPTIONS[head].split()]
    if stream:
        command += ["--max-memory", stream]

    def hold() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, preexec_fn=hold, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    metrics: dict[str, Any] = json.loads((workspace.run(name) / "metrics.json").read_text())
    return Fitted(
        seconds=sum(metrics["seconds"].values()),
        processor=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        peak=metrics["peak_memory"],
        macro_f1=metrics["oof"]["at_0.5"]["macro_f1"],
        map=metrics["oof"]["at_0.5"]["map"],
    )


if __name__ == "__main__":
    main()
