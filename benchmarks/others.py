"""Stage two beside what people use today: AutoGluon, and scikit-learn on stored embeddings.

    python -m venv AG && AG/bin/pip install 'autogluon.tabular[lightgbm]==1.6.3'
    OMP_NUM_THREADS=1 python -m benchmarks.others --data COCO18 --autogluon AG/bin/python --every 3

Captions of COCO as 384 numbers with 18 labels: the first rows train, 5,000 others judge. Each tool
gives probabilities and label sets by its own rule. clip-retrieval writes the embeddings and leaves
the classifier to its user, who takes scikit-learn's logistic regression per label. AutoGluon has an
environment of its own, for it asks for other versions; `benchmarks.others_autogluon` runs in it.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import TunedThresholdClassifierCV

import mmfeat
from benchmarks.coco18 import read_coco18, split
from benchmarks.paths import existing
from benchmarks.results import machine, write_section
from mmfeat import metrics
from mmfeat.config import DataSettings
from mmfeat.core.workspace import Workspace
from mmfeat.extract.importing import store_embeddings
from mmfeat.fit.fusion.fuse import fuse
from mmfeat.fit.models.source import labelled
from mmfeat.tables import read_table
from mmfeat.types import Features, FloatArray, Targets

HEADS = ("logreg", "ridge", "mlp", "knn")
METRICS = ("macro_f1", "micro_f1", "map", "log_loss")
Answer = tuple[FloatArray, Targets]  # probabilities and label sets, (n, k)


def main() -> None:
    """Run every tool on the same rows, judge its answers, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=existing, required=True)
    parser.add_argument("--autogluon", type=existing, help="Python of AutoGluon's environment")
    parser.add_argument("--rows", type=int, default=3000, help="that train")
    parser.add_argument("--every", type=int, default=1, help="3: every third label")
    parser.add_argument("--seconds", type=int, default=300, help="of AutoGluon for each label")
    options = parser.parse_args()
    train, judge = split(read_coco18(options.data))
    train = some_labels(train.take(np.arange(options.rows)), options.every)
    judge = some_labels(judge, options.every)
    tools: dict[str, Callable[[Features, Features], Answer]] = {
        "scikit-learn, logistic regression per label, C = 1": one_c,
        "the same with C chosen (`LogisticRegressionCV`)": chosen_c,
        "the same with a threshold chosen, too (`TunedThresholdClassifierCV`)": chosen_threshold,
        "mmfeat, `compare` of logreg": partial(ours, heads=("logreg",)),
        f"mmfeat, `compare` of {', '.join(HEADS)}": partial(ours, heads=HEADS),
    }
    if options.autogluon:
        version = version_in(options.autogluon)
        named = f"AutoGluon {version}, a predictor per label, at most {options.seconds} s each"
        tools[named] = partial(autogluon, python=options.autogluon, seconds=options.seconds)
    else:
        print("AutoGluon is left out: --autogluon names the Python of its environment")
    lines = [
        "## Beside AutoGluon and scikit-learn",
        "",
        f"Captions of COCO as 384 numbers, {len(train.labels)} labels; {train.n_rows:,} rows to"
        f" train on, {judge.n_rows:,} to judge, each tool's label sets by its own rule. AutoGluon"
        " tunes its threshold for F1 (`eval_metric='f1'`); its default models without torch: trees"
        " and ensembles of them. mmfeat: fusion `text`, thresholds for macro-F1. One thread each.",
        "",
        "| tool | macro-F1 | micro-F1 | mAP | log-loss | processor seconds |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, tool in tools.items():
        started = processor_seconds()
        probabilities, sets = tool(train, judge)
        seconds = processor_seconds() - started
        found = metrics.summarise(probabilities, sets, labelled(judge), names=METRICS)
        values = " | ".join(f"{found[metric]:.4f}" for metric in METRICS)
        lines.append(f"| {name} | {values} | {seconds:.0f} |")
        print(lines[-1], flush=True)
    write_section("others", "\n".join([*lines, "", machine()]))


def some_labels(rows: Features, every: int) -> Features:
    """The rows with every `every`-th label."""
    return replace(rows, targets=labelled(rows)[:, ::every], labels=rows.labels[::every])


def processor_seconds() -> float:
    """Seconds of all cores that this process and its finished children have used."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def one_c(train: Features, judge: Features) -> Answer:
    """As scikit-learn's defaults have it, at 0.5."""
    return one_vs_rest(LogisticRegression(max_iter=1000), train, judge)


def chosen_c(train: Features, judge: Features) -> Answer:
    """C of each label by log-loss in five folds, at 0.5."""
    return one_vs_rest(path_of_c(), train, judge)


def chosen_threshold(train: Features, judge: Features) -> Answer:
    """C as in `chosen_c`, and a threshold by F1 in five folds around it."""
    return one_vs_rest(TunedThresholdClassifierCV(path_of_c(), scoring="f1"), train, judge)


def path_of_c() -> LogisticRegressionCV:
    return LogisticRegressionCV(
        Cs=10,
        scoring="neg_log_loss",
        cv=5,
        l1_ratios=(0.0,),
        use_legacy_attributes=False,
        max_iter=1000,
    )


def one_vs_rest(model: ClassifierMixin, train: Features, judge: Features) -> Answer:
    """Fit a copy of `model` per label; each decides as it does."""
    x, new = fuse(train, "text").values, fuse(judge, "text").values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        each = [clone(model).fit(x, y) for y in labelled(train).T]
    probabilities = np.stack([one.predict_proba(new)[:, 1] for one in each], axis=1)
    return probabilities, np.stack([one.predict(new) for one in each], axis=1)


def ours(train: Features, judge: Features, *, heads: tuple[str, ...]) -> Answer:
    """Import both tables, compare heads, and predict with the best by its tuned decision."""
    with tempfile.TemporaryDirectory(prefix="mmfeat-others-") as folder:
        workspace = Workspace(Path(folder) / "work")
        for name, rows in (("train", train), ("new", judge)):
            import_rows(rows, Path(folder), workspace, name)
        mmfeat.compare("train", heads=heads, fusions=("text",), workspace=workspace.root)
        found = mmfeat.predict(split="new", workspace=workspace.root)
        assert found.predictions.labels == judge.labels
        return found.predictions.probabilities, found.label_sets


def import_rows(rows: Features, folder: Path, workspace: Workspace, name: str) -> None:
    """Write rows as a table and an array, as a user has them, and import them."""
    named = [" ".join(np.array(rows.labels)[row == 1]) for row in labelled(rows)]
    table, array = folder / f"{name}.csv", folder / f"{name}.npy"
    pd.DataFrame({"ImageID": rows.ids, "Labels": named}).to_csv(table, index=False)
    np.save(array, rows.embeddings["text"][0])
    store_embeddings(
        read_table(table, data=DataSettings()),
        {"text": array},
        out=workspace.store(name),
        encoder_name="MiniLM",
    )


def version_in(python: Path) -> str:
    """AutoGluon's version in the environment of `python`; ends with a line where it is missing."""
    ask = "import autogluon.tabular; print(autogluon.tabular.__version__)"
    done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: --autogluon names a Python with AutoGluon; {python} cannot import it")
    return done.stdout.strip()


def autogluon(train: Features, judge: Features, *, python: Path, seconds: int) -> Answer:
    """Its answers, from a process of its own environment."""
    with tempfile.TemporaryDirectory(prefix="mmfeat-others-") as folder:
        rows, answers = Path(folder) / "rows.npz", Path(folder) / "answers.npz"
        x, new = fuse(train, "text").values, fuse(judge, "text").values
        np.savez(rows, targets=labelled(train), train=x, judge=new)
        script = Path(__file__).with_name("others_autogluon.py")
        subprocess.run([python, script, rows, answers, str(seconds)], cwd=folder, check=True)
        with np.load(answers) as found:
            return found["probabilities"], found["sets"]


if __name__ == "__main__":
    main()
