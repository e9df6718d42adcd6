"""A model replaces another where it is not worse on rows that neither of them has seen."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

import mmfeat
from mmfeat.config import FitSettings
from mmfeat.core.workspace import Workspace
from mmfeat.demo.made_up import make_run
from mmfeat.errors import ConfigError, RunError, TableError
from mmfeat.fit.plan import plan_run
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import load_training
from mmfeat.predict.encoder import pick_weights
from mmfeat.promote.promotion import Promotion
from mmfeat.runs.run import Run
from mmfeat.runs.scores import write_scores
from mmfeat.store import open_features
from mmfeat.types import Targets
from tests.support.made_up.relatives import with_relatives
from tests.support.workspaces import Mmfeat, error_line, import_split

KEYS = (
    *("format", "promoted", "verdict", "objective", "margin", "values", "difference", "interval"),
    *("old", "new", "rows", "per_class", "changes", "notes", "doubts"),
)


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("MMFEAT_WORKSPACE", str(tmp_path))
    return Workspace(tmp_path)


@pytest.fixture
def runs(space: Workspace) -> tuple[Run, Run]:
    return make_run(space, "good", noise=0.4), make_run(space, "poor", noise=3.0)


def test_out_of_fold_rows_are_judged_as_they_were_held_out(runs: tuple[Run, Run]) -> None:
    found = mmfeat.promote("poor", "good")
    assert found.objective == "macro-f1" and found.rows["count"] == 90
    nested = [run.decision.oof["nested"]["macro_f1"] for run in runs[::-1]]
    assert found.values == pytest.approx(nested)
    assert (found.verdict, found.promoted) == ("better", True)
    back = mmfeat.promote("good", "poor", margin=0.1)
    assert (back.verdict, back.promoted) == ("worse", False)
    assert back.difference == -found.difference
    assert back.interval == pytest.approx([-end for end in found.interval[::-1]])
    one, other = mmfeat.compare_runs("good", "poor"), found
    assert one.interval == pytest.approx(other.interval)
    assert {row["label"]: row["interval"] for row in one.per_class} == {
        row["label"]: row["interval"] for row in other.per_class
    }


def test_the_margin_is_where_the_interval_begins(runs: tuple[Run, Run]) -> None:
    low = mmfeat.promote("good", "poor").interval[0]
    assert mmfeat.promote("good", "poor", margin=-low).promoted
    assert not mmfeat.promote("good", "poor", margin=-low - 1e-9).promoted
    for margin in (-0.1, 1.5, float("nan")):
        with pytest.raises(ConfigError, match="--margin"):
            mmfeat.promote("good", "poor", margin=margin)


def test_the_same_model_is_not_worse(runs: tuple[Run, Run]) -> None:
    found = mmfeat.promote("good", "good")
    assert (found.verdict, found.interval, found.changes.rows) == ("not-worse", (0.0, 0.0), 0)


def held_out(run: Run) -> Targets:
    assert run.held_out is not None
    return run.held_out


def test_changes_are_cells_that_only_one_gives(runs: tuple[Run, Run]) -> None:
    found = mmfeat.promote("good", "poor")
    sets = [held_out(run) for run in runs]
    targets = runs[0].oof.targets
    changed = sets[0] != sets[1]
    assert found.changes.rows == changed.any(axis=1).sum()
    assert found.changes.to_wrong == (changed & (sets[1] != targets)).sum()
    assert found.changes.to_right == (changed & (sets[1] == targets)).sum()
    for change in found.changes.examples:
        row, label = int(change.id.removesuffix(".jpg")), "abc".index(change.label)
        assert (change.old, change.new) == tuple(bool(each[row, label]) for each in sets)
        assert change.truth == bool(targets[row, label])


def test_what_is_unknown_counts_nowhere(runs: tuple[Run, Run]) -> None:
    for run in runs:
        scores, decision = run.oof, run.decision
        targets = scores.targets.copy()
        targets[:30, 0] = 255
        hidden = replace(scores, targets=targets)
        run.restart()
        write_scores(run.folder / "scores.h5", hidden)
        run.write_decision(replace(decision, held_out=decision.decide(scores.probabilities)))
        run.finish()
    found = mmfeat.promote("good", "poor")
    changed = [r.decision.decide(r.oof.probabilities)[:30, 0] for r in runs]
    assert found.changes.unknown == (changed[0] != changed[1]).sum() > 0
    assert any("unknown" in note for note in found.notes)


def test_labels_that_both_know_are_compared(space: Workspace, runs: tuple[Run, Run]) -> None:
    make_run(space, "more", labels=("c", "b", "d"), rates=(0.1, 0.35, 0.4))
    with pytest.raises(RunError, match="other targets"):
        mmfeat.promote("good", "more")
    make_run(space, "four", noise=0.4)
    scores = Run(space.run("four")).oof
    run = Run(space.run("four"))
    run.restart()
    write_scores(run.folder / "scores.h5", replace(scores, labels=("a", "b", "z")))
    run.finish()
    found = mmfeat.promote("four", "good")
    assert found.rows["labels"] == ["a", "b"]
    assert (found.old["labels"], found.new["labels"]) == (["z"], ["c"])
    assert any("good alone knows 1 label" in note for note in found.notes)


def test_what_cannot_be_judged_is_one_error(space: Workspace, runs: tuple[Run, Run]) -> None:
    make_run(space, "few", n_rows=25)
    with pytest.raises(RunError, match="30 unrelated rows"):
        mmfeat.promote("few", "few")
    with pytest.raises(RunError, match="other rows"):
        mmfeat.promote("few", "good")
    make_run(space, "alone", labels=("x", "y"))
    with pytest.raises(RunError, match="share none"):
        mmfeat.promote("alone", "good")
    with pytest.raises(ConfigError, match="--objective"):
        mmfeat.promote("good", "poor", objective="accuracy")
    with pytest.raises(ConfigError, match="--table or --split"):
        mmfeat.promote("good", "poor", table="t.csv", split="test")


def test_the_command_prints_json_whatever_comes_out(runs: tuple[Run, Run], mmfeat: Mmfeat) -> None:
    for names, status in ((("poor", "good"), 0), (("good", "poor"), 1)):
        result = mmfeat("promote", *names, "--json")
        assert result.exit_code == status, result.stderr
        document = json.loads(result.stdout)
        assert tuple(document) == KEYS and document["promoted"] == (status == 0)
        errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
        assert len(errors) == status
    shown = mmfeat("promote", "good", "poor")
    assert shown.stdout.splitlines()[-1].startswith("worse: -0.")
    assert max(map(len, shown.stdout.splitlines())) <= 80


def fit(space: Workspace, split: str, **options: Any) -> Run:
    config = plan_run(
        FitSettings(head="knn", folds=3, split=split, **options), settings={}, workspace=space
    )
    run = fit_run(space, config, load_training(space, split))
    run.tune("macro-f1")
    return run


@pytest.fixture
def fitted(space: Workspace) -> tuple[Run, Run]:
    import_split(space, "train")
    import_split(space, "fresh", n_rows=80, seed=5)
    return fit(space, "train", fusion="image"), fit(space, "train")


def test_bundles_and_runs_give_the_same_answer(
    space: Workspace, fitted: tuple[Run, Run], tmp_path: Path
) -> None:
    old, new = (run.name for run in fitted)
    by_run = mmfeat.promote(old, new, split="fresh")
    assert by_run.rows["left_out"] == {"id": 0, "content": 0, "group": 0}
    assert by_run.values == pytest.approx([value_on(space, run) for run in fitted])
    folder = tmp_path / "bundle"
    fitted[0].export(folder)
    by_bundle = mmfeat.promote(str(folder), new, split="fresh")
    assert by_bundle.old["kind"] == "bundle"
    numbers: list[Promotion] = [by_run, by_bundle]
    assert len({(each.difference, each.interval) for each in numbers}) == 1
    with pytest.raises(ConfigError, match="has none; give labelled rows with --table"):
        mmfeat.promote(str(folder), new)


def value_on(space: Workspace, run: Run) -> float:
    """Macro-F1 of what `predict` gives for the split `fresh`."""
    found = mmfeat.predict(run, split="fresh", empty="blank", out=space.root / "o.csv")
    with open_features([space.store("fresh")]) as rows:
        assert rows.targets is not None
        return macro_f1(found.label_sets, rows.targets)


def macro_f1(sets: Targets, targets: Targets) -> float:
    hits = (sets & targets).sum(axis=0)
    return float((2 * hits / (sets.sum(axis=0) + targets.sum(axis=0))).mean())


def test_rows_that_one_was_fitted_on_are_left_out(
    space: Workspace, fitted: tuple[Run, Run], tmp_path: Path
) -> None:
    old, new = (run.name for run in fitted)
    with pytest.raises(RunError, match="all 60 rows of the split train are known"):
        mmfeat.promote(old, new, split="train")
    import_split(space, "copies", n_rows=60)  # the rows of train under other ids
    with pytest.raises(RunError, match="60 by content"):
        mmfeat.promote(old, new, split="copies")
    later = fit(space, "fresh")  # one of the two was fitted on other rows
    with pytest.raises(RunError, match="80 by id"):
        mmfeat.promote(old, later.name, split="fresh")
    folder = tmp_path / "elsewhere"
    fitted[0].export(folder)
    shutil.rmtree(space.run(old))
    space.store("train").unlink()
    found = mmfeat.promote(str(folder), str(folder), split="fresh")
    assert any("nothing of it is compared" in doubt for doubt in found.doubts)


def test_rows_without_labels_are_one_error(
    space: Workspace, fitted: tuple[Run, Run], tmp_path: Path
) -> None:
    table, array = tmp_path / "plain.csv", tmp_path / "plain.npy"
    table.write_text("ImageID\n" + "".join(f"{row}\n" for row in range(40)))
    np.save(array, np.random.default_rng(0).normal(size=(40, 8)).astype("f2"))
    mmfeat.import_embeddings(table, image=array, text=array, split="plain", encoder_name="made-up")
    with pytest.raises(TableError, match="need labels"):
        mmfeat.promote(*(run.name for run in fitted), split="plain")


def test_rows_of_a_table_go_through_stage_one(
    project: Path, demo_project: Path, mmfeat: Mmfeat
) -> None:
    settings = Path("mmfeat.toml").read_text()
    Path("mmfeat.toml").write_text(settings.replace("[extract]", "[extract]\nworkers = 0"))
    for fusion in ("image", "concat"):
        options = ("--head", "knn", "--fusion", fusion, "--name", fusion, "--folds", 2)
        assert mmfeat("fit", *options).exit_code == 0
    solution = pd.read_csv("solution.csv")
    rows = pd.read_csv("test.csv").merge(solution).head(45)
    pd.concat([rows, pd.read_csv("train.csv").head(5)]).to_csv("fresh.csv", index=False)
    pd.read_csv("train.csv").tail(6).to_csv("known.csv", index=False)
    images = ("--images", demo_project / "data")
    table = ("--table", "fresh.csv", *images, "--margin", 1, "--json", "--quiet")
    result = mmfeat("promote", "image", "concat", *table)
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)["rows"]
    assert found["left_out"]["id"] == 5
    assert found["count"] == 50 - sum(found["left_out"].values())
    line = error_line(mmfeat, "promote", "image", "concat", "--table", "known.csv", *images)
    assert "all 6 rows of known.csv are known to one of them (6 by id)" in line
    rows.assign(Labels="zebra").to_csv("zebra.csv", index=False)
    line = error_line(mmfeat, "promote", "image", "concat", "--table", "zebra.csv", *images)
    assert "no row of zebra.csv has one of 1, 2" in line
    line = error_line(mmfeat, "promote", "image", "concat", "--table", "test.csv", *images)
    assert "need labels" in line and "--label-col" in line


def test_each_model_takes_the_weights_of_its_tag() -> None:
    store = {"encoder": {"name": "a", "weights_sha256": "0", "pretrained": "openai"}}
    run = cast("Run", SimpleNamespace(provenance={"stores": [store]}))
    for given, taken in (
        ([], None),
        (["laion=b.safetensors"], None),
        (["laion=b.safetensors", "openai=a.safetensors"], "openai=a.safetensors"),
        (["random", "openai=a.safetensors"], "openai=a.safetensors"),
        (["laion=b.safetensors", "random"], "random"),
    ):
        assert pick_weights(run, given) == taken


def test_related_rows_are_told_where_out_of_fold_scores_depend_on_them(space: Workspace) -> None:
    rows = with_relatives()
    assert rows.targets is not None
    named = [" ".join(np.array(rows.labels)[row == 1]) or "none" for row in rows.targets]
    table, array = space.root / "related.csv", space.root / "related.npy"
    lines = [f"{id_},{cell}" for id_, cell in zip(rows.ids, named, strict=True)]
    table.write_text("\n".join(["ImageID,Labels", *lines]) + "\n")
    np.save(array, rows.embeddings["image"][0])
    mmfeat.import_embeddings(table, image=array, split="related", encoder_name="x")
    run = fit(space, "related", fusion="image")
    found = mmfeat.promote(run, run)
    assert any("estimates depend on near neighbours" in doubt for doubt in found.doubts)
