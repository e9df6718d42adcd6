from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmfeat.compare import study
from mmfeat.config import FitSettings
from mmfeat.core.files import write_json
from mmfeat.core.workspace import Workspace
from mmfeat.decide.nested import nested
from mmfeat.decide.thresholds import TuningData
from mmfeat.decide.tune import tune
from mmfeat.errors import ConfigError, FitError, RunError
from mmfeat.fit.heads.knn import KNN
from mmfeat.fit.plan import plan_run
from mmfeat.fit.training_data import Training, load_training
from mmfeat.runs.listing import find_run
from tests.support.workspaces import Mmfeat

pytest.importorskip("optuna", reason="optuna is not installed; pip install 'mmfeat[search]'")

from mmfeat.compare.study import Trial
from mmfeat.compare.trials import (
    SearchPlan,
    fit_best,
    optimism,
    plan_search,
    ranked,
    run_trials,
)

START = plan_run(FitSettings(head="knn", folds=3))


@pytest.fixture
def training(workspace: Workspace) -> Training:
    return load_training(workspace, "train")


def plan(**settings: str) -> SearchPlan:
    return plan_search(replace(START, settings=settings), objective="samples-f1")


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


def test_a_search_of_another_kind_does_not_take_the_name(
    workspace: Workspace, training: Training
) -> None:
    run_trials(workspace, plan(), training, trials=1, name="mine")
    other = plan_search(START, objective="micro-f1")
    with pytest.raises(RunError, match="another --name"):
        run_trials(workspace, other, training, trials=1, name="mine")
    with pytest.raises(ConfigError, match="plain word"):
        run_trials(workspace, plan(), training, trials=1, name="../mine")


def test_two_searches_at_once_on_one_study_are_refused(
    workspace: Workspace, training: Training
) -> None:
    def other() -> bool:
        with pytest.raises(RunError, match=f"the process {os.getpid()}"):
            run_trials(workspace, plan(), training, trials=1, name="mine")
        return True

    assert run_trials(workspace, plan(), training, trials=1, name="mine", stopped=other) == []
    assert len(run_trials(workspace, plan(), training, trials=1, name="mine")) == 1


def test_a_broken_or_locked_file_is_one_clear_error(
    workspace: Workspace, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workspace.search("mine")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(RunError, match=r"mine\.db: file is not a database"):
        run_trials(workspace, plan(), training, trials=1, name="mine")
    path.unlink()
    run_trials(workspace, plan(), training, trials=1, name="mine")
    monkeypatch.setattr(study, "LOCK_SECONDS", 0.1)
    blocker = sqlite3.connect(path)
    blocker.execute("BEGIN EXCLUSIVE")
    with pytest.raises(RunError, match="database is locked"):
        run_trials(workspace, plan(), training, trials=2, name="mine")
    blocker.close()
    assert len(run_trials(workspace, plan(), training, trials=2, name="mine")) == 2
    with sqlite3.connect(path) as other:
        other.execute("UPDATE alembic_version SET version_num = 'v9.9.a'")
    with pytest.raises(RunError, match=r"mine\.db"):
        run_trials(workspace, plan(), training, trials=2, name="mine")


def test_the_command(mmfeat: Mmfeat, project: Path) -> None:
    assert mmfeat("fit", "--head", "knn", "--folds", "3", "--name", "base").exit_code == 0
    first = mmfeat("search", "base", "--trials", "4", "--objective", "macro-f1")
    assert first.exit_code == 0, first.stderr
    assert first.stderr.count("macro-f1 ") == 4
    assert "optimism about" in first.stderr
    assert first.stdout.split()[:3] == ["trial", "nested", "macro-f1"]
    (run,) = (project / "artifacts/runs").glob("search-*")
    more = mmfeat("search", "base", "--trials", "6", "--objective", "macro-f1")
    assert "continues after 4 trials" in more.stderr
    assert more.stderr.count("trial 5 of 6") == 1
    assert mmfeat("tune-thresholds", run.name).exit_code == 0
    assert mmfeat("submit", run.name).exit_code == 0
    find_run(Workspace(project / "artifacts"), run.name, tuned=True)


@pytest.mark.parametrize(
    ("line", "status", "expected"),
    [
        ("--head knn --trials 0", 2, "--trials"),
        ("done --head mlp --seed 1", 2, "leave out --head, --seed"),
        ("--head nohead", 1, "nohead"),
        ("--head knn --objective precision-at-least", 1, "a search aims at"),
        ("--head knn --objective none", 1, "an objective is one of"),
        ("--head knn --set neighbours=0", 1, "neighbours lies between"),
        ("--head knn --set k=1", 1, "'k' is not"),
        ("--head knn --split valid", 1, "valid"),
        ("--head knn --timeout 0", 1, "a finished trial"),
        ("--head knn --name a/b", 1, "plain word"),
        ("missing", 1, "must exist"),
        ("half", 1, "only finished runs"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    mmfeat: Mmfeat, workspace: Workspace, line: str, status: int, expected: str
) -> None:
    for name in ("done", "half"):
        (workspace.runs / name).mkdir(parents=True)
        write_json(workspace.runs / name / "config.json", asdict(START))
    (workspace.runs / "done/DONE").touch()
    result = mmfeat("search", "-w", workspace.root, *line.split())
    assert result.exit_code == status, result.stderr
    assert expected in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stderr


def test_the_first_interrupt_ends_the_trial_and_the_same_command_goes_on(
    workspace: Workspace,
) -> None:
    command = [
        sys.executable, "-m", "mmfeat_cli", "search", "-w", str(workspace.root),
        "--head", "mlp", "--folds", "3", "--trials", "40",
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr is not None
    lines = [process.stderr.readline()]
    assert lines[0].startswith("trial 1 of 40")
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    lines += process.stderr.readlines()
    assert process.wait() == 130
    assert "stopping after this trial" in "".join(lines)
    assert lines[-1] == "interrupted; run the same command again to go on\n"
    assert not list(workspace.runs.glob("*"))
    made = sum(line.startswith("trial ") for line in lines)
    assert 1 < made < 40
    again = subprocess.run(
        [*command[:-1], str(made)], capture_output=True, text=True, check=True
    ).stderr
    assert f"continues after {made} trials" in again


def test_a_missing_optuna_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['optuna'] = None\n"
        "from mmfeat.errors import PluginError\n"
        "try:\n    import mmfeat.compare.trials\nexcept PluginError as error:\n    print(error)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "pip install 'mmfeat[search]'" in answer.stdout
