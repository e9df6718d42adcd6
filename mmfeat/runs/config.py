"""The config of a run: what makes it, and the name that follows from it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields

# Settings that came later: a run that does not use them has the name that it had without them.
ADDED = frozenset(
    (
        *("max_memory", "exclude_labels", "min_positives", "near_copies", "unknown", "fold_by"),
        *("validation", "beside"),
    )
)
BY_ROWS = 0  # folds: as many as the rows ask for, which a fit finds out
FeatureSets = tuple[str, ...]  # that are joined; none: the unnamed one


def name_sets(features: FeatureSets) -> str:
    """Feature sets that are joined, as they are told."""
    return ",".join(features) or "unnamed"


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What makes a run: two runs of the same config on the same stores are the same run."""

    split: str
    features: FeatureSets = ()
    head: str
    fusion: str
    loss: str | None  # None where the head has no loss to choose
    folds: int  # BY_ROWS until a fit has seen the rows
    seed: int
    settings: dict[str, str] = field(default_factory=dict)  # of --set
    max_memory: int | None = None  # bytes that a fit may take; None: as many as it needs
    exclude_labels: tuple[str, ...] = ()
    min_positives: int = 0  # of a label that is fitted
    near_copies: str = "on"  # whether they are kept in one fold
    unknown: str = "ignore"  # what is learned from unknown labels: nothing, or `negative`
    fold_by: str = "auto"  # random, column or time; auto: as the stores have it
    validation: str | None = None  # the split that judges; None: rows of `split` itself
    beside: FeatureSets = ()  # sets whose rows are fitted, too, as rows without an embedding

    def name(self, digest: str) -> str:
        """The run's name unless the user gives one: what it is, and a hash of all of it."""
        document = asdict(self)
        for added in fields(self):
            if added.name in ADDED and document[added.name] == added.default:
                del document[added.name]
        text = json.dumps([document, digest], sort_keys=True)
        parts = [self.head, self.fusion, self.loss, hashlib.sha256(text.encode()).hexdigest()[:8]]
        return "-".join(part for part in parts if part)
