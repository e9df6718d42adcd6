"""The contract of every head, over the registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmfeat.core.plugins import resolve
from mmfeat.errors import ConfigError, FitError
from mmfeat.fit.heads import HEADS
from mmfeat.fit.heads.options import parse_option
from mmfeat.fit.losses import LOSSES
from mmfeat.types import Fused
from tests.support.fits.heads import BLOCKS, N_LABELS, N_ROWS, TORCH, draw, fit, make, prompts_of


@pytest.mark.parametrize("name", HEADS)
def test_probabilities_are_finite_and_of_the_right_shape(name: str) -> None:
    x, y = draw()
    scores = fit(make(name), x, y).predict_proba(x[:7])
    assert scores.shape == (7, N_LABELS)
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize("name", HEADS)
def test_something_is_learned(name: str) -> None:
    x, y = draw(400)
    options = {"epochs": 30} if name in TORCH else {}
    head = fit(make(name, **options), x[:300], y[:300])
    assert ((head.predict_proba(x[300:]) > 0.5) == y[300:]).mean() > 0.7


@pytest.mark.parametrize("name", HEADS)
def test_same_seed_same_numbers(name: str) -> None:
    x, y = draw()
    one, other = (fit(make(name), x, y).predict_proba(x) for _ in range(2))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", HEADS)
def test_a_saved_head_predicts_the_same(name: str, tmp_path: Path) -> None:
    x, y = draw()
    y[:, 1] = 0
    head = fit(make(name), x, y)
    head.save(tmp_path)
    loaded = type(head).load(tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(x), head.predict_proba(x))
    assert loaded == head
    assert loaded.rounds_ == head.rounds_
    kinds = {path.suffix for path in tmp_path.iterdir()}
    assert kinds <= {".json", ".safetensors", ".txt"}
    assert json.loads((tmp_path / "head.json").read_text())["head"] == name


@pytest.mark.parametrize("name", HEADS)
def test_folds_are_fitted_as_if_alone_and_refitted(name: str) -> None:
    x, y = draw()
    y[40:, 2] = 0  # constant in the second split
    splits = [np.arange(40), np.arange(40, 60), np.arange(10, 50)]
    options = {"C": 1.0} if name == "logreg" else {}
    head = make(name, **options)
    folds = list(head.fit_folds(Fused(values=x, blocks=BLOCKS, prompts=prompts_of(y)), y, splits))
    assert len(folds) == 3
    for fold, rows in zip(folds, splits, strict=True):
        alone = fit(make(name, **options), x[rows], y[rows])
        np.testing.assert_allclose(fold.predict_proba(x), alone.predict_proba(x), atol=2e-3)
    assert (folds[1].predict_proba(x)[:, 2] == 0).all()
    final = fit(head.for_refit(folds), x, y)
    assert final.predict_proba(x).shape == y.shape


@pytest.mark.parametrize("name", HEADS)
def test_constant_classes_get_their_constant_rate(name: str) -> None:
    x, y = draw()
    y[:, 0], y[:, 2] = 0, 1
    scores = fit(make(name), x, y).predict_proba(x)
    assert (scores[:, 0] == 0).all()
    assert (scores[:, 2] == 1).all()
    assert len(np.unique(scores[:, 1])) > 1


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("n_rows", [1, 2, 3])
def test_few_rows_are_enough(name: str, n_rows: int) -> None:
    x, y = draw()
    y[1, 1] = 1 - y[0, 1]
    scores = fit(make(name), x[:n_rows], y[:n_rows]).predict_proba(x)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", HEADS)
def test_one_class_is_enough(name: str) -> None:
    x, y = draw()
    assert fit(make(name), x, y[:, :1]).predict_proba(x).shape == (N_ROWS, 1)


@pytest.mark.parametrize("name", HEADS)
def test_a_thousand_classes_are_not_too_many(name: str) -> None:
    x, _ = draw()
    y = (np.random.default_rng(0).random((N_ROWS, 1000)) < 0.05).astype(np.uint8)
    single: dict[str, dict[str, Any]] = {"lightgbm": {"trees": 1}, "logreg": {"C": 1.0}}
    options = single.get(name, {})
    assert fit(make(name, **options), x, y).predict_proba(x).shape == (N_ROWS, 1000)


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("scale", [1e4, 1e-4])
def test_large_small_and_constant_columns_are_borne(name: str, scale: float) -> None:
    x, y = draw(300)
    x *= scale
    x[:, 4], x[:, 8] = scale, 0.0
    options = {"epochs": 30} if name in TORCH else {}
    scores = fit(make(name, **options), x[:200], y[:200]).predict_proba(x[200:])
    assert np.isfinite(scores).all()
    assert ((scores > 0.5) == y[200:]).mean() > 0.65


@pytest.mark.parametrize("name", HEADS)
def test_rows_without_any_features_are_borne(name: str) -> None:
    x, y = draw()
    x[:5] = 0
    assert np.isfinite(fit(make(name), x, y).predict_proba(x)).all()


@pytest.mark.parametrize("name", HEADS)
def test_wrong_shapes_are_told(name: str) -> None:
    x, y = draw()
    with pytest.raises(FitError, match="rows"):
        fit(make(name), x[:0], y[:0])
    with pytest.raises(FitError, match="blocks"):
        fit(make(name), x, y, blocks=(3, 3))
    head = fit(make(name), x, y)
    assert head.predict_proba(x[:0]).shape == (0, N_LABELS)
    with pytest.raises(FitError, match="fitted on 9 numbers"):
        head.predict_proba(x[:, :5])


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("fusion", ["none", "gated", "bilinear"])
@pytest.mark.parametrize("loss", LOSSES)
def test_every_learned_fusion_with_every_loss(name: str, fusion: str, loss: str) -> None:
    x, y = draw()
    head = fit(make(name, learned_fusion=fusion, loss=loss, epochs=2), x, y)
    assert np.isfinite(head.predict_proba(x)).all()


@pytest.mark.parametrize("name", TORCH)
def test_a_learned_fusion_needs_two_modalities(name: str) -> None:
    x, y = draw()
    with pytest.raises(FitError, match="two modalities"):
        make(name, learned_fusion="gated").fit(x, y, blocks=(9,))


def test_settings_become_options() -> None:
    mlp = resolve("mlp", HEADS, "head")
    texts = {"hidden": "2048-512", "dropout": "0.6", "patience": "0", "schedule": "constant"}
    head = mlp.from_settings(texts, seed=3, loss="focal")
    assert (head.hidden, head.dropout, head.patience) == ((2048, 512), 0.6, 0)
    assert (head.seed, head.loss) == (3, "focal")


@pytest.mark.parametrize(
    "settings",
    [{"neurons": "3"}, {"dropout": "much"}, {"dropout": "2"}, {"batch": "-1"}, {"loss": "bce"}],
)
def test_wrong_settings_are_told(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        resolve("mlp", HEADS, "head").from_settings(settings, seed=0, loss="bce")


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [("3", int, 3), ("None", int | None, None), ("true", bool, True), ("a", str, "a")],
)
def test_texts_are_read_by_annotation(text: str, annotation: Any, value: object) -> None:
    assert parse_option("key", text, annotation) == value
