"""What a model takes: settings, names, kinds of fusion, losses and recipes."""

from __future__ import annotations

from typing import Any

import pytest

from mmfeat.core.plugins import resolve
from mmfeat.errors import ConfigError, PluginError
from mmfeat.fit.fusion import possible_sources
from mmfeat.fit.heads import HEADS
from mmfeat.fit.models.head_model import HeadModel
from mmfeat.fit.models.stacked_model import StackedModel
from mmfeat.fit.recipes import RECIPES
from tests.support.fits.models import (
    LATE,
    make_model,
)


@pytest.mark.parametrize("head", [n for n in HEADS if not resolve(n, HEADS, "head").learns_fusion])
def test_a_pair_without_sense_is_told(head: str) -> None:
    with pytest.raises(ConfigError, match="learned inside torch heads"):
        make_model(head, "gated")


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
    assert set(model.sources) == set(possible_sources(recipe.fusion))
