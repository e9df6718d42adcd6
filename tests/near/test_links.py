"""Near-copies are kept beside the folds, and shared by the feature sets of a split."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmfeat.core.workspace import Workspace
from mmfeat.errors import RunError
from mmfeat.near import kept
from mmfeat.near.kept import load_links
from mmfeat.near.links import Links, find_links
from mmfeat.store import read_features
from mmfeat.types import Features
from tests.support.workspaces import import_split


def kept_file(workspace: Workspace) -> Path:
    (path,) = workspace.folds.glob("near-*.json")
    return path


def load(workspace: Workspace, *names: str) -> dict[str, Links]:
    features = read_features(workspace.stores("twice", names))
    return load_links(workspace, features, "twice", names)


def test_they_are_looked_for_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    find = find_links

    def counted(features: Features) -> dict[str, Links]:
        asked.append(features.n_rows)
        return find(features)

    monkeypatch.setattr(kept, "find_links", counted)
    import_split(workspace, "twice", features="a")
    import_split(workspace, "twice", features="b")
    first = load(workspace, "a")
    again, other = load(workspace, "a"), load(workspace, "b")
    assert asked == [60]  # the feature set b has the links of a
    for found in (again, other):
        for name, link in first.items():
            np.testing.assert_array_equal(found[name].pairs.rows, link.pairs.rows)
            np.testing.assert_array_equal(found[name].pairs.cosines, link.pairs.cosines)
            assert found[name].bound == link.bound and found[name].shared == link.shared
    workspace.store("twice", "a").unlink()
    import_split(workspace, "twice", features="a", seed=1)
    load(workspace, "b")
    assert len(asked) == 2  # a is another one now


def test_a_damaged_file_is_refused(workspace: Workspace) -> None:
    import_split(workspace, "twice")
    load(workspace)
    document = json.loads(kept_file(workspace).read_text())
    document["links"]["image"]["bound"] = 0.1
    kept_file(workspace).write_text(json.dumps(document))
    with pytest.raises(RunError, match="its sha256 differs; remove the file"):
        load(workspace)
    kept_file(workspace).write_text("[]")
    with pytest.raises(RunError, match="near-copies are saved as JSON"):
        load(workspace)
