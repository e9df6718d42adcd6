"""The peak memory of one head's fit, in a process of its own; `benchmarks.fit.heads` calls it.

    python -m benchmarks.fit.memory HEAD ROWS WIDTH FOLDS

Made-up embeddings, float16 as in a store; cross-validation and the refit. Prints one JSON object:
bytes above those held before the fit, and the bytes of one float32 copy of a fold's rows.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from mmfeat.fit.models.head_model import HeadModel
from mmfeat.runs.folds import Folds
from mmfeat.runs.folds.stratify import make_folds
from mmfeat.types import Features, Targets

N_LABELS = 18
QUICK = {"mlp": {"epochs": "1"}, "gmlp": {"epochs": "1"}, "lightgbm": {"trees": "3"}}


def make_features(n_rows: int, width: int) -> tuple[Features, Targets]:
    """Image and text embeddings of `width` / 2 numbers each, and targets."""
    rng = np.random.default_rng(0)
    image, text = (
        rng.standard_normal((n_rows, width // 2), dtype=np.float32).astype(np.float16)
        for _ in range(2)
    )
    targets = (rng.random((n_rows, N_LABELS)) < 0.1).astype(np.uint8)
    labels = tuple(map(str, range(N_LABELS)))
    ids = tuple(map(str, range(n_rows)))
    return Features(
        ids=ids, embeddings={"image": (image,), "text": (text,)}, targets=targets, labels=labels
    ), targets


def memory(name: str) -> int:
    """Bytes of this process: VmRSS now, or VmHWM, the most since `forget_peak`."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found, "Linux tells it"
    return 1024 * int(found.group(1))


def forget_peak() -> None:
    """Let VmHWM start again from what is held now."""
    Path("/proc/self/clear_refs").write_text("5")


def fit(head: str, features: Features, targets: Targets, n_folds: int) -> None:
    """What `mmfeat fit` does between the store and the run folder."""
    model = HeadModel.make(head=head, fusion="concat", settings=QUICK.get(head, {}))
    folds = make_folds(targets, n_folds=n_folds, seed=0)
    for _ in model.cross_validate(features, Folds(folds)):
        pass
    model.fit(features)


def bench_memory(n_rows: int, width: int, n_folds: int = 5) -> str:
    """The peak of every head, each in a process of its own."""
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
        command = [sys.executable, "-m", "benchmarks.fit.memory", head]
        command += [str(number) for number in (n_rows, width, n_folds)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        held = json.loads(told)["bytes"]
        lines.append(f"| {head} | {held / 2**20:.0f} | {held / fold:.2f} |")
    return "\n".join(lines)


def main() -> None:
    head, n_rows, width, n_folds = sys.argv[1], *map(int, sys.argv[2:])
    fit(head, *make_features(300, 16), n_folds)  # whatever is loaded and set up once
    features, targets = make_features(n_rows, width)
    forget_peak()
    before = memory("VmRSS")
    fit(head, features, targets, n_folds)
    fold = n_rows * (n_folds - 1) // n_folds * width * 4
    print(json.dumps({"bytes": memory("VmHWM") - before, "fold": fold}))


if __name__ == "__main__":
    main()
