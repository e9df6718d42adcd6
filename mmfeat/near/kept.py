"""Near-copies that were found are kept beside the folds, and not looked for again."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from mmfeat.core.files import read_json, write_text
from mmfeat.core.lock import locked
from mmfeat.core.workspace import Workspace
from mmfeat.errors import RunError, StoreError
from mmfeat.near.links import Links, find_links, find_links_between
from mmfeat.store import open_features, read_provenance
from mmfeat.types import FeatureRows

log = logging.getLogger(__name__)


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
    return _kept(
        workspace,
        workspace.folds / f"near-{rows[:16]}.json",
        find=lambda: find_links(features),
        found_in=FoundIn.of(workspace, split, names),
    )


def load_links_between(
    workspace: Workspace, rows: Sequence[Path], against: Sequence[Path]
) -> dict[str, Links]:
    """Read the near-copies of rows in other stores, or find and keep them.

    Raises `StoreError` for stores that cannot be read, and `RunError` for a damaged file.
    """
    digests = [read_provenance(path)["digest"] for path in (*rows, *against)]
    name = hashlib.sha256(" ".join(digests).encode()).hexdigest()

    def find() -> dict[str, Links]:
        with open_features(rows) as features, open_features(against) as others:
            return find_links_between(features, others)

    return _kept(workspace, workspace.folds / f"near-{name[:16]}.json", find=find)


def _kept(
    workspace: Workspace,
    path: Path,
    *,
    find: Callable[[], dict[str, Links]],
    found_in: FoundIn | None = None,
) -> dict[str, Links]:
    with locked(
        path.with_suffix(".lock"),
        on_wait=lambda holder: log.info("waiting for process %s", holder),
    ):
        if path.exists():
            links, earlier = _read(path)
            if earlier is None or earlier.is_present(workspace):
                return links
        links = find()
        if all(link.is_complete for link in links.values()):
            _write(path, links, found_in)
        return links


def _write(path: Path, links: Mapping[str, Links], found_in: FoundIn | None) -> None:
    content = {
        "found_in": None if found_in is None else asdict(found_in),
        "links": {name: link.to_json() for name, link in links.items()},
    }
    write_text(path, json.dumps({**content, "sha256": _sha256(content)}))


def _read(path: Path) -> tuple[dict[str, Links], FoundIn | None]:
    try:
        content = read_json(path)
        if content.pop("sha256") != _sha256(content):
            raise ValueError("its sha256 differs")
        found_in = content["found_in"]
        return (
            {name: Links.from_json(link) for name, link in content["links"].items()},
            found_in and FoundIn(**{**found_in, "features": tuple(found_in["features"])}),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            "near-copies are saved as JSON with their sha256", f"{path}: {error}", "remove the file"
        ) from error


def _sha256(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
