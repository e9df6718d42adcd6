"""Related rows are never on both sides of a split that a head makes inside its fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from mmfeat.errors import FitError
from mmfeat.fit.fusion import get_fusion
from mmfeat.fit.heads import HEADS, lightgbm
from mmfeat.fit.heads.logreg import LogReg
from mmfeat.fit.heads.torch import training
from mmfeat.fit.stacking.stacker import Stacker
from mmfeat.runs.folds.inside import hold_out
from mmfeat.types import Fused, IntArray, Matrix, Targets
from tests.support.fits.heads import BLOCKS, TORCH, draw, make, prompts_of

N_ROWS = 400
GROUPS = np.random.default_rng(0).integers(60, size=N_ROWS)
SPLITTING = ("logreg", "lightgbm", *TORCH)

Split = tuple[IntArray, IntArray]  # the groups of the rows that judge, and of the others


@pytest.fixture
def splits(monkeypatch: pytest.MonkeyPatch) -> list[Split]:
    """Every split that is made inside a fit."""
    found: list[Split] = []
    solve_folds = LogReg.fit_folds

    def held_out(order: IntArray, groups: IntArray | None) -> Split:
        judging, learning = hold_out(order, groups)
        assert groups is not None
        found.append((groups[judging], groups[learning]))
        return judging, learning

    def folds(head: LogReg, fused: Fused[Matrix], y: Targets, parts: Sequence[IntArray]) -> Any:
        assert fused.groups is not None
        for rows in parts if len(parts) > 1 else ():
            judging = np.setdiff1d(np.concatenate(parts), rows)
            found.append((fused.groups[judging], fused.groups[rows]))
        return solve_folds(head, fused, y, parts)

    monkeypatch.setattr(lightgbm, "hold_out", held_out)
    monkeypatch.setattr(training, "hold_out", held_out)
    monkeypatch.setattr(LogReg, "fit_folds", folds)
    return found


@pytest.mark.parametrize("name", HEADS)
def test_no_group_is_on_both_sides(name: str, splits: list[Split]) -> None:
    x, y = draw(N_ROWS)
    options = {"patience": 2} if name in TORCH else {}
    prompts, some = prompts_of(y), np.flatnonzero(GROUPS > 5)
    make(name, **options).fit(x, y, blocks=BLOCKS, prompts=prompts, groups=GROUPS)
    of_all = len(splits)
    fused = Fused(values=x, blocks=BLOCKS, prompts=prompts, groups=GROUPS)
    next(iter(make(name, **options).fit_folds(fused, y, [some])))
    assert len(splits) == 2 * of_all and (of_all > 0) == (name in SPLITTING)
    for judging, learning in splits:
        assert len(judging) >= 20 and not set(judging) & set(learning)
    assert all((np.concatenate(split) > 5).all() for split in splits[of_all:])


@pytest.mark.parametrize("name", SPLITTING)
def test_rows_that_are_all_alone_are_split_as_without_groups(name: str) -> None:
    x, y = draw(N_ROWS)
    options = {"patience": 2} if name in TORCH else {}
    alone, without = (
        make(name, **options).fit(x, y, blocks=BLOCKS, groups=groups).predict_proba(x)
        for groups in (np.arange(N_ROWS), None)
    )
    assert np.array_equal(alone, without)


@pytest.mark.parametrize(
    ("fusion", "settings"),
    [("late-sum", {"patience": "1", "epochs": "2"}), ("late-stack", {"C": "none"})],
)
def test_meta_learners_keep_groups_whole(
    fusion: str, settings: dict[str, str], splits: list[Split]
) -> None:
    spec: Any = get_fusion(fusion)
    chosen = {
        "late-sum": {"patience": "1", "epochs": "2", "hidden": "8"},
        "late-stack": {"C": "none"},
    }
    stacker = Stacker.build(spec, settings=chosen[fusion], seed=0, loss="bce")
    y = draw(N_ROWS)[1]
    scores = {name: (0.8 * y + 0.1).astype(np.float32) for name in spec.sources}
    stacker.fit(scores, y, groups=GROUPS)
    assert splits and not any(set(judging) & set(learning) for judging, learning in splits)


def test_names_of_groups_are_taken_and_a_missing_one_is_an_error() -> None:
    x, y = draw(N_ROWS)
    named = LogReg().fit(x, y, groups=np.array([f"group {number}" for number in GROUPS]))
    numbered = LogReg().fit(
        x, y, groups=np.unique([f"group {n}" for n in GROUPS], return_inverse=True)[1]
    )
    assert np.array_equal(named.predict_proba(x), numbered.predict_proba(x))
    with pytest.raises(FitError, match="groups of 400 rows are a name or number for each"):
        LogReg().fit(x, y, groups=GROUPS[:-1])
