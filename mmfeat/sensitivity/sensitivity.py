"""The verb `sensitivity`: how much the estimates of a split depend on near neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mmfeat.core.checks import check_arguments
from mmfeat.core.settings import override
from mmfeat.core.workspace import open_project
from mmfeat.errors import FitError
from mmfeat.near.groups import link_groups
from mmfeat.near.kept import load_links
from mmfeat.sensitivity.curve import FEWEST_POSITIVES, FEWEST_ROWS, Curve
from mmfeat.sensitivity.kept import load_curve
from mmfeat.store import open_features, read_provenance


@check_arguments
def sensitivity(
    split: str | None = None,
    *,
    features: Sequence[str] = (),
    workspace: Path | str | None = None,
) -> Curve:
    """Measure the estimate of a split with ever more distant neighbours in one fold.

    Parameters
    ----------
    split, features
        Name of the store, and feature sets to join; see `mmfeat.config.FitSettings`.

    Raises
    ------
    MmfeatError
        `StoreError` for the stores, `FitError` where there are too few rows or labels.
    """
    project, space = open_project(workspace)
    split, names = override(project.fit, split=split).split, tuple(features)
    paths = space.stores(split, names)
    digests = [read_provenance(path)["digest"] for path in paths]
    with open_features(paths) as rows:
        if rows.targets is None:
            raise FitError(
                "a curve of estimates needs labels",
                f"{split} has none",
                "name another split, or extract it with --label-col",
            )
        linked = link_groups(rows.groups, load_links(space, rows, split, names), rows.ids)
        curve = load_curve(space, replace(rows, groups=linked.groups), rows.targets, digests)
    if curve is None:
        raise FitError(
            f"a curve of estimates needs {FEWEST_ROWS} rows and a class with {FEWEST_POSITIVES}"
            " positives",
            f"{split} has {rows.n_rows} rows",
            "name another split",
        )
    return curve
