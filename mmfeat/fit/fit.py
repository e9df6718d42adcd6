"""The verb `fit`: a cross-validated fit of one head and one fusion becomes a run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from mmfeat.core.checks import check_arguments
from mmfeat.core.settings import override_all
from mmfeat.core.workspace import open_project
from mmfeat.fit.heads.space import setting_of
from mmfeat.fit.options import FitOptions
from mmfeat.fit.plan import plan_run
from mmfeat.fit.related import warn_of_neighbours, warn_seen_before
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import Stores
from mmfeat.runs.run import Run

log = logging.getLogger(__name__)


@check_arguments
def fit(
    split: str | None = None,
    *,
    features: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    recipe: str | None = None,
    name: str | None = None,
    workspace: Path | str | None = None,
    on_fit: Callable[[int, int], None] | None = None,
    **options: Unpack[FitOptions],
) -> Run:
    """Fit a head across folds, keep its out-of-fold scores, and refit it on all rows.

    A finished run of the same config and stores is returned; an interrupted one is resumed.

    Parameters
    ----------
    split
        Name of the store.
    features
        Feature sets to join; none: the unnamed one.
    settings
        Options of the head and of the model, e.g. ``{"dropout": 0.5}`` (``--set``).
    recipe
        Head, fusion, loss and settings under one name, see `mmfeat.fit.recipes.RECIPES`.
    name
        Of the run; None: head, fusion, and a hash of the config and the stores.
    on_fit
        Called as ``on_fit(done, total)`` after each fitted head.
    options
        `head`, `fusion`, `loss`, `folds`, `seed`, `max_memory`, `exclude_labels`,
        `min_positives`, `unknown`: see `mmfeat.config.FitSettings`, which has the defaults.

    Raises
    ------
    MmfeatError
        `PluginError` or `ConfigError` for what was asked, `StoreError` for the store, `FitError`
        where the data cannot be fitted, `RunError` where `name` belongs to another run.
    """
    project, space = open_project(workspace)
    (fitting,) = override_all({"split": split, **options}, project.fit)
    texts = {
        key: value if isinstance(value, str) else setting_of(value)
        for key, value in (settings or {}).items()
    }
    config = plan_run(
        fitting, features=tuple(features), settings=texts, recipe=recipe, workspace=space
    )
    if options.get("loss") is not None and config.loss is None:
        log.warning("%s has no loss to choose; the loss %s is ignored", config.head, fitting.loss)
    training = Stores.of(config).load(space)
    warn_seen_before(space, config, submitted=project.submit.split)
    run = fit_run(space, config, training, name=name, on_fit=on_fit)
    warn_of_neighbours(space, config, training)
    return run
