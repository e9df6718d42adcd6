"""Whether learning curves come true: forecasts at 2 and 4 times the rows, and what is reached.

    python -m benchmarks.fit.learning_curve --data FOLDER [--rows 2000,6000] [--draws 4]
        [--set C=1]

A draw takes rows of the captions of COCO at random, measures the curve of logistic regression, and
fits the same head on 2 and 4 times as many rows, of which the first are part. There the heads of
the folds, with the thresholds of their run, are judged on 6,000 other rows; their mean is what the
forecast means. The gain is judged as well: its noise is smaller than that of the values.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

import mmfeat
from benchmarks.coco18 import read_coco18
from benchmarks.paths import existing
from benchmarks.results import machine, write_section
from mmfeat import metrics
from mmfeat.core.workspace import Workspace
from mmfeat.fit.models.head_model import HeadModel
from mmfeat.fit.models.model import load_model
from mmfeat.learning.curve import LearningCurve
from mmfeat.runs.run import Run
from mmfeat.types import Features, IntArray

TIMES, N_JUDGED, OBJECTIVE = (1, 2, 4), 6000, "macro-f1"
HEADER = (
    "| draw | measured | forecast at 2× | reached | forecast at 4× | reached"
    " | gain to 2× | reached |"
)


def store(features: Features, rows: IntArray, split: str, workspace: Workspace) -> None:
    """Import rows of the captions as a split."""
    folder = workspace.root / "sources"
    folder.mkdir(parents=True, exist_ok=True)
    assert features.targets is not None
    lines = ["ImageID,Labels"]
    for row in rows.tolist():
        labels = " ".join(features.labels[j] for j in np.flatnonzero(features.targets[row]))
        lines.append(f"{features.ids[row]},{labels}")
    (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")
    np.save(folder / f"{split}.npy", features.embeddings["text"][0][rows])
    mmfeat.import_embeddings(
        folder / f"{split}.csv",
        text=folder / f"{split}.npy",
        split=split,
        workspace=workspace.root,
    )


def reached(run: Run, judge: Features) -> float:
    """Macro-F1 of the judged rows by the heads of the folds, the mean over them."""
    model = load_model(run)
    assert isinstance(model, HeadModel)
    assert judge.targets is not None
    decision, values = run.tune(OBJECTIVE), []
    for head in model.fitted:
        alone = replace(model, fitted=[head])
        sets = decision.decide(alone.predict_proba({(): judge}))
        places = [judge.labels.index(label) for label in decision.labels]
        truth = judge.targets[:, places]
        values.append(metrics.summarise(None, sets, truth, names=("macro_f1",))["macro_f1"] or 0.0)
    return float(np.mean(values))


def one_draw(
    features: Features, n_rows: int, seed: int, settings: dict[str, str]
) -> tuple[LearningCurve, list[float]]:
    """The curve of `n_rows` rows, and what is reached at each of `TIMES`."""
    rows = np.random.default_rng(seed).permutation(features.n_rows)
    judge = features.take(rows[-N_JUDGED:])
    with tempfile.TemporaryDirectory() as folder:
        workspace, found, curve = Workspace(Path(folder)), [], None
        for times in TIMES:
            store(features, rows[: times * n_rows], f"x{times}", workspace)
            run = mmfeat.fit(
                f"x{times}",
                head="logreg",
                fusion="text",
                settings={**settings, "final": "average"},
                workspace=workspace.root,
            )
            found.append(reached(run, judge))
            curve = curve or mmfeat.learning_curve(
                run, objective=OBJECTIVE, workspace=workspace.root
            )
    assert curve is not None
    return curve, found


def inside(value: float, interval: tuple[float, float]) -> bool:
    """Whether an interval holds a value."""
    return interval[0] <= value <= interval[1]


def told(value: float, interval: tuple[float, float]) -> str:
    """A value with its interval."""
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def table(features: Features, n_rows: int, n_draws: int, settings: dict[str, str]) -> Iterator[str]:
    """Yield the lines of the section of `n_rows` rows."""
    yield (
        f"Captions of COCO, tables of {n_rows:,} rows: macro-F1 of logistic regression, forecast"
        " and reached on 6,000 other rows with 2 and 4 times as many."
    )
    yield ""
    yield HEADER
    yield "|" + "---|" * (HEADER.count(" | ") + 1)
    errors, gains, covered = [], [], []
    for seed in range(n_draws):
        curve, found = one_draw(features, n_rows, seed, settings)
        measured = f"| {seed} | {told(curve.points[-1].value, curve.points[-1].interval)} |"
        if not curve.forecasts:
            yield f"{measured} none |"
            continue
        gain, real_gain = curve.forecasts[0].gain, found[1] - found[0]
        gains.append([gain.value - real_gain, inside(real_gain, gain.interval)])
        both = list(zip(curve.forecasts, found[1:], strict=True))
        errors.append([forecast.value - value for forecast, value in both])
        covered.append([inside(value, forecast.interval) for forecast, value in both])
        cells = [f"{told(at.value, at.interval)} | {value:.3f}" for at, value in both]
        cells += [told(gain.value, gain.interval), f"{real_gain:.3f}"]
        yield f"{measured} {' | '.join(cells)} |"
    yield ""
    means, hits = np.mean(errors, axis=0), np.sum(covered, axis=0)
    off, n_inside = np.mean(gains, axis=0)[0], np.sum(gains, axis=0)[1]
    yield (
        f"On average over {len(errors)} draws forecasts are {means[0]:+.3f} and {means[1]:+.3f}"
        f" off at 2 and 4 times the rows; {hits[0]} and {hits[1]} of what is reached lie inside the"
        f" interval. The gain to 2 times is {off:+.3f} off, and {n_inside:.0f} lie inside."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=existing, required=True)
    parser.add_argument("--rows", default="2000,6000")
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--set", action="append", default=[])
    arguments = parser.parse_args()
    settings = dict(pair.split("=", 1) for pair in arguments.set)
    features = read_coco18(arguments.data)
    for n_rows in map(int, arguments.rows.split(",")):
        lines = []
        for line in table(features, n_rows, arguments.draws, settings):
            print(line, flush=True)
            if not line.startswith("|"):  # the draws are printed alone
                lines.append(line)
        used = " ".join(f"`{pair}`" for pair in arguments.set) or "the usual settings"
        lines += ["", f"Logistic regression with {used}.", "", machine()]
        write_section(f"learning-curve-{n_rows}", "\n".join(lines))


if __name__ == "__main__":
    main()
