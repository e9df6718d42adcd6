"""What tests of exports share."""

from __future__ import annotations

import pytest

from mmfeat.core.workspace import Workspace
from tests.support.workspaces import import_split


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with the splits train and test, of made-up embeddings."""
    made = Workspace(tmp_path_factory.mktemp("exports") / "work")
    import_split(made, "train")
    import_split(made, "test", n_rows=20, seed=7)
    return made
