"""Models: every head with every fusion, out-of-fold scores, resuming, saving."""

from __future__ import annotations

import logging
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmfeat.core.plugins import resolve
from mmfeat.errors import ConfigError, FitError, PluginError
from mmfeat.fit.fusion import FUSIONS, LateFusion, prompted_fusions, sources_of
from mmfeat.fit.fusion.fuse import fuse
from mmfeat.fit.heads import HEADS
from mmfeat.fit.losses import LOSSES
from mmfeat.fit.models.head_model import HeadModel
from mmfeat.fit.models.model import Model, read_model
from mmfeat.fit.models.stacked_model import StackedModel
from mmfeat.fit.recipes import RECIPES
from mmfeat.runs.folds import make_folds
from mmfeat.types import Features

N_ROWS, WIDTH, N_LABELS, N_FOLDS = 45, 6, 3, 3
QUICK = {
    "mlp": {"epochs": "2", "hidden": "8"},
    "gmlp": {"epochs": "2", "width": "4", "tokens": "2"},
    "lightgbm": {"trees": "3", "min_rows": "2"},
}


LATE = [name for name, fusion in FUSIONS.items() if isinstance(fusion, LateFusion)]


def make_features(*, shift: float = 0.0) -> Features:
    rng = np.random.default_rng(0)
    image, text = (rng.normal(size=(N_ROWS, WIDTH)).astype(np.float16) for _ in range(2))
    targets = (image[:, :N_LABELS] + text[:, :N_LABELS] > shift).astype(np.uint8)
    image[3], text[5] = np.nan, np.nan
    return Features(
        ids=tuple(f"{row}.jpg" for row in range(N_ROWS)),
        embeddings={"image": (image,), "text": (text,)},
        targets=targets,
        labels=("1", "2", "3"),
        prompts=(np.eye(N_LABELS, WIDTH, dtype=np.float32),),
    )


def make_model(
    head: str, fusion: str, *, loss: str = "bce", **settings: str
) -> HeadModel | StackedModel:
    texts = {**QUICK.get(head, {}), **settings}
    if fusion in ("late-sum", "mixed"):
        texts = {"decision.epochs": "2", "decision.hidden": "8", **texts}
    kind = StackedModel if fusion in LATE else HeadModel
    return kind.make(head=head, fusion=fusion, loss=loss, settings=texts)


def make_stacked(head: str, fusion: str, **settings: str) -> StackedModel:
    model = make_model(head, fusion, **settings)
    assert isinstance(model, StackedModel)
    return model


def make_single(head: str, fusion: str, **settings: str) -> HeadModel:
    model = make_model(head, fusion, **settings)
    assert isinstance(model, HeadModel)
    return model


def predict(model: Model, features: Features) -> np.ndarray:
    return model.predict_proba({(): features})


def out_of_fold(model: Model, features: Features, checkpoints: Path | None = None) -> np.ndarray:
    assert features.targets is not None
    folds = make_folds(features.targets, n_folds=N_FOLDS, seed=0)
    scores = np.full(features.targets.shape, np.nan, dtype=np.float32)
    for fold, rows, probabilities in model.cross_validate(features, folds, checkpoints=checkpoints):
        np.testing.assert_array_equal(rows, np.flatnonzero(folds == fold))
        assert np.isnan(scores[rows]).all()
        scores[rows] = probabilities
    return scores


def pairs() -> list[tuple[str, str]]:
    return [
        (head, fusion)
        for head in HEADS
        for fusion in FUSIONS
        if FUSIONS[fusion].kind != "learned" or resolve(head, HEADS, "head").learns_fusion
        if head != "zeroshot" or set(sources_of(fusion)) <= set(prompted_fusions())
    ]


def with_losses() -> list[tuple[str, str, str]]:
    """Every pair that has a loss to choose, with every loss but the one of the other tests."""
    return [
        (head, fusion, loss)
        for head, fusion in pairs()
        if make_model(head, fusion).uses_loss
        for loss in LOSSES
        if loss != "bce"
    ]


@pytest.mark.parametrize(("head", "fusion", "loss"), with_losses())
def test_every_loss_where_there_is_one_to_choose(head: str, fusion: str, loss: str) -> None:
    features = make_features()
    model = make_model(head, fusion, loss=loss)
    scores = out_of_fold(model, features)
    assert ((scores >= 0) & (scores <= 1)).all()
    predicted = predict(model.fit(features), features)
    assert ((predicted >= 0) & (predicted <= 1)).all()


@pytest.mark.parametrize(("head", "fusion"), pairs())
def test_every_head_with_every_fusion(head: str, fusion: str, tmp_path: Path) -> None:
    features = make_features()
    model = make_model(head, fusion)
    scores = out_of_fold(model, features)
    assert ((scores >= 0) & (scores <= 1)).all()
    expected = predict(model.fit(features), features)
    assert expected.dtype == np.float32
    assert ((expected >= 0) & (expected <= 1)).all()
    model.save(tmp_path)
    np.testing.assert_array_equal(predict(read_model(tmp_path), features), expected)


@pytest.mark.parametrize("head", [n for n in HEADS if not resolve(n, HEADS, "head").learns_fusion])
def test_a_pair_without_sense_is_told(head: str) -> None:
    with pytest.raises(ConfigError, match="learned inside torch heads"):
        make_model(head, "gated")


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("fusion", ["concat", "late-stack"])
@pytest.mark.parametrize("n_kept", [0, 1, 2, 3])
def test_an_interrupted_fit_goes_on_to_the_same_numbers(
    head: str, fusion: str, n_kept: int, tmp_path: Path
) -> None:
    features = make_features()
    assert features.targets is not None
    folds = make_folds(features.targets, n_folds=N_FOLDS, seed=0)
    whole = make_model(head, fusion)
    expected = out_of_fold(whole, features)
    cut = make_model(head, fusion).cross_validate(features, folds, checkpoints=tmp_path)
    for _ in range(n_kept):
        next(cut)
    cut.close()  # type: ignore[attr-defined]
    resumed = make_model(head, fusion)
    np.testing.assert_array_equal(out_of_fold(resumed, features, tmp_path), expected)
    np.testing.assert_array_equal(
        predict(resumed.fit(features), features), predict(whole.fit(features), features)
    )


def test_kept_folds_are_not_fitted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features = make_features()
    expected = out_of_fold(make_model("mlp", "image"), features, tmp_path)
    head = resolve("mlp", HEADS, "head")
    monkeypatch.setattr(head, "_fit", None)
    np.testing.assert_array_equal(
        out_of_fold(make_model("mlp", "image"), features, tmp_path), expected
    )


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("fusion", ["concat", "mixed"])
def test_a_fold_is_scored_without_its_labels(head: str, fusion: str) -> None:
    """Flipping the labels of a fold must not move that fold's own scores.

    Combiners see the other folds' scores, which that fold's labels helped to make; so there
    only the sources are held to it.
    """
    features = make_features()
    assert features.targets is not None
    folds = np.arange(N_ROWS) % N_FOLDS
    flipped = features.targets.copy()
    flipped[folds == 1] = 1 - flipped[folds == 1]
    settings = {"C": "1"} if head == "logreg" else {}
    answers = []
    for targets in (features.targets, flipped):
        again = replace(features, targets=targets)
        if fusion == "concat":
            single = make_single(head, fusion, **settings)
            list(single.cross_validate(again, folds))
            rows = np.flatnonzero(folds == 1)
            answers.append({"concat": single.folds_[1].predict_proba(fuse_rows(again, rows))})
        else:
            stacked = make_stacked(head, fusion, **settings)
            list(stacked.cross_validate(again, folds))
            answers.append(dict(stacked.scores_))
    for source, scores in answers[0].items():
        mask = slice(None) if fusion == "concat" else folds == 1
        np.testing.assert_allclose(scores[mask], answers[1][source][mask], atol=1e-3)


def fuse_rows(features: Features, rows: np.ndarray) -> np.ndarray:
    values: np.ndarray = fuse(features, "concat").values[rows]
    return values


def test_the_mean_of_the_folds_can_be_the_final_model(tmp_path: Path) -> None:
    features = make_features()
    model = make_single("logreg", "concat", final="average")
    out_of_fold(model, features)
    scores = predict(model.fit(features), features)
    each = [part.predict_proba(fuse_rows(features, np.arange(N_ROWS))) for part in model.folds_]
    np.testing.assert_allclose(scores, np.mean(each, axis=0), atol=1e-6)
    model.save(tmp_path)
    np.testing.assert_array_equal(predict(read_model(tmp_path), features), scores)


def test_normalise_reaches_the_fusion() -> None:
    features = make_features()
    plain = out_of_fold(make_model("logreg", "concat", C="1"), features)
    raw = out_of_fold(make_model("logreg", "concat", C="1", normalise="false"), features)
    assert np.abs(plain - raw).max() > 0.01


@pytest.mark.parametrize("fusion", LATE)
def test_in_sample_scores_are_a_choice_and_warn(
    fusion: str, caplog: pytest.LogCaptureFixture
) -> None:
    features = make_features()
    model = make_model("logreg", fusion, in_sample="true")
    with caplog.at_level(logging.WARNING):
        scores = out_of_fold(model, features)
    assert "in-sample" in caplog.text
    assert np.isfinite(predict(model.fit(features), features)).all()
    honest = out_of_fold(make_model("logreg", fusion), features)
    assert (np.abs(scores - honest).max() > 1e-6) == (fusion != "late-mean")


def test_twins_across_folds_are_told(caplog: pytest.LogCaptureFixture) -> None:
    features = make_features()
    for part in chain.from_iterable(features.embeddings.values()):
        part[10:] = part[:35]
    with caplog.at_level(logging.WARNING):
        out_of_fold(make_model("knn", "concat"), features)
    assert "twin" in caplog.text


@pytest.mark.parametrize(
    ("head", "fusion", "settings"),
    [
        ("mlp", "concat", {"final": "best"}),
        ("mlp", "concat", {"normalise": "perhaps"}),
        ("mlp", "concat", {"in_sample": "true"}),
        ("mlp", "concat", {"decision.epochs": "3"}),
        ("mlp", "late-sum", {"concat.epochs": "3"}),
        ("mlp", "late-sum", {"decision.neurons": "3"}),
        ("logreg", "concat", {"dropout": "0.5"}),
    ],
)
def test_wrong_settings_are_told(head: str, fusion: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        make_model(head, fusion, **settings)


def test_a_kind_of_model_takes_its_kind_of_fusion_alone() -> None:
    with pytest.raises(ConfigError, match="late-mean is a late fusion"):
        HeadModel.make(head="knn", fusion="late-mean")
    with pytest.raises(ConfigError, match="concat is a feature fusion"):
        StackedModel.make(head="knn", fusion="concat")


def test_unknown_names_are_told() -> None:
    for names in (("forest", "concat"), ("mlp", "blend")):
        with pytest.raises(PluginError):
            make_model(*names)


def test_features_without_labels_are_told() -> None:
    features = make_features()
    bare = replace(features, targets=None)
    with pytest.raises(FitError, match="labels"):
        next(make_model("knn", "image").cross_validate(bare, np.arange(N_ROWS) % 2))
    with pytest.raises(FitError, match="cross-validation"):
        make_model("knn", "image").fit(features)


def test_a_broken_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(FitError, match="fit the run again"):
        read_model(tmp_path)
    (tmp_path / "model.json").write_text('{"kind": "head", "members": 1}')
    with pytest.raises(FitError, match="fit the run again"):
        read_model(tmp_path)


def test_the_loss_matters_to_torch_heads_and_decision_mlps() -> None:
    assert make_model("mlp", "image").uses_loss
    assert make_model("logreg", "late-sum").uses_loss
    assert not make_model("logreg", "late-stack").uses_loss
    assert not make_model("knn", "late-mean").uses_loss


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_builds(name: str) -> None:
    recipe = RECIPES[name]
    model = (StackedModel if recipe.fusion in LATE else HeadModel).make(
        head=recipe.head, fusion=recipe.fusion, loss=recipe.loss, settings=recipe.settings
    )
    assert set(model.sources) == set(sources_of(recipe.fusion))
