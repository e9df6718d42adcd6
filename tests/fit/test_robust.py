"""What a fit bears: odd labels, odd features, few rows, and loading elsewhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmfeat.config import FitSettings
from mmfeat.core.plugins import resolve
from mmfeat.core.workspace import Workspace
from mmfeat.errors import FitError
from mmfeat.fit.heads import HEADS
from mmfeat.fit.heads.base import Head
from mmfeat.fit.models.head_model import HeadModel
from mmfeat.fit.models.model import Model
from mmfeat.fit.models.stacked_model import StackedModel
from mmfeat.fit.plan import plan_run
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import Training
from mmfeat.runs.folds import Folds
from mmfeat.types import Features
from tests.support.stage_one.toy import features_of

N_ROWS, WIDTH, N_LABELS = 40, 6, 3
QUICK = {
    "mlp": {"epochs": "2", "hidden": "8"},
    "gmlp": {"epochs": "2", "width": "4", "tokens": "2"},
    "lightgbm": {"trees": "1", "min_rows": "2"},
    "logreg": {"C": "1"},
}


def make_training(n_rows: int = N_ROWS, n_labels: int = N_LABELS) -> Training:
    rng = np.random.default_rng(0)
    image, text = (rng.normal(size=(n_rows, WIDTH)).astype(np.float16) for _ in range(2))
    targets = (rng.random((n_rows, n_labels)) < 0.3).astype(np.uint8)
    features = Features(
        ids=tuple(f"{row}.jpg" for row in range(n_rows)),
        embeddings={"image": (image,), "text": (text,)},
        targets=targets,
        labels=tuple(map(str, range(n_labels))),
        prompts=(rng.normal(size=(n_labels, WIDTH)).astype(np.float32),),
    )
    return Training(features=features, targets=targets, digest="made up", provenance=[])


def scores_of(training: Training, folder: Path, head: str, **settings: str) -> np.ndarray:
    """Out-of-fold probabilities of a run from end to end, metrics and all."""
    config = plan_run(FitSettings(head=head, folds=2), settings={**QUICK.get(head, {}), **settings})
    scores = fit_run(Workspace(folder), config, training).oof.probabilities
    assert ((scores >= 0) & (scores <= 1)).all()
    return scores


def no_positive(training: Training) -> None:
    training.targets[:, 0] = 0


def only_positives(training: Training) -> None:
    training.targets[:, 0] = 1


def nothing_to_learn(training: Training) -> None:
    training.targets[:] = 0


def one_positive(training: Training) -> None:
    training.targets[:, 0] = np.arange(N_ROWS) == 3


def constant_column(training: Training) -> None:
    features_of(training).embeddings["image"][0][:, 2] = 1.0


def constant_rows(training: Training) -> None:
    features_of(training).embeddings["image"][0][:] = 1.0


def failed_rows(training: Training) -> None:
    features_of(training).embeddings["image"][0][:5] = np.nan
    features_of(training).embeddings["text"][0][3:9] = np.nan


def all_failed(training: Training) -> None:
    features_of(training).embeddings["image"][0][:] = np.nan


def huge(training: Training) -> None:
    features_of(training).embeddings["image"][0][:] *= np.float16(1e4)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(
    "change",
    [
        no_positive,
        only_positives,
        nothing_to_learn,
        one_positive,
        constant_column,
        constant_rows,
        failed_rows,
        all_failed,
        huge,
    ],
)
def test_odd_labels_and_features_are_borne(
    head: str, change: Callable[[Training], None], tmp_path: Path
) -> None:
    training = make_training()
    change(training)
    scores_of(training, tmp_path, head, normalise="false" if change is huge else "true")


@pytest.mark.parametrize("head", HEADS)
def test_two_rows_are_enough_and_one_is_told(head: str, tmp_path: Path) -> None:
    scores_of(make_training(2), tmp_path, head)
    with pytest.raises(FitError, match="2 folds of 1 rows"):
        scores_of(make_training(1), tmp_path / "one", head)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("n_labels", [1, 1000])
def test_any_number_of_classes(head: str, n_labels: int, tmp_path: Path) -> None:
    training = make_training(n_labels=n_labels)
    assert scores_of(training, tmp_path, head).shape == (N_ROWS, n_labels)


def fitted(head: str, *, fusion: str = "late-mean") -> tuple[Model, Features]:
    training = make_training()
    kind = StackedModel if fusion.startswith("late") else HeadModel
    model: Model = kind.make(head=head, fusion=fusion, settings=QUICK.get(head, {}))
    list(model.cross_validate(training.features, Folds(np.arange(N_ROWS) % 2)))
    return model.fit(training.features), features_of(training)


@pytest.mark.parametrize("name", ["mlp", "gmlp", "logreg"])
def test_a_head_of_a_gpu_loads_without_one(name: str, tmp_path: Path) -> None:
    options = {} if name == "logreg" else {"epochs": 2}
    head: Head = resolve(name, HEADS, "head")(seed=0, **options)
    training = make_training()
    x = features_of(training).embeddings["image"][0].astype(np.float32)
    head.fit(x, training.targets, blocks=(WIDTH,))
    expected = head.predict_proba(x)
    head.device = "cuda"  # type: ignore[attr-defined]
    head.save(tmp_path)
    loaded = type(head).load(tmp_path)
    assert loaded.device == "cuda"  # type: ignore[attr-defined]
    np.testing.assert_array_equal(loaded.predict_proba(x), expected)


def test_heads_load_without_what_only_training_needs(tmp_path: Path) -> None:
    names = [name for name in HEADS if name != "lightgbm"]
    for name in names:
        model, features = fitted(name)
        model.save(tmp_path / name)
        np.save(tmp_path / f"{name}.npy", model.predict_proba({(): features}))
    for modality in ("image", "text"):
        np.save(tmp_path / f"{modality}.npy", features.embeddings[modality][0])
    code = f"""
import sys
for package in ("lightgbm", "sklearn", "scipy", "pandas", "open_clip", "torchvision", "typer"):
    sys.modules[package] = None
import numpy as np
from pathlib import Path
from mmfeat.fit.models.model import read_model
from mmfeat.types import Features
folder = Path({str(tmp_path)!r})
image, text = (np.load(folder / f"{{name}}.npy") for name in ("image", "text"))
ids = tuple(map(str, range(len(image))))
embeddings = {{"image": (image,), "text": (text,)}}
features = Features(ids=ids, embeddings=embeddings, targets=None, labels=())
for name in {names}:
    scores = read_model(folder / name).predict_proba({{(): features}})
    np.testing.assert_allclose(scores, np.load(folder / f"{{name}}.npy"), atol=1e-6)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_rows_that_occur_twice_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    training = make_training()
    doubled = replace(training, features=features_of(training).take(np.arange(N_ROWS) // 2))
    with caplog.at_level("WARNING", logger="mmfeat"):
        scores_of(doubled, tmp_path, "knn")
    assert "have a twin with equal embeddings in another fold" in caplog.text
