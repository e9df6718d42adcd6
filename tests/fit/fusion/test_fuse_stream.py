"""Streams of fused rows: the same numbers as in memory, read from files."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from mmfeat.core.workspace import Workspace
from mmfeat.fit.fusion import FUSIONS
from mmfeat.fit.fusion.fuse import fuse, fuse_stream
from mmfeat.store import StoredFeatures, open_features, read_features
from tests.support.fits.models import OF_PAIR
from tests.support.fits.streaming import LITTLE


@pytest.mark.parametrize("fusion", [f for f in OF_PAIR if FUSIONS[f].kind != "late"])
def test_a_stream_is_what_fuse_makes(
    many_rows: Workspace, stored: StoredFeatures, fusion: str
) -> None:
    whole = fuse(read_features([many_rows.store("train")]), fusion)
    fused = fuse_stream(stored, fusion)
    assert fused.blocks == whole.blocks
    stream = fused.values
    assert stream.shape == whole.values.shape
    for rows in (slice(0), slice(0, 7), slice(2990, 3010)):
        np.testing.assert_array_equal(stream[rows], whole.values[rows])


def test_another_process_opens_the_same_files(stored: StoredFeatures) -> None:
    again = pickle.loads(pickle.dumps(stored))
    assert again.ids == stored.ids and again.memory == stored.memory
    np.testing.assert_array_equal(
        again.part(slice(5, 9)).embeddings["image"][0],
        stored.part(slice(5, 9)).embeddings["image"][0],
    )


def test_rows_at_once_follow_from_the_memory(many_rows: Workspace) -> None:
    few, many = (
        fuse_stream(open_features([many_rows.store("train")], memory=memory), "concat").values
        for memory in (LITTLE, 100 * LITTLE)
    )
    assert 0 < few.buffer_rows < many.buffer_rows
