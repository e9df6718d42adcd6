"""Embeddings that are not finite: recorded as failed, and an error where they are many.

Weights that hold NaN and a precision that overflows give rows that look encoded and are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmfeat.errors import EncoderError
from mmfeat.extract.guard import Refusal
from mmfeat.extract.plan import Plan
from mmfeat.store.layout import Status
from mmfeat.types import Embeddings, FloatArray

ENOUGH = 16  # embeddings that are not finite, before more than half of all end the extraction


@dataclass(kw_only=True)
class FiniteCheck:
    """Looks at the embeddings of one modality, batch by batch."""

    plan: Plan
    modality: str
    precision: str
    n_seen: int = 0
    n_failed: int = 0
    overflows: bool = False  # they are finite as the encoder gives them

    def store(
        self, found: FloatArray, values: Embeddings, at: NDArray[np.int64] | list[int]
    ) -> dict[int, Refusal]:
        """Put a batch into `values` at the places `at`; give the refusals by their place.

        A row that is not finite is NaN there. Raises `EncoderError` where they are many.
        """
        with np.errstate(over="ignore"):  # what is too large for the type becomes infinite
            values[at] = found
        bad = np.flatnonzero(~np.isfinite(values[at]).all(axis=1))
        self.n_seen += len(at)
        self.n_failed += len(bad)
        if not len(bad):
            return {}
        self.overflows = bool(np.isfinite(found[bad]).all())
        if self.n_failed >= ENOUGH:
            self.finish()
        places = [int(at[i]) for i in bad]
        values[places] = np.nan
        refusal = Refusal(Status.CORRUPT, f"{self._found()}, which is no embedding")
        return dict.fromkeys(places, refusal)

    def finish(self) -> None:
        """Raise `EncoderError` where more than half of the embeddings so far are not finite.

        A few are not enough, unless the table or its shards have no more rows.
        """
        rows = min(self.plan.table.n_rows, self.plan.settings.shard_rows)
        if 2 * self.n_failed <= self.n_seen or self.n_failed < min(ENOUGH, rows / 2):
            return
        others = " or ".join(name for name in ("fp32", "bf16") if name != self.precision)
        raise EncoderError(
            "embeddings must be finite",
            f"{self.n_failed} of the first {self.n_seen} embeddings of {self.modality} are not:"
            f" {self._found()}",
            "use --dtype float32"
            if self.overflows
            else f"use another --precision ({others}), or other weights (--pretrained)",
        )

    def _found(self) -> str:
        if self.overflows:
            return f"a number is too large for {self.plan.settings.dtype}"
        return f"the encoder gives NaN or infinity in the precision {self.precision}"
