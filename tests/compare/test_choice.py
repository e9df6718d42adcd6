"""The choice among many cells: what it is worth, and ties that hold for all cells at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmfeat.compare.board.choice import Way, choose_elsewhere, judge_choice, n_deviations
from mmfeat.decide.resampling import resampled_values
from mmfeat.decide.thresholds import TuningData
from mmfeat.decide.thresholds.evaluate import value_of
from mmfeat.types import IntArray, Targets

WAY: Way = (5, 0)


def equal_cells(
    seed: int, *, n: int = 300, k: int = 4, n_cells: int = 12
) -> tuple[TuningData, IntArray, dict[str, dict[Way, Targets]]]:
    """Label sets that are right in 80 % of the labels, of cells that are equal in truth."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((n, k)) < 0.4).astype(np.uint8)
    cells = {
        f"cell{number}": {WAY: targets ^ (rng.random((n, k)) < 0.2).astype(np.uint8)}
        for number in range(n_cells)
    }
    data = TuningData(probabilities=targets.astype(np.float32), targets=targets)
    return data, rng.permutation(n) % 5, cells


def test_each_fold_is_decided_by_the_cell_that_is_best_on_the_others() -> None:
    data, folds, cells = equal_cells(0)
    found = choose_elsewhere("macro-f1", data, {WAY: folds}, cells)[WAY]
    for fold in range(5):
        rest = data.rows(folds != fold)
        best = max(
            cells, key=lambda name: value_of("macro-f1", rest, cells[name][WAY][folds != fold])
        )
        inside = folds == fold
        np.testing.assert_array_equal(found[inside], cells[best][WAY][inside])


def test_equal_cells_are_tied_and_the_best_is_expected_to_reach_what_all_do() -> None:
    truth = 2 * 0.4 * 0.8 / (0.4 + 0.4 * 0.8 + 0.6 * 0.2)  # of every cell
    best, expected, tied = [], [], []
    for seed in range(40):
        data, folds, cells = equal_cells(seed)
        chosen = choose_elsewhere("macro-f1", data, {WAY: folds}, cells)
        values = resampled_values("macro-f1", data, {WAY: folds}, {**cells, "": chosen})
        of_choice = values.pop("")
        worth = {name: value_of("macro-f1", data, cell[WAY]) for name, cell in cells.items()}
        first = max(worth, key=worth.__getitem__)
        found = judge_choice(
            "macro-f1", data, chosen, of_choice, n_cells=len(cells), best=worth[first]
        )
        best.append(found.best)
        expected.append(found.expected)
        width = n_deviations(np.stack(list(values.values())))
        tied.append(
            all(
                worth[first] - worth[name] <= width * (values[first] - values[name]).std()
                for name in cells
            )
        )
        assert found.interval[0] < found.expected < found.interval[1]
    assert np.mean(best) > truth + 0.015
    assert np.mean(expected) == pytest.approx(truth, abs=0.006)
    assert np.mean(tied) >= 0.85


def test_two_cells_need_no_wider_interval_and_equal_ones_none() -> None:
    rng = np.random.default_rng(0)
    assert n_deviations(rng.normal(size=(2, 4000))) == pytest.approx(1.96, abs=0.08)
    assert n_deviations(rng.normal(size=(24, 4000))) > 3
    assert n_deviations(np.tile(rng.normal(size=50), (3, 1))) == 1.96


def test_it_is_told_in_a_sentence() -> None:
    data, folds, cells = equal_cells(1)
    chosen = choose_elsewhere("macro-f1", data, {WAY: folds}, cells)
    values = np.linspace(0.6, 0.7, 50)
    found = judge_choice("macro-f1", data, chosen, values, n_cells=12, best=0.8)
    assert found.describe("macro-f1").startswith("best of 12: macro-f1 0.8000, about ")
    assert found.optimism == pytest.approx(0.8 - found.expected)
    luckless = replace(found, best=found.expected - 0.01)
    assert ", not measurably too good for being chosen; expect" in luckless.describe("macro-f1")
