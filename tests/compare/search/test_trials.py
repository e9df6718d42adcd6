"""Trials: proposed, fitted, dropped, ranked; the best one becomes a run."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mmfeat.core.workspace import Workspace
from mmfeat.decide.nested import nested
from mmfeat.decide.thresholds import TuningData
from mmfeat.decide.tune import tune
from mmfeat.errors import ConfigError, FitError
from mmfeat.fit.heads.knn import KNN
from mmfeat.fit.training_data import Training
from tests.support.cells import START, plan

pytest.importorskip("optuna", reason="optuna is not installed; pip install 'mmfeat[search]'")

from mmfeat.compare.search.study import Trial
from mmfeat.compare.search.trials import fit_best, optimism, plan_search, ranked, run_trials


def told(trials: list[Trial]) -> list[Any]:
    """What trials are, without the seconds that they took."""
    return [(t.number, t.settings, t.value, t.by_fold, t.dropped) for t in trials]


def test_the_first_trial_is_the_start_and_the_best_becomes_a_run(
    workspace: Workspace, training: Training
) -> None:
    trials = run_trials(workspace, plan(neighbours="7"), training, trials=8)
    assert [trial.number for trial in trials] == list(range(1, 9))
    assert trials[0].settings == {"neighbours": "7", "sharpness": "10", "prior": "1"}
    assert len({tuple(trial.settings.values()) for trial in trials}) == 8
    best = ranked(trials)[0]
    assert best.value == max(t.value for t in trials if t.value is not None)
    run = fit_best(workspace, plan(neighbours="7"), training, trials)
    assert run.name.startswith("search-knn-concat-")
    assert run.name.endswith(f"-trial{best.number}")
    assert run.config.settings == best.settings
    scores = run.oof
    data = TuningData(probabilities=scores.probabilities, targets=scores.targets)
    found = nested(data, scores.folds, "samples-f1")
    assert found.value == pytest.approx(best.value)
    assert found.by_fold == pytest.approx(best.by_fold)


def test_a_trial_is_worth_what_tuning_calls_nested(
    workspace: Workspace, training: Training
) -> None:
    macro = plan_search(START, objective="macro-f1")
    (trial,) = run_trials(workspace, macro, training, trials=1)
    run = fit_best(workspace, macro, training, [trial])
    decision = tune(run.oof, objective="macro-f1", method="bootstrap")
    assert trial.value == pytest.approx(decision.oof["nested"]["macro_f1"])


def test_same_seed_same_trials_and_another_seed_others(
    workspace: Workspace, training: Training
) -> None:
    one = run_trials(workspace, plan(), training, trials=7, name="one")
    again = run_trials(workspace, plan(), training, trials=7, name="again")
    assert told(one) == told(again)
    seeded = replace(plan(), start=replace(START, seed=5))
    other = run_trials(workspace, seeded, training, trials=2, name="other")
    assert other[1].settings != one[1].settings


def test_an_interrupted_search_makes_the_trials_of_a_whole_one(
    workspace: Workspace, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_trials(workspace, plan(), training, trials=12, name="whole")
    assert any(trial.dropped for trial in whole)
    original, calls = KNN._fit, 0

    def dying(self: KNN, *arguments: Any, **options: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 8:  # in the third trial's second fold
            raise KeyboardInterrupt
        original(self, *arguments, **options)

    monkeypatch.setattr(KNN, "_fit", dying)
    with pytest.raises(KeyboardInterrupt):
        run_trials(workspace, plan(), training, trials=12, name="cut")
    assert len(run_trials(workspace, plan(), training, trials=2, name="cut")) == 2
    assert calls == 8  # nothing is fitted for trials that are there
    assert told(run_trials(workspace, plan(), training, trials=12, name="cut")) == told(whole)


def test_a_dropped_trial_fits_no_further_fold(
    workspace: Workspace, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = KNN._fit, 0

    def counting(self: KNN, *arguments: Any, **options: Any) -> None:
        nonlocal calls
        calls += 1
        original(self, *arguments, **options)

    monkeypatch.setattr(KNN, "_fit", counting)
    trials = run_trials(workspace, plan(), training, trials=12)
    dropped = [trial for trial in trials if trial.value is None]
    assert dropped
    assert all("below the median after fold 2" in trial.dropped for trial in dropped)
    assert calls == 3 * 12 - len(dropped)


def test_settings_that_cannot_be_fitted_are_dropped_but_the_start_is_not(
    workspace: Workspace, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = KNN._fit

    def picky(self: KNN, *arguments: Any, **options: Any) -> None:
        if self.neighbours != 50:
            raise FitError("only 50 will do", f"there are {self.neighbours}", "take 50")
        original(self, *arguments, **options)

    monkeypatch.setattr(KNN, "_fit", picky)
    trials = run_trials(workspace, plan(), training, trials=3)
    assert [bool(trial.dropped) for trial in trials] == [False, True, True]
    assert "only 50 will do" in trials[1].dropped
    with pytest.raises(FitError, match="only 50"):
        run_trials(workspace, plan(neighbours="9"), training, trials=3)


def test_choices_alone_are_walked_once(
    workspace: Workspace, training: Training, caplog: pytest.LogCaptureFixture
) -> None:
    logreg = plan_search(replace(START, head="logreg"), objective="micro-f1")
    with caplog.at_level(logging.INFO, logger="mmfeat"):
        trials = run_trials(workspace, logreg, training, trials=30)
    assert len({tuple(trial.settings.values()) for trial in trials}) == len(trials) == 4
    assert trials[0].settings == {"choose": "shared", "criterion": "log-loss"}
    assert "only 4 different settings" in caplog.text


def test_what_is_set_is_not_searched() -> None:
    start = replace(START, settings={"prior": "3"})
    found = plan_search(start, objective="macro-f1", fixed=("prior",))
    assert set(found.space) == {"neighbours", "sharpness"}
    assert found.config({"neighbours": "9"}).settings == {"prior": "3", "neighbours": "9"}
    with pytest.raises(ConfigError, match="leave one of them out"):
        plan_search(START, objective="macro-f1", fixed=("prior", "neighbours", "sharpness"))


def test_optimism_is_what_choosing_by_other_folds_loses() -> None:
    def trial(number: int, *by_fold: float) -> Trial:
        value = float(np.mean(by_fold))
        return Trial(
            number=number, settings={}, value=value, by_fold=by_fold, dropped="", seconds=0.0
        )

    # by the other folds, the first fold takes the second trial, and so does the second fold
    lucky = [trial(1, 0.9, 0.5, 0.5), trial(2, 0.5, 0.65, 0.65)]
    assert optimism(lucky) == pytest.approx(1.9 / 3 - (0.5 + 0.5 + 0.5) / 3)
    assert optimism([trial(1, 0.9, 0.9), trial(2, 0.1, 0.1)]) == pytest.approx(0.0)
    assert optimism(lucky[:1]) is None
