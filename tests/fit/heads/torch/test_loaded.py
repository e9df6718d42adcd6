"""A head that is loaded is built of what its file holds, and never of what it merely asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmfeat.errors import FitError
from mmfeat.fit.heads.gmlp import GMLP
from mmfeat.fit.heads.mlp import MLP
from mmfeat.fit.heads.torch.training import TorchHead
from mmfeat.fit.models.source import Source
from mmfeat.types import Features

X = np.random.default_rng(0).normal(size=(40, 16)).astype(np.float32)
Y = (X[:, :3] > 0).astype(np.uint8)


@pytest.mark.parametrize(
    ("head", "part", "change"),
    [
        (MLP, "options", {"hidden": [8] * 10**6}),
        (MLP, "options", {"hidden": [10**9]}),
        (MLP, "options", {"members": 10**9}),
        (GMLP, "options", {"layers": 10**6}),
        (GMLP, "options", {"width": 10**9}),
        (GMLP, "options", {"tokens": 10**6}),
        (GMLP, "learned", {"blocks": [1] * 10**6}),
        (MLP, "learned", {"blocks": [10**9, 8]}),
        (MLP, "learned", {"blocks": [10**12, 16 - 10**12]}),
        (MLP, "learned", {"blocks": []}),
    ],
)
def test_sizes_are_refused_before_a_network_is_built(
    head: type[TorchHead],
    part: str,
    change: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    head(epochs=1).fit(X, Y, blocks=(8, 8)).save(tmp_path)
    document = json.loads((tmp_path / "head.json").read_text())
    document[part] |= change
    (tmp_path / "head.json").write_text(json.dumps(document))

    def build(*_: object) -> None:
        pytest.fail("it was built")

    monkeypatch.setattr(head, "_module", build)
    with pytest.raises(ValueError):
        head.load(tmp_path)


def test_rows_of_other_parts_and_the_same_width_are_refused() -> None:
    head = MLP(epochs=1).fit(X, Y, blocks=(8, 8))
    source = Source(head=head, fusion="concat", normalise=True)
    wrong = {"image": (X[:, :12],), "text": (X[:, 12:],)}
    rows = Features(ids=["a"] * 40, embeddings=wrong, targets=None, labels=("a", "b", "c"))
    with pytest.raises(FitError, match=r"8 \+ 8 numbers per row; these rows have 12 \+ 4"):
        source.predict_proba(rows, [head])
