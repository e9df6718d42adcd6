"""Labelled rows of a table or store that neither model was fitted on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmfeat.core.groups import joined_groups
from mmfeat.core.workspace import Workspace
from mmfeat.decide.paired import Decided
from mmfeat.errors import RunError, TableError, counted
from mmfeat.metrics import name_classes
from mmfeat.near.groups import link_groups
from mmfeat.near.kept import load_links
from mmfeat.predict.scores import predict_scores
from mmfeat.promote.rows import JudgedRows, Models, shared_labels
from mmfeat.promote.seen import REASONS, find_seen
from mmfeat.runs.run import Run
from mmfeat.store import FeatureStore, open_features
from mmfeat.tables.table import TableFormat
from mmfeat.types import UNKNOWN, IntArray, Targets

Places = Callable[[Run], tuple[Workspace, str]]  # where the rows lie, embedded as a run needs them


def new_rows(models: Models, workspace: Workspace, places: Places, *, source: str) -> JudgedRows:
    """Decide labelled rows, without those that `mmfeat.promote.seen` finds for either model.

    Raises `TableError` for rows without labels, and `RunError` where the stores of the two models
    have other rows, or where a model was fitted on all of them.
    """
    labels, at = shared_labels(models)
    where = [places(each.run) for each in models]
    known = _read_labels(models[1].run, *where[1], source=source)
    scores = [predict_scores(each.run, *place) for each, place in zip(models, where, strict=True)]
    if any(list(found.ids) != known.ids for found in scores):
        raise RunError(
            "both models decide the same rows in the same order",
            f"the stores of {models[0].run.name} and {models[1].run.name} have other ones",
            "make both stores from the same table",
        )
    decided = [
        Decided(
            sets=each.decision.decide(found.probabilities)[:, columns],
            folds=np.zeros(len(known.ids), np.int64),
        )
        for each, found, columns in zip(models, scores, at, strict=True)
    ]
    rows = JudgedRows(
        source=source,
        ids=known.ids,
        labels=labels,
        targets=known.targets_of(labels),
        probabilities=(scores[0].probabilities[:, at[0]], scores[1].probabilities[:, at[1]]),
        decided=(decided[0], decided[1]),
        groups=joined_groups(
            *(_groups(each.run, *place) for each, place in zip(models, where, strict=True))
        ),
        notes=tuple(known.not_in(labels)),
    )
    return _without_seen(rows, models, workspace, where)


def _without_seen(
    rows: JudgedRows,
    models: Models,
    workspace: Workspace,
    where: Sequence[tuple[Workspace, str]],
) -> JudgedRows:
    left_out, notes = np.zeros(len(rows.ids), np.bool_), list(rows.notes)
    doubts: list[str] = []
    counts = dict.fromkeys(REASONS, 0)
    for each, place in zip(models, where, strict=True):
        seen = find_seen(each.run, workspace, *place)
        doubts += seen.doubts
        for reason, found in seen.by.items():
            counts[reason] += int((found & ~left_out).sum())
            left_out |= found
    if left_out.all():
        raise RunError(
            "two models are compared on rows that neither was fitted on",
            f"all {counted(len(rows.ids), 'row')} of {rows.source} are known to one of them"
            f" ({_told(counts)})",
            "give other rows",
        )
    if left_out.any():
        notes.append(
            f"{left_out.sum():,} of {counted(len(rows.ids), 'row')} are left out, as one of the two"
            f" was fitted on them or on a relative ({_told(counts)})"
        )
    kept = rows.take(np.flatnonzero(~left_out))
    return replace(kept, left_out=counts, notes=tuple(notes), doubts=tuple(dict.fromkeys(doubts)))


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{n:,} by {reason}" for reason, n in counts.items() if n)


@dataclass(frozen=True, kw_only=True)
class _Labelled:
    """The ids and labels of rows, and whether a label that they never have is a known one."""

    ids: list[str]
    labels: tuple[str, ...]
    targets: Targets
    others_are_unknown: bool

    def targets_of(self, labels: Sequence[str]) -> Targets:
        """The targets of `labels`, (n, k); the rows lack those that are never named."""
        fill = UNKNOWN if self.others_are_unknown else 0
        found = np.full((len(self.ids), len(labels)), fill, np.uint8)
        for column, label in enumerate(labels):
            if label in self.labels:
                found[:, column] = self.targets[:, self.labels.index(label)]
        return found

    def not_in(self, labels: Sequence[str]) -> list[str]:
        """A sentence on labels of the rows that are not judged, if there are any."""
        others = [label for label in self.labels if label not in labels]
        return [f"labels of the rows that are not judged: {name_classes(others)}"] * bool(others)


def labelled(targets: Targets | None, *, source: str) -> Targets:
    """The targets of rows that are judged; raise `TableError` where there are none."""
    if targets is None:
        raise TableError(
            "the rows that two models are judged on need labels",
            f"{source} has none",
            "name their column with --label-col",
        )
    return targets


def _read_labels(run: Run, place: Workspace, split: str, *, source: str) -> _Labelled:
    with FeatureStore.open(place.stores(split, run.config.features)[0]) as store:
        targets = labelled(store.targets, source=source)
        how = TableFormat.from_json(store.provenance.get("table") or {})
        return _Labelled(
            ids=list(store.ids),
            labels=store.labels,
            targets=targets,
            others_are_unknown=bool(how.label_cols or how.known_col),
        )


def _groups(run: Run, place: Workspace, split: str) -> IntArray | None:
    """Related rows, (n,): by the table, and near-copies of each other."""
    names = run.config.features
    with open_features(place.stores(split, names)) as rows:
        return link_groups(rows.groups, load_links(place, rows, split, names), rows.ids).groups
