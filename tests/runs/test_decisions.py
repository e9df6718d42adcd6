"""The decisions of a run: one per objective, and what was asked for stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmfeat.core.workspace import Workspace
from mmfeat.decide.tune import tune
from mmfeat.demo.made_up import make_run
from mmfeat.errors import RunError
from mmfeat.runs import seal
from mmfeat.runs.run import Run
from tests.support.files import killed_at


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(Workspace(tmp_path), "r", objective=None)


def write(run: Run, objective: str, *, asked_for: bool, method: str | None = None) -> None:
    run.write_decision(tune(run.oof, objective=objective, method=method), asked_for=asked_for)


def test_a_run_without_decisions_is_decided_at_half(run: Run) -> None:
    assert run.decisions.objectives == ()
    assert run.decision == run.decision_for("none")
    assert set(run.decision.thresholds) == {0.5}
    with pytest.raises(RunError, match="tune-thresholds r --objective macro-f1"):
        run.decision_for("macro-f1")


def test_every_objective_has_its_own_and_the_last_one_asked_for_is_used(run: Run) -> None:
    for objective in ("macro-f1", "samples-f1", "micro-f1"):
        write(run, objective, asked_for=True)
        assert run.decision.objective == objective
    assert set(run.decisions.objectives) == {"macro-f1", "samples-f1", "micro-f1"}
    for objective in ("macro-f1", "samples-f1", "micro-f1"):
        found = run.decision_for(objective)
        assert found.to_json() == tune(run.oof, objective=objective).to_json()
        assert run.decisions.held_out(objective) is not None
    assert {name for name in seal.names(run.folder) if name.startswith("decisions/")} == {
        "decisions/macro-f1.json", "decisions/macro-f1.h5",
        "decisions/samples-f1.json", "decisions/samples-f1.h5",
    }  # fmt: skip


def test_what_was_asked_for_is_not_replaced_by_what_was_not(run: Run) -> None:
    write(run, "samples-f1", asked_for=True, method="coordinate")
    before = (run.folder / "thresholds.json").read_bytes()
    write(run, "macro-f1", asked_for=False)
    write(run, "samples-f1", asked_for=False)
    run.use_decision("macro-f1")
    assert (run.folder / "thresholds.json").read_bytes() == before
    assert run.decision_for("macro-f1").objective == "macro-f1"
    write(run, "macro-f1", asked_for=True, method="exact")  # the samples' stays, too
    write(run, "samples-f1", asked_for=False)
    assert run.decision.objective == "macro-f1"
    assert run.decision_for("samples-f1").method == "coordinate"


def test_the_last_comparison_decides_where_nothing_was_asked_for(run: Run) -> None:
    write(run, "macro-f1", asked_for=False)
    write(run, "samples-f1", asked_for=False)
    assert run.decision.objective == "samples-f1"
    run.use_decision("macro-f1")
    assert run.decision.objective == "macro-f1"
    assert run.held_out is not None
    assert run.decision_for("samples-f1").objective == "samples-f1"


def test_a_decision_of_an_older_version_counts_as_asked_for(run: Run) -> None:
    write(run, "macro-f1", asked_for=False)
    path = run.folder / "thresholds.json"
    path.write_text(path.read_text().replace('"asked_for": false', '"older": true'))
    run.finish()
    write(run, "samples-f1", asked_for=False)
    assert run.decision.objective == "macro-f1"


def test_a_flipped_bit_of_any_decision_names_the_command_that_mends_it(run: Run) -> None:
    write(run, "macro-f1", asked_for=True)
    write(run, "samples-f1", asked_for=True)
    path = run.folder / "decisions" / "macro-f1.json"
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))
    with pytest.raises(RunError, match="tune-thresholds --objective macro-f1"):
        run.decision_for("macro-f1")
    assert run.decision.objective == "samples-f1"
    used = run.folder / "thresholds.json"
    used.write_bytes(used.read_bytes()[:-9])
    with pytest.raises(RunError, match="tune-thresholds"):
        _ = run.decision
    write(run, "macro-f1", asked_for=True)  # which mends both
    assert run.decision.objective == run.decision_for("macro-f1").objective == "macro-f1"


@pytest.mark.parametrize("first", ["macro-f1", None])
@pytest.mark.parametrize("step", range(1, 24))
def test_a_kill_at_any_step_loses_no_decision(run: Run, first: str | None, step: int) -> None:
    if first is not None:
        write(run, first, asked_for=True)
    before = run.decision.to_json()
    second = tune(run.oof, objective="samples-f1")
    with killed_at(step):
        run.write_decision(second)
    assert run.decision.to_json() in (before, second.to_json())
    if first is not None:
        assert run.decision_for(first).to_json() == before
    run.verify_fit()
    run.write_decision(second)
    assert run.decision.to_json() == second.to_json()
    assert run.held_out is not None
