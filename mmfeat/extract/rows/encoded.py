"""What became of rows of one modality, and what their encoding has in common."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmfeat.errors import ExtractError
from mmfeat.extract.encoders.base import Encoder
from mmfeat.extract.guard import Refusal
from mmfeat.extract.plan import Plan
from mmfeat.extract.rows.finite import FiniteCheck
from mmfeat.types import Embeddings


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """The results of some rows of one modality; `refusals` by position among them."""

    embeddings: Embeddings
    status: NDArray[np.uint8]
    truncated: NDArray[np.uint8] | None  # None where the encoder takes inputs of any length
    digests: NDArray[np.uint8] | None  # None where the inputs are in the table
    windows: NDArray[np.int32] | None = None  # None where long inputs are cut
    refusals: dict[int, Refusal]


def finite_check(plan: Plan, encoder: Encoder, modality: str) -> FiniteCheck:
    """Begin to look at the embeddings of a modality."""
    precision = str(encoder.provenance.get("precision", plan.settings.precision))
    return FiniteCheck(plan=plan, modality=modality, precision=precision)


def check_allowed(plan: Plan, row: int, refusal: Refusal) -> None:
    """Raise `ExtractError` for a bad image of a row where each must be readable."""
    if plan.settings.on_bad_image == "fail":
        raise ExtractError(
            "every image must be readable under --on-bad-image fail",
            f"row {row} ({plan.table.ids[row]}) of {plan.table.source}: {refusal.reason}",
            "repair the file, or use --on-bad-image record",
        )
