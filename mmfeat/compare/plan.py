"""The cells of a comparison: sensible combinations of feature sets, heads, fusions and losses."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mmfeat.config import CompareSettings, FitSettings, Settings
from mmfeat.core.plugins import check_name
from mmfeat.core.settings import override_all
from mmfeat.errors import ConfigError, MmfeatError
from mmfeat.fit.fusion import FUSIONS
from mmfeat.fit.heads import HEADS
from mmfeat.fit.losses import LOSSES
from mmfeat.fit.plan import plan_run
from mmfeat.runs.config import FeatureSets, RunConfig, name_sets

log = logging.getLogger(__name__)

MOST_SEEDS = 1_000


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The cells to run, and the combinations left out with their reasons.

    Attributes
    ----------
    cells
        One config per run; all have the same split.
    skipped
        Invalid combinations, as (combination, reason).
    """

    cells: tuple[RunConfig, ...]
    skipped: tuple[tuple[str, str], ...]


def plan_comparison(
    options: FitSettings,
    *,
    heads: Sequence[str],
    fusions: Sequence[str],
    losses: Sequence[str],
    seeds: int = 1,
    features: Sequence[FeatureSets] = ((),),
) -> Comparison:
    """List the runs of a comparison, with consecutive seeds from `options.seed` on.

    Each of `features` are sets that are joined; each combination is fitted on all of them.
    ``("all",)`` stands for every name of that registry. A head without a choice of losses gives
    one cell for any `losses`. Raises `PluginError` for an unknown name, and
    `ConfigError` for no seed, for more than `MOST_SEEDS`, and for an empty list.
    """
    if not 1 <= seeds <= MOST_SEEDS:
        raise ConfigError(
            f"a comparison has 1 to {MOST_SEEDS:,} seeds", f"--seeds is {seeds}", "use 5, say"
        )
    choices = [
        _chosen(asked, registry, kind)
        for asked, registry, kind in (
            (heads, HEADS, "head"),
            (fusions, FUSIONS, "fusion"),
            (losses, LOSSES, "loss"),
        )
    ]
    cells: dict[str, RunConfig] = {}
    skipped: list[tuple[str, str]] = []
    for head, fusion, loss in itertools.product(*choices):
        try:
            config = plan_run(replace(options, head=head, fusion=fusion, loss=loss))
        except MmfeatError as error:
            skipped.append((f"{head} × {fusion} × {loss}", str(error)))
            continue
        for sets, seed in itertools.product(features, range(options.seed, options.seed + seeds)):
            cell = replace(config, features=sets, seed=seed)
            cells.setdefault(cell.name(""), cell)
    return Comparison(cells=tuple(cells.values()), skipped=tuple(skipped))


def plan_asked(
    settings: Settings, features: Sequence[str], given: Mapping[str, Any]
) -> tuple[Comparison, CompareSettings]:
    """The comparison of `mmfeat.toml`, whose keys `given` overrides, and what it may cost.

    `features` as in `read_sets`. Combinations that are left out are reported. Errors as in
    `plan_comparison`.
    """
    fitting: FitSettings
    asked: CompareSettings
    fitting, asked = override_all(given, settings.fit, settings.compare)
    plan = plan_comparison(
        fitting,
        heads=asked.heads,
        fusions=asked.fusions,
        losses=asked.losses,
        seeds=asked.seeds,
        features=read_sets(features),
    )
    report_skipped(plan.skipped)
    return plan, asked


def report_skipped(skipped: Iterable[tuple[str, str]]) -> None:
    """Report what is left out, given as (combination, reason); each reason once."""
    combinations: dict[str, list[str]] = {}
    for combination, reason in skipped:
        combinations.setdefault(reason, []).append(combination)
    for reason, names in combinations.items():
        log.info("skipped: %s: %s", ", ".join(names), reason)


def describe(cell: RunConfig) -> str:
    """A cell in a few words: head, fusion, loss and seed, and the feature sets if named."""
    words = [cell.head, cell.fusion, cell.loss, f"seed {cell.seed}" if cell.seed else None]
    on = f" on {name_sets(cell.features)}" if cell.features else ""
    return " × ".join(word for word in words if word) + on


def read_sets(texts: Sequence[str]) -> tuple[FeatureSets, ...]:
    """The feature sets that are compared: each text names one, or several that are joined.

    >>> read_sets(["l14", "siglip2", "l14,siglip2", ""])
    (('l14',), ('siglip2',), ('l14', 'siglip2'), ())
    """
    joined = (tuple(filter(None, map(str.strip, text.split(",")))) for text in texts)
    return tuple(dict.fromkeys(joined)) or ((),)


def _chosen(asked: Sequence[str], registry: Mapping[str, Any], kind: str) -> list[str]:
    if not asked:
        raise ConfigError(f"a comparison needs a {kind}", "none was given", "give some, or all")
    if list(asked) == ["all"]:
        return list(registry)
    return [check_name(name, registry, kind) for name in asked]
