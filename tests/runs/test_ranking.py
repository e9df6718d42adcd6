"""The list of runs: best first, whatever one of them is like; and runs that are removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mmfeat
from mmfeat.compare.board.keep import keep_leaderboard
from mmfeat.core.workspace import Workspace
from mmfeat.demo.made_up import make_run
from mmfeat.errors import PluginError, RunError
from mmfeat.runs.listing import find_run
from tests.support.workspaces import Mmfeat


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Runs of one table, made in another order than that of their quality."""
    monkeypatch.setenv("MMFEAT_WORKSPACE", str(tmp_path / "work"))
    made = Workspace(tmp_path / "work")
    make_run(made, "fair", noise=1.0)
    make_run(made, "good", noise=0.3)
    make_run(made, "poor", noise=3.0)
    make_run(made, "other", noise=0.1, objective="samples-f1")
    make_run(made, "bare", noise=0.1, objective=None)
    (make_run(made, "unfinished").folder / "DONE").unlink()
    (make_run(made, "broken").folder / "config.json").write_text("{")
    return made


def test_runs_are_listed_best_first_with_what_they_are(workspace: Workspace) -> None:
    rows = {row["run"]: row for row in mmfeat.rank_runs()}
    assert list(rows)[:3] == ["good", "fair", "poor"]
    assert set(list(rows)[3:5]) == {"other", "bare"}
    assert set(list(rows)[5:]) == {"unfinished", "broken"}
    good = rows["good"]
    run = find_run(workspace, "good")
    assert good["nested"] == run.decision.oof["nested"]["macro_f1"]
    assert (good["objective"], good["features"], good["decisions"]) == (
        "macro-f1",
        "-",
        ["macro-f1"],
    )
    assert rows["other"]["objective"] == "samples-f1"
    assert (rows["bare"]["objective"], rows["bare"]["nested"]) == ("-", None)
    assert rows["broken"]["status"] == "broken"
    assert mmfeat.rank_runs("samples-f1")[0]["run"] == "other"
    with pytest.raises(PluginError, match="an objective is one of"):
        mmfeat.rank_runs("best")


def test_a_run_that_is_not_there_is_told_with_its_nearest_names(workspace: Workspace) -> None:
    with pytest.raises(RunError, match=r"the runs are: good, … and 6 more; did you mean 'good'"):
        find_run(workspace, "goud")
    with pytest.raises(RunError, match=r"the runs are: (\w+, ){5}… and 2 more"):
        find_run(workspace, "xyz")


def test_the_list_fits_80_columns_and_wide_shows_all(workspace: Workspace, mmfeat: Mmfeat) -> None:
    keep_leaderboard(
        workspace, [find_run(workspace, name) for name in ("fair", "poor")], objective="macro-f1"
    )
    shown = mmfeat("runs")
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert len(lines) == 8 and max(map(len, lines)) <= 80
    assert lines[0].split()[:4] == ["run", "nested", "interval", "objective"]
    assert "features" not in lines[0]  # all runs are on the only set
    assert "run fair: best of the last comparison of train" in shown.stderr
    wide = mmfeat("runs", "--wide").stdout.splitlines()
    assert "samples_f1" in wide[0] and len(wide) == 8
    assert [row["run"] for row in json.loads(mmfeat("runs", "--json").stdout)["runs"]] == [
        line.split()[0] for line in lines[1:]
    ]


def test_one_run_is_shown_worst_label_first(workspace: Workspace, mmfeat: Mmfeat) -> None:
    assert "--per-class" in mmfeat("runs", "fair").stderr
    lines = mmfeat("runs", "fair", "--per-class", "--wide").stdout.splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("label "))
    column = lines[start].split().index("f1")
    f1 = [float(line.split()[column]) for line in lines[start + 1 : start + 4]]
    assert f1 == sorted(f1) and f1[0] < f1[2]


def test_a_run_is_removed_as_a_whole(workspace: Workspace, mmfeat: Mmfeat) -> None:
    keep_leaderboard(
        workspace, [find_run(workspace, name) for name in ("good", "poor")], objective="macro-f1"
    )
    assert mmfeat("runs", "--remove", "good", "--remove", "broken").exit_code == 0
    left = {path.name for path in workspace.runs.iterdir()}
    assert left == {"fair", "poor", "other", "bare", "unfinished"}
    assert find_run(workspace, None).name == "poor"
    assert mmfeat("runs", "--remove", "good").stderr.startswith("error: a run to remove")
    assert mmfeat("runs", "poor", "--remove", "fair").exit_code == 2


def test_a_run_that_is_written_is_not_removed(workspace: Workspace) -> None:
    run = find_run(workspace, "good")
    with run.locked(), pytest.raises(RunError, match="one process at a time"):
        mmfeat.remove_run("good")
    assert find_run(workspace, "good").is_done
