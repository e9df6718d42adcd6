"""Late fusions against concat and against the paper's way, on made-up scenes and on captions.

    python -m benchmarks.fit.late --data FOLDER [--folder DIR] [--seeds 5] [--heads logreg,mlp]
        [--tables demo coco18]

The scenes are those of the demo. Of the captions of COCO, 384 numbers each, the first half stands
for one modality and the second for another; 3,000 rows train and 5,000 others judge. Scores of the
sources are kept in --folder, so that an interrupted benchmark goes on there.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.coco18 import read_coco18, split
from benchmarks.paths import existing
from benchmarks.results import machine, write_section
from mmfeat import metrics
from mmfeat.decide.resampling import resampled_values
from mmfeat.decide.thresholds import TuningData
from mmfeat.decide.tune import tune
from mmfeat.demo.data import write_demo_data
from mmfeat.demo.job import Solution
from mmfeat.fit.fusion import get_late_fusion
from mmfeat.fit.models.head_model import HeadModel
from mmfeat.fit.stacking.stacker import Stacker
from mmfeat.metrics.probability import cell_log_loss
from mmfeat.runs.folds import Folds
from mmfeat.runs.folds.stratify import make_folds
from mmfeat.store.join.features import read_features
from mmfeat.types import Features, FloatArray, IntArray, OutOfFold, Predictions, Targets
from mmfeat_cli.demo.demo import run_command

N_ROWS, N_FOLDS = 3000, 3
TABLES = ("demo", "coco18")
SOURCES = ("image", "text", "concat")
# What is judged: a late fusion, what decides in it, and whether that learns in sample (Guo 2024).
WAYS = {
    "late-mean": ("late-mean", "full", False),
    "late-sum, in sample": ("late-sum", "full", True),
    "late-sum": ("late-sum", "chosen", False),
    "late-stack, full": ("late-stack", "full", False),
    "late-stack": ("late-stack", "chosen", False),
    "mixed, in sample": ("mixed", "full", True),
    "mixed": ("mixed", "chosen", False),
}
# A default and what it is compared with.
PAIRS = (
    ("late-sum", "concat"),
    ("late-sum", "late-sum, in sample"),
    ("late-stack", "concat"),
    ("mixed", "concat"),
    ("mixed", "mixed, in sample"),
)
COLUMNS = ("macro-F1 at 0.5", "macro-F1 tuned", "mAP", "log-loss", "nested − tuned")


@dataclass(frozen=True)
class Scores:
    """Of one source: out of fold, on the rows that judge, and in sample by each head."""

    oof: FloatArray
    judged: FloatArray
    inside: FloatArray  # (folds + 1, n, k), the final head last


class Judged:
    """One way with one seed, on rows that no choice has seen."""

    def __init__(
        self, oof: FloatArray, judged: FloatArray, train: Features, test: Features, folds: IntArray
    ) -> None:
        assert train.targets is not None
        assert test.targets is not None
        out_of_fold = OutOfFold(
            ids=train.ids,
            labels=train.labels,
            probabilities=oof,
            targets=train.targets,
            folds=folds,
        )
        decision = tune(out_of_fold, objective="macro-f1")
        self.half: Targets = (judged >= 0.5).astype(np.uint8)
        self.tuned = decision.decide(judged)
        nested = decision.oof["nested"]["macro_f1"] or 0.0
        at_half = metrics.summarise(judged, self.half, test.targets)
        tuned = metrics.summarise(judged, self.tuned, test.targets)["macro_f1"] or 0.0
        loss = float(cell_log_loss(judged, test.targets).mean())
        found = (at_half["macro_f1"] or 0.0, tuned, at_half["map"] or 0.0, loss)
        self.values = np.array((*found, nested - tuned))


def main() -> None:
    """Score the sources, stack them in every way, judge, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=existing, required=True)
    parser.add_argument("--folder", type=Path, help="where scenes and scores are kept")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--heads", default="logreg,mlp")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="mmfeat-late-"))
    lines = [
        "## Late fusions, concat and the paper's way",
        "",
        f"`python -m benchmarks.fit.late --data FOLDER`: {N_ROWS:,} rows to train on, {N_FOLDS}"
        f" folds, {options.seeds} seeds of folds and heads; means over the seeds, on rows that no"
        " choice has seen. Thresholds are tuned for macro-F1 out of fold; `nested` is what the run"
        f" says of itself, `in sample` is Guo 2024. {machine()}",
    ]
    folder.mkdir(parents=True, exist_ok=True)
    for name in options.tables:
        train, test = scenes(folder) if name == "demo" else halves(options.data)
        for head in options.heads.split(","):
            found: dict[str, dict[int, Judged]] = {}
            for seed in range(options.seeds):
                place = folder / f"{name}-{head}-{seed}.npz"
                for way, judged in judge_all(train, test, head=head, seed=seed, place=place):
                    found.setdefault(way, {})[seed] = judged
                print(f"{name} {head} seed {seed}", flush=True)
            lines += report(f"{name}, {head}", found, test)
    write_section("late", "\n".join(lines))


def scenes(folder: Path) -> tuple[Features, Features]:
    """The demo's scenes, those that judge with their hidden labels."""
    place = folder / "scenes"
    if not (place / "mmfeat.toml").exists():
        write_demo_data(place, n_train=N_ROWS, n_test=N_ROWS, seed=0)
    run_command(place, quiet=True)(("extract",))
    stores = place / "artifacts" / "features"
    train, test = (read_features([stores / f"{part}.h5"]) for part in ("train", "test"))
    nothing = np.zeros((test.n_rows, len(train.labels)), np.float32)
    rows = Predictions(ids=test.ids, labels=train.labels, probabilities=nothing)
    truth = Solution.read(place / "solution.csv").aligned(rows)
    return train, replace(test, targets=truth, labels=train.labels)


def halves(data: Path) -> tuple[Features, Features]:
    """Captions of COCO, whose numbers are dealt to two modalities."""
    features = read_coco18(data)
    numbers = features.embeddings["text"][0]
    width = numbers.shape[1] // 2
    parts = {"image": (numbers[:, :width],), "text": (numbers[:, width:],)}
    train, test = split(replace(features, embeddings=parts))
    rows = np.random.default_rng(7).permutation(train.n_rows)[:N_ROWS]
    return train.take(np.sort(rows)), test


def judge_all(
    train: Features, test: Features, *, head: str, seed: int, place: Path
) -> list[tuple[str, Judged]]:
    """Every source, and every way to stack them."""
    assert train.targets is not None
    folds = make_folds(train.targets, n_folds=N_FOLDS, seed=seed)
    sources = read_or_score(train, test, folds, head=head, seed=seed, place=place)
    found = {name: (scores.oof, scores.judged) for name, scores in sources.items()}
    found |= {way: stack(sources, train.targets, folds, way=way, seed=seed) for way in WAYS}
    return [(way, Judged(*pair, train, test, folds)) for way, pair in found.items()]


def read_or_score(
    train: Features, test: Features, folds: IntArray, *, head: str, seed: int, place: Path
) -> dict[str, Scores]:
    """The scores of each source, from `place` where an earlier call has left them."""
    if place.exists():
        with np.load(place) as kept:
            return {name: Scores(*(kept[f"{name}_{i}"] for i in range(3))) for name in SOURCES}
    found = {}
    for name in SOURCES:
        model = HeadModel.make(head=head, fusion=name, seed=seed)
        oof = np.empty((train.n_rows, len(train.labels)), dtype=np.float32)
        for _, rows, values in model.cross_validate(train, Folds(folds)):
            oof[rows] = values
        judged = model.fit(train).predict_proba({(): test})
        heads = (*model.folds_, *model.fitted)
        inside = np.stack(model.source.predict_proba(train, heads))
        found[name] = Scores(oof, judged, inside)
    arrays = {
        f"{name}_{i}": array
        for name, scores in found.items()
        for i, array in enumerate((scores.oof, scores.judged, scores.inside))
    }
    np.savez_compressed(place, **arrays)  # type: ignore[arg-type]
    return found


def stack(
    sources: Mapping[str, Scores], y: Targets, folds: IntArray, *, way: str, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Scores of the training rows, out of fold, and of the rows that judge."""
    fusion, decision, in_sample = WAYS[way]
    late = get_late_fusion(fusion)
    unfitted = Stacker.build(late, settings={}, seed=seed, loss="bce", decision=decision)
    chosen = {name: sources[name] for name in late.sources}

    def learned(fold: int) -> dict[str, FloatArray]:
        return {name: s.inside[fold] if in_sample else s.oof for name, s in chosen.items()}

    def taken(scores: Mapping[str, FloatArray], rows: IntArray) -> dict[str, FloatArray]:
        return {name: values[rows] for name, values in scores.items()}

    out_of_fold = {name: scores.oof for name, scores in chosen.items()}
    stackers, costs = [], np.zeros((N_FOLDS, 3))
    for fold in range(N_FOLDS):
        train, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        stackers.append(unfitted.copy().fit(taken(learned(fold), train), y[train]))
        costs[fold] = stackers[fold].costs(taken(out_of_fold, held), y[held])
    oof = np.empty(y.shape, dtype=np.float32)
    for fold, stacker in enumerate(stackers):
        held = np.flatnonzero(folds == fold)
        best = stacker.choose(costs.sum(axis=0) - costs[fold])
        oof[held] = best.predict(taken(out_of_fold, held))
    final = unfitted.choose(costs.sum(axis=0)).for_refit(stackers).fit(learned(N_FOLDS), y)
    return oof, final.predict({name: scores.judged for name, scores in chosen.items()})


def report(title: str, found: Mapping[str, dict[int, Judged]], test: Features) -> list[str]:
    """Two tables: every way, and the paired differences of the defaults."""
    lines = [
        "",
        f"**{title}**",
        "",
        f"| | {' | '.join(COLUMNS)} |",
        "|---|" + "---:|" * len(COLUMNS),
    ]
    for way, runs in found.items():
        values = np.mean([one.values for one in runs.values()], axis=0)
        lines.append(f"| {way} | " + " | ".join(f"{value:.4f}" for value in values) + " |")
    lines += [
        "",
        "| macro-F1 of … | minus that of … | at 0.5 | tuned |",
        "|---|---|---:|---:|",
    ]
    for ours, theirs in PAIRS:
        cells = [difference(found[ours], found[theirs], test, how) for how in ("half", "tuned")]
        lines.append(f"| {ours} | {theirs} | {' | '.join(cells)} |")
    return lines


def difference(
    ours: Mapping[int, Judged], theirs: Mapping[int, Judged], test: Features, how: str
) -> str:
    """The mean difference, and its 95 % interval over the judged rows, the same for all seeds."""
    assert test.targets is not None
    nothing = np.zeros(test.targets.shape, np.float32)
    data = TuningData(probabilities=nothing, targets=test.targets)
    whole = np.zeros(test.n_rows, dtype=np.int64)  # these rows have no folds
    sides = {"ours": ours, "theirs": theirs}
    values = resampled_values(
        "macro-f1",
        data,
        dict.fromkeys(ours, whole),
        {
            side: {seed: getattr(one, how) for seed, one in runs.items()}
            for side, runs in sides.items()
        },
    )
    gap = values["ours"] - values["theirs"]
    low, high = np.quantile(gap, (0.025, 0.975))
    at = COLUMNS.index("macro-F1 at 0.5" if how == "half" else "macro-F1 tuned")
    means = [np.mean([one.values[at] for one in runs.values()]) for runs in (ours, theirs)]
    return f"{means[0] - means[1]:+.4f} ({low:+.4f} to {high:+.4f})"


if __name__ == "__main__":
    main()
