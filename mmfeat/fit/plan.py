"""From settings to the config of a run, checked before any work begins."""

from __future__ import annotations

from dataclasses import replace

from mmfeat.config import FitSettings, choices_of
from mmfeat.core.checks import check_choice
from mmfeat.core.memory import bytes_of
from mmfeat.core.plugins import check_name
from mmfeat.core.workspace import Workspace
from mmfeat.fit.models.model import MODELS, model_class
from mmfeat.fit.recipes import RECIPES
from mmfeat.runs.config import FeatureSets, RunConfig


def plan_run(
    options: FitSettings,
    *,
    features: FeatureSets = (),
    settings: dict[str, str] | None = None,
    recipe: str | None = None,
    workspace: Workspace | None = None,
) -> RunConfig:
    """Make the config of a run; `settings` are those of `--set` and win over the recipe's.

    An ensemble finds its runs in `workspace`, and takes split, features and folds from them.
    Raises `PluginError` for an unknown name, and `ConfigError` for a setting that does not exist
    or a head and a fusion that cannot be combined.
    """
    check_choice("--near-copies", options.near_copies, choices_of(FitSettings, "near_copies"))
    check_choice("--unknown", options.unknown, choices_of(FitSettings, "unknown"))
    max_memory = None if options.max_memory is None else bytes_of(options.max_memory)
    chosen: dict[str, str] = {}
    if recipe is not None:
        found = RECIPES[check_name(recipe, RECIPES, "recipe")]
        options = replace(options, head=found.head, fusion=found.fusion, loss=found.loss)
        chosen = dict(found.settings)
    config = model_class(options.head, options.fusion).plan(
        options, features=features, settings={**chosen, **(settings or {})}, workspace=workspace
    )
    if config.head in MODELS:  # an ensemble has the labels of its runs
        return replace(config, max_memory=max_memory)
    check_choice("--fold-by", options.fold_by, choices_of(FitSettings, "fold_by"))
    if options.validation is not None:  # it stays a judge, unless a refit on it is asked for
        config = replace(config, settings={"final": "average", **config.settings})
    return replace(
        config,
        max_memory=max_memory,
        exclude_labels=tuple(sorted(set(options.exclude_labels))),
        min_positives=options.min_positives,
        near_copies=options.near_copies,
        unknown=options.unknown,
        fold_by=options.fold_by,
        validation=options.validation,
    )
