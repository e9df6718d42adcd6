"""What a store cost in stage one: kept beside it as `<split>.cost.json`, and no part of it.

A store holds no time, so that the same input gives the same bytes. How long its encoder took is
measured by whoever makes it from the beginning, and told as long as the store is of that encoder.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmfeat.core.files import read_json, write_json
from mmfeat.errors import StoreError
from mmfeat.store.layout import canonical_json, text_sha256


@dataclass(frozen=True, kw_only=True)
class Cost:
    """How long the rows of a table took.

    Attributes
    ----------
    rows
        Those that were encoded while it was measured; at least one.
    seconds
        Of reading, decoding and encoding them.
    device, engine
        What encoded them.
    """

    rows: int
    seconds: float
    device: str
    engine: str

    @property
    def seconds_per_1000(self) -> float:
        """Seconds of 1,000 rows."""
        return 1000 * self.seconds / self.rows


def write_cost(out: Path, cost: Cost, provenance: dict[str, Any]) -> None:
    """Keep what the store at `out`, of such a provenance, cost."""
    write_json(cost_path(out), {**asdict(cost), "of": _made_by(provenance)})


def read_cost(out: Path, provenance: dict[str, Any]) -> Cost | None:
    """What the store at `out` cost; None where it was not measured, or for another encoder.

    Raises `StoreError` for a damaged file.
    """
    path = cost_path(out)
    if not path.is_file():
        return None
    try:
        document = read_json(path)
        if document.pop("of") != _made_by(provenance):
            return None
        cost = Cost(**document)
        if not (cost.rows > 0 and 0 <= cost.seconds < math.inf):
            raise ValueError(f"{cost.rows} rows in {cost.seconds} seconds")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            "what a store cost is kept as JSON", f"{path}: {error}", "remove the file"
        ) from error
    return cost


def copy_cost(source: Path, out: Path, provenance: dict[str, Any]) -> None:
    """Keep for the store at `out` what another of the same encoder cost."""
    cost = read_cost(source, provenance)
    if cost is not None:
        write_cost(out, cost, provenance)


def cost_path(out: Path) -> Path:
    """Where what the store at `out` cost is kept."""
    return out.with_name(f"{out.name.removesuffix('.h5')}.cost.json")


def _made_by(provenance: dict[str, Any]) -> str:
    """What the cost of a row depends on, besides the machine: encoder and modalities."""
    return text_sha256(canonical_json([provenance.get("encoder"), provenance.get("modalities")]))
