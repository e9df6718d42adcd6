"""Whether intervals and rules are right: simulations in which the truth is known.

    OMP_NUM_THREADS=1 python -m benchmarks.decide.coverage [--quick] [--only PART,PART]

Each part has a section of its own in RESULTS.md. Scores: those of two heads whose numbers correlate
by 0.9 (`benchmarks.decide.simulated`). Heads: logistic regressions with a chosen C, and with
C = 0.1, on 64 normal features, whose refit is judged on new rows. Folds: the same of small tables,
by more folds. Boards: cells that are equal in truth. Every table is drawn anew, with new folds;
errors of a coverage of 95 % over 100 draws are 2.2 points. The tables are small, so that a second
thread only waits.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, product

import numpy as np

from benchmarks.decide.simulated import (
    N_FEATURES,
    N_FOLDS,
    Case,
    Features,
    deal,
    draw_scores,
    true_value,
)
from benchmarks.results import machine, write_section
from mmfeat.compare.board.choice import Way, choose_elsewhere, judge_choice, n_deviations
from mmfeat.config import FOLDS, MOST_FOLDS
from mmfeat.decide.nested import Nested, nested
from mmfeat.decide.resampling import interval, resampled_values
from mmfeat.decide.thresholds import HALF, TuningData
from mmfeat.decide.thresholds.choose import choose_thresholds
from mmfeat.decide.thresholds.evaluate import value_of
from mmfeat.decide.tune import intervals
from mmfeat.fit.heads.logreg import LogReg
from mmfeat.runs.folds.stratify import make_folds
from mmfeat.types import Fused, IntArray, Targets

OBJECTIVE = "macro-f1"
CORRELATION = 0.9
NAMES = ("at_0.5", "nested", "gain", "pair")
DRAWS = {300: 100, 1_000: 60, 3_000: 30, 30_000: 12}  # tables by their number of rows
HEAD_DRAWS, MOST_LEARNT = 30, 1_000  # tables, and their rows
FOLD_DRAWS, NUMBERS_OF_FOLDS = 20, (FOLDS, MOST_FOLDS)  # of the smallest tables with few labels
BOARDS, BOARD_DRAWS = (12, 24), {300: 40, 1_000: 20}  # cells, and boards
FEW_LABELS, MANY_ROWS = 5, 30_000  # the largest tables have few labels
RULES = ("always", "interval not below", "nested above", "interval above", "never")


@dataclass(frozen=True)
class Trial:
    """One table: estimates, their intervals and the truth by `NAMES`."""

    estimates: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]
    truth: tuple[float, ...]

    def covers(self, at: int) -> bool:
        """Whether an interval holds the truth."""
        return self.intervals[at][0] <= self.truth[at] <= self.intervals[at][1]

    @property
    def reached(self) -> tuple[float, ...]:
        """What each of `RULES` reaches on new rows."""
        at_half, tuned = self.truth[:2]
        gain, (low, high) = self.estimates[2], self.intervals[2]
        picks = (True, high >= 0, gain > 0, low > 0, False)
        return tuple(tuned if pick else at_half for pick in picks)


def judge(
    data: tuple[TuningData, TuningData], folds: IntArray, truth: tuple[float, float, float]
) -> Trial:
    """Estimates and intervals of two heads; the truth is at 0.5, tuned, and of the other."""
    one, other = (nested(each, folds, OBJECTIVE) for each in data)
    half = data[0].predict(np.full(data[0].n_labels, HALF))
    found = intervals(OBJECTIVE, data[0], folds, half=half, held_out=one.sets)
    at_half, difference = value_of(OBJECTIVE, data[0], half), one.value - other.value
    return Trial(
        estimates=(at_half, one.value, one.value - at_half, difference),
        intervals=(
            *((low, high) for low, high in found.values()),
            _paired(data[0], folds, one, other),
        ),
        truth=(truth[0], truth[1], truth[1] - truth[0], truth[1] - truth[2]),
    )


def _paired(data: TuningData, folds: IntArray, one: Nested, other: Nested) -> tuple[float, float]:
    sets = {"one": {0: one.sets}, "other": {0: other.sets}}
    values = resampled_values(OBJECTIVE, data, {0: folds}, sets)
    return interval(values["one"] - values["other"], one.value - other.value)


def trials_of_scores(case: Case, draws: int) -> Iterator[Trial]:
    """Tables of scores alone."""
    for draw in range(draws):
        rng = np.random.default_rng([draw, case.n_rows, case.n_labels])
        scores, targets, groups = draw_scores(case, rng, 2, CORRELATION)
        folds = deal(case.n_rows, groups, rng)
        one, other = (
            TuningData(probabilities=each, targets=targets, groups=groups) for each in scores
        )
        tuned = [
            true_value(case, choose_thresholds(each, objective=OBJECTIVE)) for each in (one, other)
        ]
        at_half = true_value(case, np.full(case.n_labels, HALF))
        yield judge((one, other), folds, (at_half, tuned[0], tuned[1]))


def trials_of_heads(case: Case, draws: int, n_folds: int) -> Iterator[Trial]:
    """Tables on which heads learn; the refit is judged on `N_JUDGED` new rows."""
    world = Features(case)
    for draw in range(draws):
        rng = np.random.default_rng([draw, case.n_rows, case.n_labels])
        x, targets, groups = world.draw(case, rng)
        folds = make_folds(targets, n_folds=n_folds, seed=draw, groups=groups)
        splits = [np.flatnonzero(folds != fold) for fold in range(n_folds)]
        data, truth = [], []
        for head in (LogReg(), LogReg(C=0.1)):
            oof = np.zeros(targets.shape, dtype=np.float32)
            fused = Fused(values=x, blocks=(N_FEATURES,))
            fits = list(head.fit_folds(fused, targets, splits))
            for fold, fitted in enumerate(fits):
                oof[folds == fold] = fitted.predict_proba(x[folds == fold])
            data.append(TuningData(probabilities=oof, targets=targets, groups=groups))
            new = TuningData(
                probabilities=head.for_refit(fits).fit(x, targets).predict_proba(world.x),
                targets=world.y,
            )
            chosen = choose_thresholds(data[-1], objective=OBJECTIVE)
            halves = np.full(case.n_labels, HALF)
            truth.append([value_of(OBJECTIVE, new, new.predict(t)) for t in (halves, chosen)])
        yield judge((data[0], data[1]), folds, (truth[0][0], truth[0][1], truth[1][1]))


def coverage_table(trials: dict[Case, list[Trial]]) -> str:
    """Bias and coverage of each interval: the mean over kinds of tables, and their range."""
    columns = " | ".join(f"{name}: bias | covers" for name in NAMES)
    lines = [f"| rows | kinds | {columns} |", "|---:|---:|" + "---:|" * (2 * len(NAMES))]
    for n_rows, of_size in by_rows(trials).items():
        cells = []
        for at in range(len(NAMES)):
            bias = [np.mean([e.estimates[at] - e.truth[at] for e in found]) for found in of_size]
            held = [100 * np.mean([each.covers(at) for each in found]) for found in of_size]
            cells += [
                f"{np.mean(bias):+.3f} ({min(bias):+.3f} to {max(bias):+.3f})",
                f"{np.mean(held):.0f} % ({min(held):.0f} to {max(held):.0f})",
            ]
        lines.append(f"| {n_rows:,} | {len(of_size)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def by_rows(trials: Mapping[Case, list[Trial]]) -> dict[int, list[list[Trial]]]:
    """The trials of each kind of table, by the number of rows."""
    sizes = groupby(trials, key=lambda case: case.n_rows)
    return {n_rows: [trials[case] for case in of_size] for n_rows, of_size in sizes}


def regret_table(trials: dict[Case, list[Trial]]) -> str:
    """What each rule loses against the better of `always` and `never`, in the worst kind."""
    title = "What a rule to leave 0.5 loses against the better of always and never, at worst:\n"
    lines = [title, f"| rows | {' | '.join(RULES)} |", "|---:|" + "---:|" * len(RULES)]
    for n_rows, of_size in by_rows(trials).items():
        reached = np.array([np.mean([e.reached for e in found], axis=0) for found in of_size])
        worst = np.max(reached[:, [0, -1]].max(axis=1)[:, None] - reached, axis=0)
        lines.append(f"| {n_rows:,} | {' | '.join(f'{value:.4f}' for value in worst)} |")
    return "\n".join(lines)


def board_table(sizes: list[tuple[int, int]], draws: Mapping[int, int]) -> str:
    """Boards of `BOARDS` cells that are equal in truth: (rows, labels)."""
    lines = [
        "| rows | labels | cells | boards | best is too good by | said to be | left | all tied |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for n_rows, n_labels in sizes:
        case = Case(n_rows, n_labels, rare=False, grouped=False)
        found = [
            list(_equal_boards(case, np.random.default_rng([draw, n_rows])))
            for draw in range(draws[n_rows])
        ]
        for n_cells, (too_good, told, tied) in zip(BOARDS, np.mean(found, axis=0), strict=True):
            lines.append(
                f"| {n_rows:,} | {n_labels} | {n_cells} | {len(found)} | {too_good:+.4f} |"
                f" {told:+.4f} | {too_good - told:+.4f} | {100 * tied:.0f} % |"
            )
    return "\n".join(lines)


def _equal_boards(case: Case, rng: np.random.Generator) -> Iterator[tuple[float, float, bool]]:
    """Boards of the first of many equal cells, by `BOARDS`.

    By how much the best is too good, what is said of it, and whether all cells are tied.
    """
    scores, targets, _ = draw_scores(case, rng, max(BOARDS), CORRELATION)
    folds, way = deal(case.n_rows, None, rng), (N_FOLDS, 0)
    tables = [TuningData(probabilities=each, targets=targets) for each in scores]
    found = [nested(each, folds, OBJECTIVE) for each in tables]
    truth = [true_value(case, choose_thresholds(each, objective=OBJECTIVE)) for each in tables]
    for n_cells in BOARDS:
        cells: dict[str, dict[Way, Targets]] = {
            str(at): {way: each.sets} for at, each in enumerate(found[:n_cells])
        }
        chosen = choose_elsewhere(OBJECTIVE, tables[0], {way: folds}, cells)
        values = resampled_values(OBJECTIVE, tables[0], {way: folds}, {**cells, "": chosen})
        of_choice, worth = values.pop(""), [each.value for each in found[:n_cells]]
        best = int(np.argmax(worth))
        choice = judge_choice(
            OBJECTIVE, tables[0], chosen, of_choice, n_cells=n_cells, best=worth[best]
        )
        matrix = np.stack(list(values.values()))
        apart = n_deviations(matrix) * (matrix - matrix[best]).std(axis=1)
        is_tied = all(worth[best] - each <= apart[at] for at, each in enumerate(worth))
        yield choice.best - truth[best], choice.optimism, is_tied


def measure_scores(cases: list[Case], *, quick: bool) -> list[str]:
    """Tables of scores alone."""
    found = {
        case: list(trials_of_scores(case, 10 if quick else DRAWS[case.n_rows])) for case in cases
    }
    return [
        "Scores alone: bias of estimates of macro-F1, and how often 95 % intervals hold the truth;"
        " mean over the kinds of tables (least to most):",
        coverage_table(found),
        regret_table(found),
    ]


def measure_heads(cases: list[Case], *, quick: bool) -> list[str]:
    """Tables on which heads learn."""
    found = {
        case: list(trials_of_heads(case, 5 if quick else HEAD_DRAWS, case.n_folds))
        for case in cases
        if case.n_rows <= MOST_LEARNT
    }
    return [
        "Logistic regressions of 64 features, judged as they were refitted on all rows;"
        f" {len(next(iter(found.values())))} tables of each kind, by the default number of folds,"
        " 5 to 20; mean over the kinds (least to most):",
        coverage_table(found),
        regret_table(found),
    ]


def measure_folds(cases: list[Case], *, quick: bool) -> list[str]:
    """The smallest tables on which heads learn, with few labels, by several numbers of folds."""
    small = [case for case in cases if (case.n_rows, case.n_labels) == (min(DRAWS), FEW_LABELS)]
    draws, told = 5 if quick else FOLD_DRAWS, []
    for n_folds in NUMBERS_OF_FOLDS:
        found = {case: list(trials_of_heads(case, draws, n_folds)) for case in small}
        told += [f"{draws} tables of each kind, by {n_folds} folds:", coverage_table(found)]
    return told


def measure_boards(cases: list[Case], *, quick: bool) -> list[str]:
    """Boards of equal cells."""
    sizes = [
        (case.n_rows, case.n_labels)
        for case in cases
        if case.n_rows <= MOST_LEARNT and not case.rare and not case.grouped
    ]
    return [
        "Boards of cells that are equal in truth:",
        board_table(sizes, dict.fromkeys(BOARD_DRAWS, 10) if quick else BOARD_DRAWS),
    ]


PARTS = {
    **{"scores": measure_scores, "heads": measure_heads},
    **{"folds": measure_folds, "boards": measure_boards},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few draws of small tables")
    parser.add_argument("--only", default=",".join(PARTS), help="parts to measure")
    options = parser.parse_args()
    kinds = list(product((FEW_LABELS, 20), (False, True), (False, True)))
    cases = [
        Case(n, *kind)
        for n in ((300,) if options.quick else DRAWS)
        for kind in kinds
        if n < MANY_ROWS or kind[0] == FEW_LABELS
    ]
    for name in options.only.split(","):
        told = PARTS[name](cases, quick=options.quick)
        head = f"## Coverage: {name}\n\n{machine()}"
        write_section(f"coverage-{name}", "\n\n".join([head, *told]))


if __name__ == "__main__":
    main()
