"""A million rows after the fit: thresholds, predictions and submissions, in seconds and memory.

    python -m benchmarks.decide.large_scores [--rows 1000000] [--labels 100]
        [--only choose,tune,predict] [--objectives macro-f1,micro-f1]

Each measurement has a process of its own whose memory is limited to 2 GiB, and each of the three
parts a section of its own in RESULTS.md. Thresholds: made-up scores that are nearly calibrated,
rates from 0.3 to 0.001, five folds; `choose` times a method on scores in memory, `tune` the whole
of `mmfeat tune-thresholds`: the run read, decided on and its decision written. Beside the seconds
stand those of processor time, which other work on the machine changes less. Predictions: a
made-up store of 64 + 64 numbers and 20 labels a row, a logistic regression fitted on 2,000 other
rows, a sample submission of all ids.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import machine, write_section
from mmfeat.config import DataSettings, FitSettings
from mmfeat.core.memory import peak_memory
from mmfeat.core.workspace import Workspace
from mmfeat.decide.thresholds import OBJECTIVES, TuningData
from mmfeat.decide.thresholds.choose import choose_thresholds
from mmfeat.decide.tune import tune
from mmfeat.extract.importing import store_embeddings
from mmfeat.fit.plan import plan_run
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import load_training
from mmfeat.predict import write_submission
from mmfeat.predict.scores import predict_scores
from mmfeat.predict.write import write_predictions
from mmfeat.runs.listing import find_run
from mmfeat.runs.run import Run
from mmfeat.runs.scores import write_scores
from mmfeat.tables import read_table
from mmfeat.types import FloatArray, OutOfFold, Predictions, Targets

LIMIT = 2 * 2**30  # bytes
CHOICES = tuple(
    (objective, method)
    for objective, methods in {
        "macro-f1": ("bootstrap", "exact"),
        "micro-f1": ("global", "dinkelbach"),
    }.items()
    for method in methods
)
FORMATS = ("labels", "multihot", "probabilities")
WIDTH, N_LABELS, N_TRAIN = 64, 20, 2_000


def make_scores(folder: Path, n_rows: int, n_labels: int) -> None:
    """Probabilities and targets drawn from them, with some noise on the logits."""
    rng = np.random.default_rng(0)
    p: FloatArray = np.empty((n_rows, n_labels), dtype=np.float32)
    y: Targets = np.empty((n_rows, n_labels), dtype=np.uint8)
    for j, rate in enumerate(np.geomspace(0.3, 0.001, n_labels)):
        logits = rng.normal(np.log(rate / (1 - rate)), 2, n_rows)
        y[:, j] = rng.random(n_rows) < 1 / (1 + np.exp(-logits))
        p[:, j] = 1 / (1 + np.exp(-logits - rng.normal(0, 0.5, n_rows)))
    write_scores(
        folder / "scores.h5",
        OutOfFold(
            ids=tuple(map(str, range(n_rows))),
            labels=tuple(map(str, range(n_labels))),
            probabilities=p,
            targets=y,
            folds=rng.permutation(n_rows) % 5,
        ),
    )


def make_workspace(folder: Path, n_rows: int) -> None:
    """A run on few rows, a store of many, and a sample submission of theirs for each format."""
    space = Workspace(folder)
    rng = np.random.default_rng(0)
    for split, rows in (("train", N_TRAIN), ("test", n_rows)):
        arrays = {m: folder / f"{split}-{m}.npy" for m in ("image", "text")}
        for path in arrays.values():
            np.save(path, rng.standard_normal((rows, WIDTH), dtype=np.float32).astype(np.float16))
        names = [f"{split}{row}.jpg" for row in range(rows)]
        cells = [" ".join(map(str, np.flatnonzero(rng.random(N_LABELS) < 0.2))) for _ in names]
        table = folder / f"{split}.csv"
        lines = ["ImageID,Labels", *map(",".join, zip(names, cells, strict=True))]
        table.write_text("\n".join(lines) + "\n")
        store_embeddings(
            read_table(table, data=DataSettings()),
            arrays,
            out=space.store(split),
            encoder_name="made-up",
        )
    run = fit_run(
        space, plan_run(FitSettings(head="logreg", folds=2)), load_training(space, "train")
    )
    run.write_decision(tune(run.oof))
    labels = ",".join(run.labels)
    (folder / "labels.csv").write_text("\n".join(["ImageID,Labels", *(f"{n}," for n in names)]))
    zeros = ",0" * N_LABELS
    (folder / "multihot.csv").write_text(
        "\n".join([f"ImageID,{labels}", *(n + zeros for n in names)])
    )


def measure(folder: Path, what: str, *options: str) -> dict[str, float]:
    """Seconds by step, and the most memory, of one measurement in this process."""
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        started, used = time.perf_counter(), time.process_time()
        found = work()
        seconds[name] = time.perf_counter() - started
        seconds["processor"] = seconds.get("processor", 0) + time.process_time() - used
        return found

    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    if what == "choose":
        scores = Run(folder).oof
        data = TuningData(probabilities=scores.probabilities, targets=scores.targets)
        objective, method = options
        timed(
            " by ".join(options),
            lambda: choose_thresholds(data, objective=objective, method=method),
        )
    elif what == "tune":
        run = Run(folder)
        scores = timed("reading", lambda: run.oof)
        decision = timed("deciding", lambda: tune(scores, objective=options[0]))
        timed("writing", lambda: run.write_decision(decision))
    else:
        space = Workspace(folder)
        run = find_run(space, None, tuned=True)
        scores = timed("scoring", lambda: predict_scores(run, space, "test"))
        timed(options[0], lambda: write(run, scores, folder, options[0]))
    return {**seconds, "peak": float(peak_memory())}


def write(run: Run, scores: Predictions, folder: Path, how: str) -> None:
    """The file that `mmfeat predict` writes (csv, jsonl, parquet), or `mmfeat submit`."""
    if how not in FORMATS:
        path = folder / f"predictions.{how}"
        write_predictions(path, scores, run.decision, empty="top1")
        return
    write_submission(
        folder / f"submission-{how}.csv",
        ids=scores.ids,
        labels=scores.labels,
        predicted=run.decision.decide(scores.probabilities, empty="top1"),
        probabilities=scores.probabilities,
        sample=folder / ("labels.csv" if how == "labels" else "multihot.csv"),
        format=how,
    )


def measured(folder: Path, what: str, *options: str) -> dict[str, float]:
    """As `measure`, in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.decide.large_scores",
        "--measure",
        str(folder),
        what,
    ]
    # pyarrow's own pool reserves a GiB that it does not use, and the limit counts it
    environment = {**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"}
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--only", default="choose,tune,predict")
    parser.add_argument("--objectives", default=",".join(OBJECTIVES))
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(Path(options.measure[0]), *options.measure[1:])))
        return
    only = options.only.split(",")
    jobs: dict[str, list[tuple[str, ...]]] = {
        "choose": list(CHOICES),
        "tune": [(objective,) for objective in options.objectives.split(",")],
        "predict": [(how,) for how in ("csv", "jsonl", "parquet", *FORMATS)],
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if {"choose", "tune"} & set(only):
            make_scores(folder, options.rows, options.labels)
        if "predict" in only:
            make_workspace(folder, options.rows)
        for what in only:
            lines = ["| | seconds | | of processors | peak GiB |", "|---|---:|---|---:|---:|"]
            for choice in jobs[what]:
                found = measured(folder, what, *choice)
                peak, processor = found.pop("peak") / 2**30, found.pop("processor")
                told = ", ".join(f"{step} {seconds:.1f}" for step, seconds in found.items())
                lines.append(
                    f"| {what} {' by '.join(choice)} | {sum(found.values()):.1f} | {told}"
                    f" | {processor:.1f} | {peak:.2f} |"
                )
                print(lines[-1], flush=True)
            labels = N_LABELS if what == "predict" else options.labels
            head = f"## {what.capitalize()}: {options.rows:,} rows, {labels} classes"
            section = "\n\n".join([head, machine(), "\n".join(lines)])
            write_section(f"large-scores-{what}", section)


if __name__ == "__main__":
    main()
