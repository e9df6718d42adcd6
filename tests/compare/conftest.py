"""What tests of comparisons share: the rows to train on."""

from __future__ import annotations

import pytest

from mmfeat.core.workspace import Workspace
from mmfeat.fit.training_data import Training, load_training


@pytest.fixture
def training(workspace: Workspace) -> Training:
    return load_training(workspace, "train")
