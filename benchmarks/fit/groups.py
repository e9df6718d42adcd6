"""Are estimates honest where rows are related? Groups are held out, and the estimate is judged.

    python -m benchmarks.fit.groups --data FOLDER [--draws 20] [--heads logreg,mlp,knn]
        [--folds groups,rows]

FOLDER has `items.csv` (ImageID, Labels separated by |, Group) and `image.npy`, whose rows belong
together. Each draw holds out a quarter of the groups; four draws hold out each group once, so that
the mean over them does not depend on which groups are hard. The others are fitted and tuned, with
the column of groups and without it, and `nested` is compared with the value on the held-out groups.
Near-copies are kept together in both, as by default. Macro-F1 is of the classes that occur on both
sides. Each head has a section of its own, so that heads can be measured one at a time.

The held-out rows are few, so their value varies by itself. The interval is for the value on
endlessly many rows. The held-out rows are a third of those that give the estimate, so the
difference of the two has four times the variance of the estimate: a right 95 % interval holds the
value on the held-out rows in 67 % of draws. The forecast is for a test of as many rows, and is to
hold it in 95 %.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import mmfeat
from benchmarks.paths import existing
from benchmarks.results import machine, write_section
from mmfeat import metrics
from mmfeat.core.workspace import Workspace
from mmfeat.fit.related import curve_of
from mmfeat.runs.tune import forecast
from mmfeat.store import open_features
from mmfeat.types import FloatArray

PARTS = 4  # of the groups; each is held out once
OBJECTIVES = ("macro-f1", "samples-f1")


@dataclass(frozen=True)
class Estimate:
    """What a run said of itself, and what came true."""

    head: str
    objective: str
    folds: str  # of groups or of rows
    said: float
    true: float
    is_covered: bool
    is_foreseen: bool
    is_warned: bool  # of near neighbours


def main() -> None:
    """Draw, fit, judge, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=existing, required=True)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--heads", default="logreg,mlp,knn")
    parser.add_argument("--folds", default="groups,rows", help="with the column, without it")
    options = parser.parse_args()
    items = pd.read_csv(options.data / "items.csv", dtype=str)
    images = np.load(options.data / "image.npy")
    folds = options.folds.split(",")
    for head in options.heads.split(","):
        found: list[Estimate] = []
        for draw in range(options.draws):
            of_draw = judge(items, images, head=head, folds=folds, seed=draw)
            found += of_draw
            print(draw, *of_draw, sep="\n", flush=True)
        name = f"groups-{options.data.name}-{head}"
        write_section(name, table(found, head=head, data=options.data.name, draws=options.draws))


def table(found: list[Estimate], *, head: str, data: str, draws: int) -> str:
    """The section of a head."""
    frame = pd.DataFrame(map(vars, found))
    kinds = frame.folds.unique()
    lines = [
        f"## Estimates where rows are related: {data}, {head}",
        "",
        f"`python -m benchmarks.fit.groups --heads {head} --folds {','.join(kinds)}`; {machine()}",
        "",
        f"{draws} draws, each with a quarter of the groups held out; four hold out each group"
        " once. Said minus true: mean over the draws. The interval is for endlessly many rows: it"
        " holds the value on a quarter in 67 % of draws where it is right. The forecast is for a"
        " test of as many rows: 95 %.",
        "",
        "| objective | folds | said | true | said minus true | in the interval | in the forecast |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for (objective, folds), part in frame.groupby(["objective", "folds"]):
        said, true = part.said.mean(), part.true.mean()
        lines.append(
            f"| {objective} | of {folds} | {said:.3f} | {true:.3f} | {said - true:+.3f}"
            f" | {part.is_covered.mean():.0%} | {part.is_foreseen.mean():.0%} |"
        )
    without = frame[frame.folds == "rows"]
    if len(without):
        lines += [
            "",
            "Without the column, the curve of near neighbours warns in"
            f" {without.is_warned.mean():.0%} of the draws.",
        ]
    return "\n".join(lines)


def judge(
    items: pd.DataFrame, images: FloatArray, *, head: str, folds: list[str], seed: int
) -> list[Estimate]:
    """Fit one draw with folds of groups, of rows or both."""
    groups = np.random.default_rng(seed // PARTS).permutation(items.Group.unique())
    chosen = np.array_split(groups, PARTS)[seed % PARTS]
    is_test = items.Group.isin(chosen).to_numpy()
    found = []
    with tempfile.TemporaryDirectory(prefix="mmfeat-groups-") as name:
        for kind in folds:
            root = Path(name) / kind
            root.mkdir()
            for split, rows in (("train", ~is_test), ("test", is_test)):
                items[rows].to_csv(root / f"{split}.csv", index=False)
                np.save(root / f"{split}.npy", images[rows])
                mmfeat.import_embeddings(
                    root / f"{split}.csv",
                    image=root / f"{split}.npy",
                    workspace=root,
                    label_sep="|",
                    group_cols=["Group"] if kind == "groups" else None,
                )
            found += estimates_of(root, head, folds=kind)
    return found


def estimates_of(root: Path, head: str, *, folds: str) -> list[Estimate]:
    """Fit a head, tune it for each objective, and judge it on the test."""
    run = mmfeat.fit(head=head, fusion="image", workspace=root)
    space, found = Workspace(root), []
    with open_features(space.stores("train", ())) as rows:
        curve = curve_of(run, space, rows)
    for objective in OBJECTIVES:
        decision = mmfeat.tune(run, objective=objective, workspace=root)
        answer = mmfeat.predict(run, split="test", objective=objective, workspace=root)
        with mmfeat.open_store(root / "features" / "test.h5") as store:
            assert store.targets is not None
            place = {label: column for column, label in enumerate(store.labels)}
            shared = [label for label in run.labels if label in place]
            truth = store.targets[:, [place[label] for label in shared]]
        sets = answer.label_sets[:, [run.labels.index(label) for label in shared]]
        occurs = truth.any(axis=0) if objective == "macro-f1" else slice(None)
        measure = objective.replace("-", "_")
        said = decision.oof["nested"][measure]
        true = metrics.summarise(None, sets[:, occurs], truth[:, occurs], names=(measure,))[measure]
        assert said is not None and true is not None
        foreseen = forecast(run, n_rows=len(truth), objective=objective)
        is_covered, is_foreseen = (
            low <= true <= high for low, high in (decision.intervals["nested"], foreseen)
        )
        found.append(
            Estimate(
                head=head,
                objective=objective,
                folds=folds,
                said=said,
                true=true,
                is_covered=is_covered,
                is_foreseen=is_foreseen,
                is_warned=curve is not None and curve.fallen is not None,
            )
        )
    return found


if __name__ == "__main__":
    main()
