"""What logreg and mlp make of label prompts, of captions as rows, and of rare classes.

    python -m benchmarks.fit.heads.prompts --data FOLDER [--folder DIR] [--seeds 3]
        [--cases KEYS] [--heads logreg,zeroshot,mlp]

FOLDER holds coco18, coco_mini and pokemon_clip, see `benchmarks.fit.heads.prompt_cases`. Each seed
draws other rows and folds, or other parts. Thresholds are tuned for macro-F1 out of fold.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.coco18 import N_TRAIN
from benchmarks.fit.heads.prompt_cases import SAMPLES, Case, cases
from benchmarks.fit.heads.tried import NearMean, PromptedMLP
from benchmarks.paths import existing
from benchmarks.results import machine, write_section
from mmfeat import metrics
from mmfeat.decide.ap_intervals import resampled_ap
from mmfeat.decide.resampling import draw_counts
from mmfeat.decide.thresholds import TuningData
from mmfeat.decide.thresholds.evaluate import values_of
from mmfeat.decide.tune import tune
from mmfeat.fit.heads.base import Head
from mmfeat.fit.heads.logreg import LogReg
from mmfeat.fit.heads.mlp import MLP
from mmfeat.fit.heads.zeroshot import ZeroShot
from mmfeat.runs.folds.stratify import make_folds
from mmfeat.types import (
    Float64Array,
    FloatArray,
    Fused,
    IntArray,
    OutOfFold,
    Targets,
)

N_FOLDS, N_RESAMPLES = 5, 60
COLUMN = 0.3  # the deviation of a column of cosines; rows have length 1


@dataclass(frozen=True)
class Way:
    """A head and what it is given."""

    head: Callable[[int], Head]
    prompts: str = ""  # "own", or "wrong": of other labels
    columns: bool = False  # cosines to the prompts are columns of a row
    captions: bool = False  # the captions of the rows are rows, too
    beside: str = "logreg"
    most: int = max(SAMPLES)  # rows to learn from


WAYS = {
    "logreg": Way(lambda seed: LogReg(seed=seed), most=N_TRAIN),
    "logreg near prompts (default)": Way(
        lambda seed: LogReg(seed=seed), prompts="own", most=N_TRAIN
    ),
    "logreg near prompts of other labels": Way(lambda seed: LogReg(seed=seed), prompts="wrong"),
    "logreg, cosines to prompts as columns": Way(lambda seed: LogReg(seed=seed), columns=True),
    "logreg, captions as rows": Way(lambda seed: LogReg(seed=seed), captions=True),
    "logreg, choose=per-class": Way(
        lambda seed: LogReg(seed=seed, choose="per-class"), most=N_TRAIN
    ),
    "logreg near the mean of other classes": Way(lambda seed: NearMean(seed=seed)),
    "zeroshot": Way(lambda seed: ZeroShot(seed=seed), prompts="own"),
    "mlp": Way(lambda seed: MLP(seed=seed), beside=""),
    "mlp beside prompts": Way(lambda seed: PromptedMLP(seed=seed), prompts="own", beside="mlp"),
}


SHOWN = ("logreg", "logreg near prompts (default)", "mlp", "mlp beside prompts")  # mAP and seconds


@dataclass
class Judged:
    """Scores, label sets, (m, k), and processor seconds of each seed."""

    scores: dict[int, FloatArray] = field(default_factory=dict)
    sets: dict[int, Targets] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)


def main() -> None:
    """Judge every way in every case, and write the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=existing, required=True)
    parser.add_argument("--folder", type=Path, help="where the demo's scenes are kept")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cases", help="keys, joined by commas; all unless given")
    parser.add_argument("--heads", default="logreg,zeroshot", help="mlp takes minutes")
    options = parser.parse_args()
    heads = tuple(options.heads.split(","))
    folder = options.folder or Path(tempfile.mkdtemp(prefix="mmfeat-prompts-"))
    for key, case in cases(options.data, folder).items():
        if not options.cases or key in options.cases.split(","):
            lines = [f"## Label prompts: {case.title}", ""]
            lines += [
                f"`python -m benchmarks.fit.heads.prompts --data FOLDER --cases {key}"
                f" --heads {options.heads}`: mean over {options.seeds} seeds of rows and folds,"
                " minus the plain head ± half the paired 95 % interval; thresholds out of fold"
                f"; processor seconds of all folds and the refit. {machine()}",
                *tables(case, options.seeds, heads),
            ]
            write_section(f"prompts-{key}", "\n".join(lines))


def fit_and_judge(
    way: Way, case: Case, judged: FloatArray, seed: int
) -> tuple[FloatArray, Targets]:
    """Scores and label sets of the judged rows."""
    x, y, blocks = case.x, case.y, case.blocks
    prompts: FloatArray | None = None
    if way.prompts:
        assert case.prompts is not None
        prompts = case.prompts if way.prompts == "own" else np.roll(case.prompts, 1, axis=0)
    if way.columns:
        assert case.prompts is not None
        cosines, others = (similarities(rows, case.prompts, blocks) for rows in (x, judged))
        mean, spread = cosines.mean(axis=0), cosines.std(axis=0)
        x = np.hstack([x, COLUMN * (cosines - mean) / spread])
        judged = np.hstack([judged, COLUMN * (others - mean) / spread])
        blocks = (*blocks, y.shape[1])
    folds = make_folds(y, n_folds=N_FOLDS, seed=seed, groups=case.groups)
    splits = [np.flatnonzero(folds != fold) for fold in range(N_FOLDS)]
    n_rows = len(x)
    if way.captions:
        assert case.captions is not None
        x, y = np.vstack([x, case.captions]), np.vstack([y, y])
        splits = [np.append(rows, rows + n_rows) for rows in splits]
    fused = Fused(values=x, blocks=blocks, prompts=prompts)
    oof = np.empty((n_rows, y.shape[1]), dtype=np.float32)
    heads = list(way.head(seed).fit_folds(fused, y, splits))
    for fold, head in enumerate(heads):
        held = np.flatnonzero(folds == fold)
        oof[held] = head.predict_proba(x[held])
    final = heads[0].for_refit(heads).fit(x, y, blocks=blocks, prompts=prompts)
    scores = final.predict_proba(judged)
    out_of_fold = OutOfFold(
        ids=[str(row) for row in range(n_rows)],
        labels=tuple(map(str, range(y.shape[1]))),
        probabilities=oof,
        targets=case.y,
        folds=folds,
        groups=case.groups,
    )
    return scores, tune(out_of_fold, objective="macro-f1").decide(scores)


def similarities(x: FloatArray, prompts: FloatArray, blocks: tuple[int, ...]) -> FloatArray:
    """The cosine of each row to each prompt, (n, k), in the mean of the blocks."""
    ends, total = np.cumsum(blocks)[:-1], np.zeros((len(x), len(prompts)), dtype=np.float32)
    for rows, texts in zip(np.split(x, ends, axis=1), np.split(prompts, ends, axis=1), strict=True):
        lengths = np.linalg.norm(rows, axis=1, keepdims=True) * np.linalg.norm(texts, axis=1)
        total += rows @ texts.T / np.maximum(lengths, 1e-30) / len(blocks)
    return total


def tables(case: Case, n_seeds: int, heads: tuple[str, ...]) -> list[str]:
    """Tables of a case: macro-F1 tuned, mAP, and seconds; a column for each number of rows."""
    truth = case.y if case.judges is None else case.judges[1]
    cells: dict[str, list[list[str]]] = {}
    for number, size in enumerate(case.sizes()):
        found: dict[str, Judged] = {way: Judged() for way in ways_of(case, size, heads)}
        for seed in range(n_seeds):
            judge_all(found, case, size, seed)
        print(f"{case.title}: {size} rows", flush=True)
        values = {way: resampled(judged, truth, case.groups) for way, judged in found.items()}
        for way, judged in found.items():
            own, base = averages(judged, truth), WAYS[way].beside
            texts = [f"{value:.3f}" for value in own]
            if base and base != way:
                gaps = own - averages(found[base], truth)
                spreads = 1.96 * (values[way] - values[base]).std(axis=1)
                texts = [
                    f"{text}, {gap:+.3f} ± {spread:.3f}"
                    for text, gap, spread in zip(texts, gaps, spreads, strict=True)
                ]
            texts.append(f"{np.mean(judged.seconds):.2f}")
            cells.setdefault(way, [["", "", ""]] * number).append(texts)
    lines = []
    for at, what in enumerate(("macro-F1 tuned", "mAP", "seconds")):
        sizes = " | ".join(f"{size:,} rows" for size in case.sizes())
        lines += ["", f"| {what} | {sizes} |", "|---|" + "---:|" * len(case.sizes())]
        for way, row in cells.items():
            if at and way not in SHOWN:
                continue
            texts = [cell[at] for cell in row] + [""] * (len(case.sizes()) - len(row))
            lines.append(f"| {way} | {' | '.join(texts)} |")
    return lines


def ways_of(case: Case, size: int, heads: tuple[str, ...]) -> list[str]:
    """The ways that make sense with so many rows of a case."""
    return [
        name
        for name, way in WAYS.items()
        if (case.prompts is not None or not (way.prompts or way.columns))
        and (case.captions is not None or not way.captions)
        and name.startswith(heads)
        and size <= way.most
    ]


def judge_all(found: Mapping[str, Judged], case: Case, size: int, seed: int) -> None:
    """Add the scores of every way with this seed."""
    n_judged = len(case.x) if case.judges is None else len(case.judges[0])
    for way, judged in found.items():
        scores = np.empty((n_judged, case.y.shape[1]), dtype=np.float32)
        sets = np.empty(scores.shape, dtype=np.uint8)
        started = time.process_time()
        for part, x, rows in case.rounds(size, seed):
            scores[rows], sets[rows] = fit_and_judge(WAYS[way], part, x, seed)
        judged.seconds.append(time.process_time() - started)
        judged.scores[seed], judged.sets[seed] = scores, sets


def averages(judged: Judged, truth: Targets) -> Float64Array:
    """Macro-F1 and mAP, (2,), in the mean of the seeds."""
    names = ("macro_f1", "map")
    found = [
        metrics.summarise(judged.scores[seed], judged.sets[seed], truth, names=names)
        for seed in judged.scores
    ]
    return np.array([np.mean([one[name] or 0.0 for one in found]) for name in names])


def resampled(judged: Judged, truth: Targets, groups: IntArray | None) -> Float64Array:
    """Macro-F1 and mAP, (2, r), of the same resamples of the judged rows for all ways."""
    whole = np.zeros(len(truth), dtype=np.int64)  # these rows have no folds
    (block,) = draw_counts({None: whole}, groups=groups, n_resamples=N_RESAMPLES)
    _, counts = next(block)
    total = np.zeros((2, N_RESAMPLES))
    present = np.flatnonzero(truth.any(axis=0))
    for seed, scores in judged.scores.items():
        data = TuningData(probabilities=scores, targets=truth)
        total[0] += values_of("macro-f1", data, judged.sets[seed], counts)
        precision = [resampled_ap(scores[:, j], truth[:, j], counts) for j in present]
        total[1] += np.nanmean(precision, axis=0)
    return total / len(judged.scores)


if __name__ == "__main__":
    main()
