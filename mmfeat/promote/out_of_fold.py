"""The rows of two runs of the same folds: each was held out once from both."""

from __future__ import annotations

import numpy as np

from mmfeat.core.groups import joined_groups
from mmfeat.core.workspace import Workspace
from mmfeat.decide.decision import HALVES
from mmfeat.decide.paired import Decided
from mmfeat.errors import ConfigError, RunError
from mmfeat.fit.related import curve_of
from mmfeat.promote.rows import Candidate, JudgedRows, Models, shared_labels
from mmfeat.promote.seen import digests_of
from mmfeat.runs.run import Run
from mmfeat.store import open_features
from mmfeat.types import OutOfFold, Targets


def out_of_fold_rows(models: Models, workspace: Workspace) -> JudgedRows:
    """Decide the out-of-fold rows of two runs, each fold by what was chosen on the others.

    Raises `ConfigError` for a bundle, which has no such rows, and `RunError` where the two runs
    are of other rows, labels or folds.
    """
    for each in models:
        if each.kind == "bundle":
            raise ConfigError(
                "without --table, two runs are judged on their shared out-of-fold rows",
                f"{each.run.folder} is a bundle, which has none",
                "give labelled rows with --table, or name the run that it was exported from",
            )
    old, new = models
    scores = old.run.oof, new.run.oof
    labels, places = shared_labels(models)
    targets = scores[0].targets[:, places[0]], scores[1].targets[:, places[1]]
    for what, is_same in (
        ("rows", list(scores[0].ids) == list(scores[1].ids)),
        ("folds", np.array_equal(scores[0].folds, scores[1].folds)),
        ("targets", np.array_equal(*targets)),
    ):
        if not is_same:
            raise RunError(
                "without --table, two runs are judged on their shared out-of-fold rows",
                f"{old.run.name} and {new.run.name} have other {what}",
                "give labelled rows that both may be judged on with --table, or fit both on the"
                " same split with the same --folds and --seed",
            )
    sets = [_held_out(each, oof) for each, oof in zip(models, scores, strict=True)]
    ways = [f"judged by {each.run.judged_by}" for each in models]
    lax = [each.run.name for each in models if each.run.config.near_copies == "off"]
    return JudgedRows(
        source=f"out-of-fold rows of {new.run.config.split}",
        ids=scores[1].ids,
        labels=labels,
        targets=targets[1],
        probabilities=(
            scores[0].probabilities[:, places[0]],
            scores[1].probabilities[:, places[1]],
        ),
        decided=(
            Decided(sets=sets[0][:, places[0]], folds=scores[0].folds),
            Decided(sets=sets[1][:, places[1]], folds=scores[1].folds),
        ),
        groups=joined_groups(scores[0].groups, scores[1].groups),
        notes=tuple(dict.fromkeys(ways)),
        doubts=(
            *(
                f"near-copies of a row may have taught the model that judges it in {name}, which"
                " was fitted with --near-copies off: its scores may be too good"
                for name in lax
            ),
            *([] if lax else _dependence(new.run, workspace)),
        ),
    )


def _dependence(run: Run, workspace: Workspace) -> list[str]:
    """A sentence where estimates depend on near neighbours, as the fit has warned."""
    paths = workspace.stores(run.config.split, run.config.features)
    if digests_of(paths) != [store.get("digest") for store in run.provenance["stores"]]:
        return []
    beside = workspace.stores_beside(run.config.split, run.config.beside)
    with open_features(paths, beside=beside) as rows:
        if list(rows.ids) != list(run.oof.ids):  # some rows are never held out
            return []
        curve = curve_of(run, workspace, rows)
    if curve is None or curve.fallen is None:
        return []
    return [f"{curve.verdict}; one of the two may gain more by it"]


def _held_out(each: Candidate, scores: OutOfFold) -> Targets:
    """The label sets (n, k) of each fold, by thresholds that other folds chose."""
    if each.decision.objective == HALVES:
        return each.decision.decide(scores.probabilities)
    sets = each.run.decisions.held_out(each.decision.objective)
    if sets is None:
        raise RunError(
            "a tuned run keeps how it decides held-out folds",
            f"{each.run.name} has no such label sets for {each.decision.objective}",
            f"run `mmfeat tune-thresholds {each.run.name} --objective {each.decision.objective}`",
        )
    return sets
