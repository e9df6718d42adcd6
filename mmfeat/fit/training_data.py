"""What a fit learns from: the features of a split with their labels, and the folds of its table."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

import numpy as np

from mmfeat.core.workspace import Workspace
from mmfeat.errors import FitError, counted, did_you_mean
from mmfeat.fit.validation import append_rows
from mmfeat.metrics import name_classes
from mmfeat.metrics.known import note_unknown, positives, rates
from mmfeat.near.groups import link_groups
from mmfeat.near.kept import load_links
from mmfeat.near.links import Links
from mmfeat.runs.config import RunConfig
from mmfeat.store import StoredFeatures, open_features, read_provenance
from mmfeat.types import BoolArray, Features, Float64Array, Targets


@dataclass(frozen=True, kw_only=True)
class Stores:
    """What a fit reads: the stores of a split, how, and which of its labels."""

    split: str
    features: tuple[str, ...] = ()
    max_memory: int | None = None
    exclude_labels: tuple[str, ...] = ()
    min_positives: int = 0
    near_copies: str = "on"
    validation: str | None = None
    beside: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: RunConfig) -> Stores:
        """What a run reads."""
        return cls(**{known.name: getattr(config, known.name) for known in fields(cls)})

    def load(self, workspace: Workspace) -> Training:
        """Read them, see `load_training`, and the split that judges."""
        own = {name: value for name, value in vars(self).items() if name != "validation"}
        training = load_training(workspace, **own)
        return training if self.validation is None else self._judged(workspace, training)

    def _judged(self, workspace: Workspace, training: Training) -> Training:
        if self.validation == self.split:
            raise FitError(
                "--validation takes another split than the one that is fitted",
                f"both are {self.split}",
                "name another split",
            )
        judging = load_training(
            workspace,
            str(self.validation),
            self.features,
            self.max_memory,
            near_copies=self.near_copies,
            beside=self.beside,
        )
        rows = append_rows(training.features, judging.features, split=str(self.validation))
        is_judge = np.arange(rows.n_rows) >= training.features.n_rows
        return Training(
            features=rows,
            targets=cast("Targets", rows.targets),
            digest=hashlib.sha256(f"{training.digest} {judging.digest}".encode()).hexdigest(),
            provenance=training.provenance,
            judging=is_judge,
            judging_provenance=judging.provenance,
        )


# Libraries take some 700 MiB of --max-memory. Rows that are read slice by slice take a quarter.
# Features of at most a twentieth are read at once: a fit makes up to two float32 copies of them,
# and logreg one in bfloat16.
SHARE_OF_ROWS, SHARE_OF_STORES = 4, 20

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Training:
    """The features to fit on, read or opened once and shared by all cells of a comparison.

    Attributes
    ----------
    provenance, judging_provenance
        Of the stores that are fitted, and of those of `--validation`.
    fold_names, times
        Of shape (n,), as the table has them; see `mmfeat.tables.table.Table`.
    judging
        Of shape (n,): the rows of `--validation`, which no head learns from; None without it.
    """

    features: Features | StoredFeatures
    targets: Targets
    digest: str
    provenance: list[dict[str, Any]]
    fold_names: Sequence[str] | None = None
    times: Float64Array | None = None
    judging: BoolArray | None = None
    judging_provenance: list[dict[str, Any]] = field(default_factory=list)

    def learned_by(self, config: RunConfig) -> Features | StoredFeatures:
        """The features as a run learns from them: with unknown targets as 0 where it says so."""
        if config.unknown == "ignore":
            return self.features
        return replace(self.features, targets=positives(self.targets))


def load_training(
    workspace: Workspace,
    split: str,
    features: Sequence[str] = (),
    max_memory: int | None = None,
    *,
    exclude_labels: Sequence[str] = (),
    min_positives: int = 0,
    near_copies: str = "on",
    beside: Sequence[str] = (),
) -> Training:
    """Read the stores of `split`; raise `FitError` where they have no labels to learn.

    Rows that the stores `beside` have and those of `features` lack are rows without an embedding.

    With `max_memory`, in bytes, features that a fit would not hold in it stay in their files and
    are read slice by slice. Labels that are excluded, or have fewer than `min_positives` rows,
    are left out. Near-copies join the groups, unless `near_copies` is ``off``.
    """
    paths = workspace.stores(split, tuple(features))
    others = workspace.stores_beside(split, tuple(beside))
    in_memory = max_memory is None
    stored = open_features(
        paths,
        beside=others,
        any_order=in_memory,
        **({} if max_memory is None else {"memory": max_memory // SHARE_OF_ROWS}),
    )
    _tell_lacking(stored, features)
    fold_names, times = stored.folds, stored.times
    joined: Features | StoredFeatures = stored
    if max_memory is None or stored.n_bytes <= max_memory // SHARE_OF_STORES:
        with stored:
            joined = stored.part(slice(None))
    if joined.targets is None:
        raise FitError(
            "a fit needs labels",
            f"{paths[0]} was made from a table without labels",
            "fit a split that has them, or name the column with `mmfeat extract --label-col`",
        )
    left_out = _left_out(joined.labels, joined.targets, exclude_labels, min_positives)
    if left_out.any():
        joined = joined.with_labels(np.flatnonzero(~left_out))
    _tell_unknown(joined.labels, cast("Targets", joined.targets))
    origins = [read_provenance(path) for path in paths]
    digests = [read_provenance(path)["digest"] for path in (*paths, *others)]
    training = Training(
        features=joined,
        targets=cast("Targets", joined.targets),
        digest=hashlib.sha256(" ".join(digests).encode()).hexdigest(),
        provenance=origins,
        fold_names=fold_names,
        times=times,
    )
    if near_copies == "off":
        return training
    return _link(training, load_links(workspace, joined, split, features))


def _link(training: Training, links: Mapping[str, Links]) -> Training:
    """Join the groups by near-copies; where there are any, the data have another digest."""
    features = training.features
    linked = link_groups(features.groups, links, features.ids)
    for note in linked.notes:
        log.info("%s", note)
    if linked.groups is None:
        return training
    if features.groups is not None and np.array_equal(linked.groups, features.groups):
        return training
    digest = hashlib.sha256(training.digest.encode())
    digest.update(np.ascontiguousarray(linked.groups).tobytes())
    return replace(
        training, features=replace(features, groups=linked.groups), digest=digest.hexdigest()
    )


def _left_out(
    labels: Sequence[str], targets: Targets, excluded: Sequence[str], min_positives: int
) -> BoolArray:
    """Say for each label, (k,), whether it is left out; raise `FitError` where none stays."""
    for name in excluded:
        if name not in labels:
            raise FitError(
                "excluded labels must be labels of the table",
                f"{name!r} is not one of the {len(labels)}",
                did_you_mean(name, labels, "see `mmfeat check TABLE`"),
            )
    rare = positives(targets).sum(axis=0) < min_positives
    left_out: BoolArray = rare | np.isin(labels, excluded)
    if left_out.all():
        raise FitError(
            "a fit needs labels",
            f"all {len(labels)} are left out",
            "exclude fewer labels, or lower --min-positives",
        )
    if left_out.any():
        log.info(
            "%d of %d labels are left out: %d excluded, %d with fewer than %d positives",
            left_out.sum(),
            len(labels),
            len(excluded),
            rare.sum(),
            min_positives,
        )
    return left_out


def _tell_lacking(stored: StoredFeatures, features: Sequence[str]) -> None:
    """Tell how many rows of the other feature sets each of `features` lacks."""
    for name, count in zip(features or ("the unnamed set",), stored.n_lacking, strict=True):
        if count:
            told = counted(count, f"of {stored.n_rows:,} rows is", f"of {stored.n_rows:,} rows are")
            log.warning("%s not in %s, and fitted without its embeddings", told, name)


def _tell_unknown(labels: Sequence[str], targets: Targets) -> None:
    """Tell how much is unknown, and of which labels no row is known not to have them."""
    for sentence in note_unknown(targets):
        log.info(sentence)
        full = [label for label, share in zip(labels, rates(targets), strict=True) if share == 1]
        if full:
            log.warning("no negatives, predicted for every row: %s", name_classes(full))


def warn_missing(missing: Mapping[str, int], n_rows: int) -> None:
    """Warn of rows that lack a modality, with their number; see `count_missing`."""
    for modality, count in missing.items():
        if count:
            log.warning(
                "%s no %s embedding; they are fitted and predicted without it",
                counted(count, f"of {n_rows:,} rows has", f"of {n_rows:,} rows have"),
                modality,
            )
