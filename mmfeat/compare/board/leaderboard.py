"""The leaderboard: runs ranked best first, and which of them are distinguishable.

Runs that differ only in their seed are one entry. Entries are ranked by `nested`, the objective on
held-out folds. Each is compared with the best on the same resamples of folds and rows
(`mmfeat.decide.resampling`), and is `tied` with it if the interval of the difference contains
zero. These intervals hold for all entries at once, and the estimate of the best is told together
with what it was chosen from (`mmfeat.compare.board.choice`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmfeat.compare.board.choice import Choice, choose_elsewhere, judge_choice, n_deviations
from mmfeat.compare.board.judged import ROWS_ALONE, Judged, are_same, judge_all
from mmfeat.compare.board.stage_one import StageOne, read_stage_one, set_name
from mmfeat.compare.quick.sketch import tell_sketch
from mmfeat.config import USUAL_THRESHOLDS, ThresholdSettings
from mmfeat.core.files import write_text
from mmfeat.core.workspace import Workspace
from mmfeat.decide.forecast import judging_data
from mmfeat.decide.resampling import interval, resampled_values
from mmfeat.decide.same_labels import SameLabels, judge_same_labels
from mmfeat.runs.config import FeatureSets
from mmfeat.runs.run import Run
from mmfeat.types import Float64Array

if TYPE_CHECKING:
    import pandas as pd

CHOSEN = ""  # the prediction of the choice among resampled cells, whose names are never empty


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A cell of the comparison over its seeds.

    Attributes
    ----------
    runs
        Names of its runs, one per seed.
    at_half, tuned, nested
        The objective at 0.5, with thresholds chosen on the rows they are judged on, and with
        thresholds chosen on the other folds; means over the seeds.
    interval
        95 % interval of `nested`, over folds and rows.
    deviation
        Standard deviation of `nested` over the seeds; None for one seed.
    difference, difference_interval
        `nested` minus that of the best entry, and its interval, paired: in 95 % of comparisons
        all of them hold at once.
    tied
        Whether it is not distinguishable from the best entry.
    seconds, bytes, peak_memory
        Duration of the fit and size of the saved head, means over the seeds; peak memory of the
        fit, the maximum over the seeds.
    """

    head: str
    fusion: str
    loss: str | None
    features: FeatureSets
    settings: dict[str, str]
    runs: tuple[str, ...]
    at_half: float
    tuned: float
    nested: float
    interval: tuple[float, float]
    deviation: float | None
    difference: float
    difference_interval: tuple[float, float]
    tied: bool
    seconds: float
    bytes: int
    peak_memory: int | None


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """Entries, best first, by one objective; and what the best one is expected to reach.

    `choice` is None for fewer than two entries, `same_labels` for objectives with a floor.
    `stage_one` has the cost of each of the feature sets that are compared; it is empty where all
    entries have the same. `same_folds` says whether all entries are judged by the same folds; of
    different seeds, only rows are paired. A `sketch` says so.
    """

    objective: str
    entries: tuple[Entry, ...]
    choice: Choice | None = None
    same_labels: SameLabels | None = None
    stage_one: tuple[StageOne, ...] = ()
    same_folds: bool = True
    sketch: str = ""

    @property
    def feature_sets(self) -> tuple[FeatureSets, ...]:
        """The feature sets of its entries, each once."""
        return tuple(dict.fromkeys(entry.features for entry in self.entries))

    @property
    def tied(self) -> tuple[Entry, ...]:
        """The best entry and those that are not distinguishable from it."""
        return tuple(entry for entry in self.entries if entry.tied)

    def to_frame(self) -> pd.DataFrame:
        """Give one row per entry, best first, with the columns of `leaderboard.csv`."""
        import pandas as pd  # noqa: PLC0415 - a third of a second, for this alone

        return pd.DataFrame(self.rows())

    def rows(self) -> list[dict[str, Any]]:
        """Give one row per entry, best first, by the columns of `leaderboard.csv`."""
        if self.sketch or not self.stage_one:
            of = {"sketch": self.sketch} if self.sketch else {}
            return [_row(entry) | of for entry in self.entries]
        costs = {each.features: each for each in self.stage_one}
        names = ("bytes_per_1000", "seconds_per_1000")
        return [
            {
                **_row(entry),
                **{f"stage_one_{n}": getattr(costs.get(entry.features), n, None) for n in names},
            }
            for entry in self.entries
        ]

    def name_of(self, entry: Entry) -> str:
        """An entry in a few words, with its feature sets where several are compared."""
        on = f" on {set_name(entry.features, self.stage_one)}" if len(self.feature_sets) > 1 else ""
        return f"{name_of(entry)}{on}"

    def to_json(self) -> dict[str, Any]:
        """Give the fields as JSON holds them, and the verdict."""
        return {**asdict(self), "verdict": self.verdict()}

    def verdict(self) -> str:
        """The result of the comparison, in one sentence."""
        best, of = self.entries[0], self.sketch and f"{self.sketch}; "
        if len(self.entries) == 1:
            of += f"{self.name_of(best)} reaches {self.objective}"
            return f"{of} {best.nested:.4f}; it is the only entry"
        apart = "" if self.same_folds else f"; {ROWS_ALONE}"
        if self.tied[1:]:
            return (
                f"{of}these {len(self.tied)} are not distinguishable by {self.objective}"
                f" (95 %, all at once{apart}): {_some(map(self.name_of, self.tied))}"
            )
        return (
            f"{of}{self.name_of(best)} is best by {self.objective};"
            f" every other entry is significantly worse (95 %, all at once{apart})"
        )


def make_leaderboard(
    runs: Sequence[Run], *, objective: str, thresholds: ThresholdSettings = USUAL_THRESHOLDS
) -> Leaderboard:
    """Compare finished runs of the same rows and labels.

    `thresholds` have the beta and floor of the objective.

    Runs that are not tuned for `objective` are tuned here, without changing them. Raises
    `RunError` if the runs have different rows, labels or targets, or held rows out in different
    ways.
    """
    if not runs:
        return Leaderboard(objective=objective, entries=())
    first, aim = runs[0].oof, replace(thresholds, objective=objective)
    judged: dict[str, list[Judged]] = {}
    for one in judge_all(runs, aim):
        judged.setdefault(repr(replace(one.config, seed=0)), []).append(one)
    groups = {name: sorted(each, key=lambda one: one.config.seed) for name, each in judged.items()}
    entries = {name: _entry(group) for name, group in groups.items()}
    data = judging_data(first, next(iter(groups.values()))[0].decision)
    folds = {one.way: one.folds for group in groups.values() for one in group}
    cells = {name: {one.way: one.held_out for one in group} for name, group in groups.items()}
    chosen = choose_elsewhere(objective, data, folds, cells)
    values = resampled_values(objective, data, folds, {**cells, CHOSEN: chosen})
    of_choice = values.pop(CHOSEN)
    best = max(entries, key=lambda name: entries[name].nested)
    width = n_deviations(np.stack(list(values.values())))
    compared = [
        _compare(entry, entries[best], values[name], values[best], width=width)
        for name, entry in entries.items()
    ]
    choice = judge_choice(
        objective, data, chosen, of_choice, n_cells=len(cells), best=entries[best].nested
    )
    return Leaderboard(
        objective=objective,
        entries=tuple(sorted(compared, key=lambda entry: -entry.nested)),
        choice=choice if len(cells) > 1 else None,
        same_labels=judge_same_labels(objective, data, folds.values(), low=choice.interval[0]),
        sketch=tell_sketch(runs[0].provenance["stores"]),
        same_folds=are_same(folds) or len({frozenset(cell) for cell in cells.values()}) == 1,
    )


def add_stage_one(board: Leaderboard, workspace: Workspace, split: str) -> Leaderboard:
    """Add what its feature sets cost, from the stores of `split`, where it compares several."""
    if len(board.feature_sets) < 2:
        return board
    return replace(board, stage_one=read_stage_one(workspace, split, board.feature_sets))


def name_of(entry: Entry) -> str:
    """An entry in a few words: head, fusion and loss."""
    return " × ".join(part for part in (entry.head, entry.fusion, entry.loss) if part)


def _some(names: Iterable[str], *, most: int = 5) -> str:
    """The first of many names, and how many more there are."""
    listed = list(names)
    more = [f"… and {len(listed) - most} more"] if len(listed) > most else []
    return ", ".join([*listed[:most], *more])


def write_leaderboard(path: Path, board: Leaderboard) -> None:
    """Replace `path` by the entries as CSV; the column `run` has the names of all seeds' runs."""
    text = io.StringIO()
    rows = board.rows()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "head": entry.head,
        "fusion": entry.fusion,
        "loss": entry.loss or "-",
        "features": ",".join(entry.features),
        "settings": " ".join(f"{key}={value}" for key, value in entry.settings.items()),
        "at_0.5": entry.at_half,
        "tuned": entry.tuned,
        "nested": entry.nested,
        "nested_low": entry.interval[0],
        "nested_high": entry.interval[1],
        "deviation": entry.deviation,
        "difference": entry.difference,
        "difference_low": entry.difference_interval[0],
        "difference_high": entry.difference_interval[1],
        "tied": entry.tied,
        "seconds": round(entry.seconds, 2),
        "bytes": entry.bytes,
        "peak_memory": entry.peak_memory,
        "run": " ".join(entry.runs),
    }


def _entry(group: Sequence[Judged]) -> Entry:
    """The entry of one cell, compared with nothing yet; see `_compare`."""
    config = group[0].config
    nested = np.array([one.worth("nested") for one in group])
    peaks = [one.metrics["peak_memory"] for one in group if "peak_memory" in one.metrics]
    return Entry(
        head=config.head,
        fusion=config.fusion,
        loss=config.loss,
        features=config.features,
        settings=config.settings,
        runs=tuple(one.name for one in group),
        at_half=float(np.mean([one.worth("at_0.5") for one in group])),
        tuned=float(np.mean([one.worth("tuned") for one in group])),
        nested=float(nested.mean()),
        interval=(np.nan, np.nan),
        deviation=float(nested.std(ddof=1)) if len(group) > 1 else None,
        difference=0.0,
        difference_interval=(0.0, 0.0),
        tied=True,
        seconds=float(np.mean([sum(one.metrics["seconds"].values()) for one in group])),
        bytes=round(float(np.mean([one.metrics["bytes"] for one in group]))),
        peak_memory=max(peaks, default=None),
    )


def _compare(
    entry: Entry, best: Entry, values: Float64Array, best_values: Float64Array, *, width: float
) -> Entry:
    """Compare with the best: the interval reaches `width` standard deviations to both sides."""
    difference = entry.nested - best.nested
    reach = width * float((values - best_values).std())
    return replace(
        entry,
        interval=interval(values, entry.nested),
        difference=difference,
        difference_interval=(difference - reach, difference + reach),
        tied=difference + reach >= 0,
    )
