"""Commands on a run of many labels: how long each takes, before a change and after it.

    python -m benchmarks.decide.many_labels [--rows 20000] [--labels 2000] [--repeats 3]
        [--only tune-samples-f1,runs,report,…] [--before CHECKOUT]

Made-up out-of-fold scores, five folds; the rates of the labels fall from 0.2 to 0.0001, so that
some labels have a handful of positives or none. Each command runs as a process of its own, and
the median of its times is printed, beside its processor time, which other work on the machine
changes less, and its peak memory. `--before` names another checkout of this repository: every
command runs by both, in turns, on the same files.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.results import machine, write_section
from mmfeat import metrics
from mmfeat.core.files import write_json
from mmfeat.core.workspace import Workspace
from mmfeat.runs.config import RunConfig
from mmfeat.runs.run import Run
from mmfeat.runs.scores import write_scores
from mmfeat.types import OutOfFold

RUN = "many"
CHECKOUT = Path(__file__).resolve().parents[2]
COMMANDS: dict[str, tuple[str, ...]] = {
    "tune-macro-f1": ("tune-thresholds", RUN, "--objective", "macro-f1"),
    "tune-micro-f1": ("tune-thresholds", RUN, "--objective", "micro-f1"),
    "tune-samples-f1": ("tune-thresholds", RUN, "--objective", "samples-f1"),
    "runs": ("runs", RUN),
    "report": ("report", RUN, "--out", "report.html"),
    "score": ("score", "submission.csv", "truth.csv"),
}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Wall-clock and processor seconds and peak bytes of a command."""

    seconds: float
    processor: float
    peak: float


def make_run(folder: Path, n_rows: int, n_labels: int) -> None:
    """A finished run of made-up scores, and two sheets of label sets."""
    rng = np.random.default_rng(0)
    rates = np.geomspace(0.2, 0.0001, n_labels)
    targets = (rng.random((n_rows, n_labels), dtype=np.float32) < rates).astype(np.uint8)
    logits = rng.standard_normal(targets.shape, dtype=np.float32)
    logits += 3 * targets.astype(np.float32) - 1.5
    logits += np.log(rates / (1 - rates)).astype(np.float32)
    scores = OutOfFold(
        ids=tuple(f"{i}.jpg" for i in range(n_rows)),
        labels=tuple(f"tag{j}" for j in range(n_labels)),
        probabilities=(1 / (1 + np.exp(-logits))).astype(np.float32),
        targets=targets,
        folds=rng.permutation(n_rows) % 5,
    )
    run = Run(Workspace(folder).run(RUN))
    run.folder.mkdir(parents=True)
    config = RunConfig(split="train", head="logreg", fusion="text", loss=None, folds=5, seed=0)
    write_json(run.folder / "config.json", asdict(config))
    write_json(run.folder / "provenance.json", {"stores": [], "versions": {}, "digest": "made up"})
    write_scores(run.folder / "scores.h5", scores)
    predicted = (scores.probabilities >= 0.5).astype(np.uint8)
    write_json(
        run.folder / "metrics.json",
        {
            "oof": {
                "at_0.5": metrics.summarise(scores.probabilities, predicted, targets),
                "per_class": metrics.per_class(None, predicted, targets, scores.labels),
            },
            "seconds": {"fit": 1.0},
            "bytes": 1,
        },
    )
    run.finish()
    for name, sets in (("truth.csv", targets), ("submission.csv", predicted)):
        cells = (" ".join(scores.labels[j] for j in np.flatnonzero(row)) for row in sets)
        lines = ["ImageID,Labels", *map(",".join, zip(scores.ids, cells, strict=True))]
        (folder / name).write_text("\n".join(lines) + "\n")


def measure(folder: Path, checkout: Path, command: tuple[str, ...]) -> Cost:
    """Run a command by the code of `checkout` in a process of its own."""
    code = folder / f"code-{checkout.name}"
    if not code.exists():  # as in an installed environment, `cli/` is the package mmfeat_cli
        code.mkdir()
        (code / "mmfeat").symlink_to(checkout / "mmfeat")
        (code / "mmfeat_cli").symlink_to(checkout / "cli")
    environment = {**os.environ, "PYTHONPATH": str(code), "MMFEAT_WORKSPACE": str(folder)}
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "mmfeat_cli", *command],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed with status {status}")
    return Cost(
        seconds=time.perf_counter() - started,
        processor=used.ru_utime + used.ru_stime,
        peak=used.ru_maxrss * 1024,
    )


def compare(folder: Path, commands: list[str], checkouts: list[Path], repeats: int) -> str:
    """The median costs of commands by each checkout, as a table."""
    sides = ["before", "now"][-len(checkouts) :]
    heads = [f"{what}, {side}" for what in ("s", "processor s", "GiB") for side in sides]
    lines = [f"| command | {' | '.join(heads)} |", "|---|" + "---:|" * len(heads)]
    for name in commands:
        costs: list[list[Cost]] = [[] for _ in checkouts]
        for _ in range(repeats):
            for found, checkout in zip(costs, checkouts, strict=True):
                found.append(measure(folder, checkout, COMMANDS[name]))
        cells = [
            f"{statistics.median(getattr(cost, what) for cost in found) / unit:.1f}"
            for what, unit in (("seconds", 1), ("processor", 1), ("peak", 2**30))
            for found in costs
        ]
        lines.append(f"| `{' '.join(COMMANDS[name])}` | {' | '.join(cells)} |")
        print(lines[-1], file=sys.stderr)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--labels", type=int, default=2_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default=",".join(COMMANDS))
    parser.add_argument("--before", type=Path)
    arguments = parser.parse_args()
    checkouts = [*([arguments.before.resolve()] if arguments.before else []), CHECKOUT]
    with tempfile.TemporaryDirectory() as name:
        make_run(Path(name), arguments.rows, arguments.labels)
        table = compare(Path(name), arguments.only.split(","), checkouts, arguments.repeats)
    write_section(
        f"many_labels_{arguments.rows}x{arguments.labels}",
        f"## Many labels: {arguments.rows:,} rows × {arguments.labels:,}\n\n"
        f"The median of {arguments.repeats} runs of each command.\n\n{table}\n\n{machine()}",
    )


if __name__ == "__main__":
    main()
