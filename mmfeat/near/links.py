"""The near-copies of a split, per modality, kept in a file beside the folds."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from mmfeat.core.files import read_json, write_text
from mmfeat.core.lock import locked
from mmfeat.core.workspace import Workspace
from mmfeat.errors import PluginError, RunError, StoreError
from mmfeat.near.bound import near_bound
from mmfeat.near.equal import EqualRows, find_equal
from mmfeat.near.projection import choose_projection
from mmfeat.near.rows import UnitRows
from mmfeat.near.search import Pairs, find_pairs
from mmfeat.store import read_provenance
from mmfeat.types import FeatureRows, IntArray

SAMPLE_ROWS = 4096

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Links:
    """Near-copies by one modality.

    Attributes
    ----------
    bound
        The cosine from which two rows are near-copies; None: only equal rows were looked for.
    pairs
        Pairs of rows; each further row of equal ones is in a pair with the first of them.
    shared
        A row and how many rows share its embedding, where they are too many to be related.
    """

    bound: float | None
    pairs: Pairs
    shared: tuple[tuple[int, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give the fields as JSON holds them."""
        return {
            "bound": self.bound,
            "rows": self.pairs.rows.tolist(),
            "cosines": self.pairs.cosines.tolist(),
            "shared": self.shared,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Links:
        """Read what `to_json` gave."""
        rows = np.array(document["rows"], np.int64).reshape(-1, 2)
        return cls(
            bound=document["bound"],
            pairs=Pairs(rows, np.array(document["cosines"], np.float32)),
            shared=tuple((int(row), int(count)) for row, count in document["shared"]),
        )


def modalities_of(features: FeatureRows) -> tuple[str, ...]:
    """The modalities that rows have."""
    return tuple(features.part(slice(0, 1)).embeddings)


def equal_pairs(rows: IntArray) -> Pairs:
    """Pairs of rows, (p, 2), that are equal bit for bit."""
    return Pairs(rows, np.ones(len(rows), np.float32))


def find_links(features: FeatureRows) -> dict[str, Links]:
    """Find the near-copies of a split by each modality.

    Where a library that many rows need is missing, only equal rows are found, with a warning.
    """
    return {name: _find(features, name) for name in modalities_of(features)}


def _find(features: FeatureRows, modality: str) -> Links:
    equal: EqualRows = find_equal(features, modality)
    rows = UnitRows(features=features, modality=modality, kept=equal.distinct)
    pairs, bound = [equal_pairs(equal.pairs)], None
    if len(rows) > 1:
        sample = rows.sample(SAMPLE_ROWS)
        bound = near_bound(sample, len(rows) * (len(rows) - 1) / 2)
        try:
            near = find_pairs(rows, None, choose_projection(sample, bound), bound)
            pairs.append(Pairs(rows.kept[near.rows], near.cosines))
        except PluginError as error:
            log.warning("only equal rows are found: %s", error)
            bound = None
    return Links(bound=bound, pairs=Pairs.join(pairs), shared=equal.shared)


@dataclass(frozen=True, kw_only=True)
class FoundIn:
    """The stores in which near-copies were found."""

    split: str
    features: tuple[str, ...]
    digest: str

    @classmethod
    def of(cls, workspace: Workspace, split: str, features: Sequence[str]) -> Self:
        """The stores of a split as they are; raise `StoreError` where one is missing or damaged."""
        paths = workspace.stores(split, tuple(features))
        digests = " ".join(read_provenance(path)["digest"] for path in paths)
        return cls(split=split, features=tuple(features), digest=digests)

    def is_present(self, workspace: Workspace) -> bool:
        """Whether the stores are as they were."""
        try:
            return self == FoundIn.of(workspace, self.split, self.features)
        except StoreError:
            return False


def load_links(
    workspace: Workspace, features: FeatureRows, split: str, names: Sequence[str] = ()
) -> dict[str, Links]:
    """Read the near-copies of a split, or find them in the feature sets `names` and keep them.

    All feature sets of the same rows share what was found in the first of them, as long as that
    is there, so that their runs have the same folds. Raises `RunError` for a damaged file.
    """
    rows = hashlib.sha256("\n".join([split, *features.ids]).encode()).hexdigest()
    path = workspace.folds / f"near-{rows[:16]}.json"
    with locked(
        path.with_suffix(".lock"),
        on_wait=lambda holder: log.info("waiting for process %s", holder),
    ):
        if path.exists():
            links, found_in = _read(path)
            if found_in.is_present(workspace):
                return links
        links = find_links(features)
        if all(link.bound is not None or not len(link.pairs) for link in links.values()):
            _write(path, links, FoundIn.of(workspace, split, names))
        return links


def _write(path: Path, links: Mapping[str, Links], found_in: FoundIn) -> None:
    content = {
        "found_in": asdict(found_in),
        "links": {name: link.to_json() for name, link in links.items()},
    }
    write_text(path, json.dumps({**content, "sha256": _sha256(content)}))


def _read(path: Path) -> tuple[dict[str, Links], FoundIn]:
    try:
        content = read_json(path)
        if content.pop("sha256") != _sha256(content):
            raise ValueError("its sha256 differs")
        found_in = content["found_in"]
        return (
            {name: Links.from_json(link) for name, link in content["links"].items()},
            FoundIn(**{**found_in, "features": tuple(found_in["features"])}),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            "near-copies are saved as JSON with their sha256", f"{path}: {error}", "remove the file"
        ) from error


def _sha256(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
