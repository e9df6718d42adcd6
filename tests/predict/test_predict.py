from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from mmfeat.config import DataSettings, FitSettings
from mmfeat.core.workspace import Workspace
from mmfeat.decide.decision import Decision
from mmfeat.decide.tune import tune
from mmfeat.errors import ConfigError, RunError
from mmfeat.extract.importing import store_embeddings
from mmfeat.fit.plan import plan_run
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import load_training
from mmfeat.predict.scores import predict_scores, read_statuses
from mmfeat.predict.write import write_predictions
from mmfeat.runs.listing import find_run
from mmfeat.runs.run import Run
from mmfeat.tables import read_table
from mmfeat.types import Predictions
from tests.support.stage_one.stores import seal
from tests.support.workspaces import import_split


@pytest.fixture
def run(workspace: Workspace) -> Run:
    config = plan_run(FitSettings(head="logreg", folds=3))
    return fit_run(workspace, config, load_training(workspace, "train"))


@pytest.mark.parametrize(
    ("splits", "remedy"),
    [((), "`mmfeat extract` and `mmfeat compare`"), (("train",), "run `mmfeat compare`")],
)
def test_without_a_run_all_that_is_to_do_is_named(
    splits: tuple[str, ...], remedy: str, tmp_path: Path
) -> None:
    space = Workspace(tmp_path)
    for split in splits:
        import_split(space, split, n_rows=20)
    with pytest.raises(RunError, match=f"holds none; .*{remedy} first"):
        find_run(space, None)


def test_new_rows_are_scored_by_the_final_model(workspace: Workspace, run: Run) -> None:
    scores = predict_scores(run, workspace, "test")
    assert scores.ids[:2] == ("test0.jpg", "test1.jpg")
    assert scores.labels == ("l0", "l1", "l2")
    assert scores.probabilities.shape == (20, 3)
    assert scores.probabilities.dtype == np.float32
    assert ((scores.probabilities >= 0) & (scores.probabilities <= 1)).all()


def test_another_encoder_is_refused(workspace: Workspace, run: Run) -> None:
    import_split(workspace, "other", encoder="another")
    with pytest.raises(RunError, match=r"encoder it was fitted on.*another"):
        predict_scores(run, workspace, "other")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_every_format_holds_the_same(
    workspace: Workspace, run: Run, tmp_path: Path, suffix: str
) -> None:
    run.write_decision(tune(run.oof, objective="macro-f1"))
    scores = predict_scores(run, workspace, "test")
    statuses = read_statuses(run, workspace, "test")
    path = tmp_path / f"out{suffix}"
    write_predictions(path, scores, run.decision, empty="top1", statuses=statuses)
    reader = {
        ".csv": pd.read_csv,
        ".tsv": lambda p: pd.read_csv(p, sep="\t"),
        ".jsonl": lambda p: pd.read_json(p, lines=True),
        ".parquet": pd.read_parquet,
    }[suffix]
    frame = reader(path)
    assert list(frame["id"]) == list(scores.ids)
    assert set(frame["image_status"]) == {"ok"}
    np.testing.assert_allclose(frame[["l0", "l1", "l2"]], scores.probabilities, atol=1e-6)
    decided = run.decision.decide(scores.probabilities, empty="top1")
    for text, row in zip(frame["labels"], decided, strict=True):
        assert text.split() == [f"l{j}" for j in np.flatnonzero(row)]


def test_an_unknown_format_is_one_clear_error(
    workspace: Workspace, run: Run, tmp_path: Path
) -> None:
    scores = predict_scores(run, workspace, "test")
    with pytest.raises(ConfigError, match=r"\.csv"):
        write_predictions(tmp_path / "out.xlsx", scores, run.decision, empty="top1")
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("head", ["logreg", "mlp", "ensemble"])
def test_slices_give_the_scores_and_warnings_of_the_whole(
    workspace: Workspace,
    run: Run,
    head: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    training, settings = load_training(workspace, "train"), {}
    if head == "ensemble":
        image = plan_run(replace(FitSettings(head="logreg", folds=3), fusion="image"))
        settings = {"runs": f"{run.name},{fit_run(workspace, image, training).name}"}
    elif head == "mlp":
        settings = {"epochs": "2"}
    config = plan_run(FitSettings(head=head, folds=3), settings=settings, workspace=workspace)
    found = fit_run(workspace, config, training)
    with h5py.File(workspace.store("test"), "r+") as file:
        file["text/embeddings"][5:7] = np.nan
        seal(file)
    caplog.clear()
    whole = predict_scores(found, workspace, "test")
    told = caplog.messages
    assert any("2 of 20 rows have no text embedding" in message for message in told)
    caplog.clear()
    sliced = predict_scores(found, workspace, "test", slice_rows=3)
    np.testing.assert_allclose(sliced.probabilities, whole.probabilities, atol=1e-6)
    assert sliced.ids == whole.ids and caplog.messages == told


def test_feature_sets_in_different_orders_are_joined(workspace: Workspace, tmp_path: Path) -> None:
    for name in ("a", "b"):
        import_split(workspace, "train", features=name)
        import_split(workspace, "test", n_rows=20, seed=7, features=name)
    config = plan_run(FitSettings(head="logreg", folds=3), features=("a", "b"))
    run = fit_run(workspace, config, load_training(workspace, "train", ("a", "b")))
    expected = predict_scores(run, workspace, "test")
    table = (workspace.root / "sources" / "test.csv").read_text().splitlines()
    (tmp_path / "turned.csv").write_text("\n".join([table[0], *table[:0:-1]]) + "\n")
    arrays = {}
    for modality in ("image", "text"):
        arrays[modality] = tmp_path / f"{modality}.npy"
        np.save(arrays[modality], np.load(workspace.root / "sources" / f"{modality}.npy")[::-1])
    workspace.store("test", "b").unlink()
    store_embeddings(
        read_table(tmp_path / "turned.csv", data=DataSettings()),
        arrays,
        out=workspace.store("test", "b"),
        encoder_name="made-up",
    )
    found = predict_scores(run, workspace, "test")
    assert found.ids == expected.ids
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-6)


@pytest.mark.parametrize("n_rows", [0, 20])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_slices_are_written_as_the_whole(tmp_path: Path, suffix: str, n_rows: int) -> None:
    rng = np.random.default_rng(0)
    scores = Predictions(
        ids=tuple(f'{row}, "é".jpg' for row in range(n_rows)),
        labels=("cat", "id"),
        probabilities=rng.random((n_rows, 2), dtype=np.float32),
    )
    decision = Decision(
        labels=scores.labels, thresholds=(0.5, 0.5), objective="none", method="fixed"
    )
    statuses = {"image_status": ["ok"] * n_rows}
    whole, sliced = tmp_path / f"whole{suffix}", tmp_path / f"sliced{suffix}"
    write_predictions(whole, scores, decision, empty="blank", statuses=statuses)
    write_predictions(sliced, scores, decision, empty="blank", statuses=statuses, slice_rows=3)
    on = decision.decide(scores.probabilities)
    frame = pd.DataFrame(
        {
            "id": scores.ids,
            "labels": [" ".join(np.array(scores.labels)[row.astype(bool)]) for row in on],
            **statuses,
            "cat": scores.probabilities[:, 0],
            "p_id": scores.probabilities[:, 1],
        }
    )
    if suffix == ".parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(sliced), pd.read_parquet(whole))
        assert pd.read_parquet(whole).to_csv() == frame.to_csv()
        return
    expected = {
        ".csv": lambda: frame.to_csv(index=False),
        ".tsv": lambda: frame.to_csv(index=False, sep="\t"),
        ".jsonl": lambda: frame.to_json(orient="records", lines=True, force_ascii=False),
    }[suffix]()
    assert whole.read_text(encoding="utf-8") == sliced.read_text(encoding="utf-8") == expected
