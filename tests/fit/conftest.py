"""What tests of fits share: a store of many rows, made once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mmfeat.core.workspace import Workspace
from mmfeat.store import StoredFeatures, open_features
from tests.support.fits.streaming import LITTLE, import_many_rows


@pytest.fixture(scope="session")
def many_rows(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A store of more rows than `LITTLE` bytes hold; read-only for tests."""
    return import_many_rows(tmp_path_factory.mktemp("many-rows"))


@pytest.fixture
def stored(many_rows: Workspace) -> Iterator[StoredFeatures]:
    with open_features([many_rows.store("train")], memory=LITTLE) as features:
        yield features
