"""What a store cost in stage one is kept beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmfeat.errors import StoreError
from mmfeat.store.cost import Cost, cost_path, read_cost, write_cost

MADE_BY = {"encoder": {"name": "one"}, "modalities": ["image"], "n_rows": 3}


def test_a_cost_is_told_as_long_as_the_store_is_of_that_encoder(tmp_path: Path) -> None:
    out = tmp_path / "train.h5"
    assert read_cost(out, MADE_BY) is None
    cost = Cost(rows=500, seconds=2.0, device="cpu", engine="local")
    write_cost(out, cost, MADE_BY)
    assert read_cost(out, {**MADE_BY, "n_rows": 4}) == cost  # brought up to date
    assert cost.seconds_per_1000 == 4.0
    assert read_cost(out, {**MADE_BY, "encoder": {"name": "two"}}) is None


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"rows": 0}'])
def test_a_damaged_file_is_one_line(tmp_path: Path, content: str) -> None:
    out = tmp_path / "train.h5"
    cost_path(out).write_text(content)
    with pytest.raises(StoreError, match="is kept as JSON"):
        read_cost(out, MADE_BY)
