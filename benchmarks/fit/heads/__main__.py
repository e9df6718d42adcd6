"""How long the heads train, side by side with what one would write otherwise.

python -m benchmarks.fit.heads --data FOLDER [--only logreg,mlp,…] [--repeat 3]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from benchmarks.coco18 import N_TRAIN, read_coco18
from benchmarks.fit.heads.logreg import bench_logreg
from benchmarks.fit.heads.networks import bench_folds, bench_gmlp, bench_mlp
from benchmarks.fit.heads.timing import made_up
from benchmarks.fit.heads.trees import bench_lightgbm
from benchmarks.fit.memory import bench_memory
from benchmarks.paths import existing
from benchmarks.results import machine, write_section
from mmfeat.fit.fusion.fuse import fuse


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fit.heads", description=__doc__)
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
