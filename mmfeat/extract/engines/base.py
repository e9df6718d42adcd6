"""Engines, which make the shards of a store: a registry, and what an engine is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from mmfeat.config import ExtractSettings
from mmfeat.core.plugins import Plugin, check_name, resolve
from mmfeat.extract.encoders.base import Encoder
from mmfeat.extract.plan import Advance, Plan, Shard

ENGINES: dict[str, Plugin] = {
    "local": Plugin("mmfeat.extract.engines.local:LOCAL", "one device of this machine"),
    "torchrun": Plugin(
        "mmfeat.extract.engines.torchrun:TORCHRUN", "several processes, started by torchrun"
    ),
    "ray": Plugin(
        "mmfeat.extract.engines.ray_actors:RAY", "several machines of a Ray cluster", extra="ray"
    ),
}
FORMER_NAMES = {"claims": "torchrun"}


@dataclass(frozen=True, kw_only=True)
class Work:
    """Shards of a plan that are missing, in the folder `parts`, and who hears of their rows."""

    plan: Plan
    encoder: Encoder
    shards: Sequence[Shard]
    parts: Path
    advance: Advance

    @property
    def n_rows(self) -> int:
        """The number of rows of its shards."""
        return sum(shard.n_rows for shard in self.shards)

    def start(self) -> None:
        """Tell of the start, from which a rate is measured."""
        for modality in self.plan.modalities if self.shards else ():
            self.advance(modality, 0)


@dataclass(frozen=True, kw_only=True)
class Engine:
    """How an engine loads the encoder, and how it makes shards.

    Attributes
    ----------
    load_encoder
        Returns the encoder for `extract_table`; the model itself may be on another machine.
    make_shards
        Writes every one of the shards into the folder, in any order, and reports their rows.
        A shard has the same bytes as that of any other engine on such a device.
    make_together
        Makes the shards of several works and decodes each picture once; returns the seconds that
        each would take by itself. None: the engine makes them one after the other.
    """

    load_encoder: Callable[[ExtractSettings], Encoder]
    make_shards: Callable[[Plan, Encoder, Sequence[Shard], Path, Advance], None]
    make_together: Callable[[Sequence[Work]], list[float]] | None = None


def engine_name(name: str) -> str:
    """Return the name in `ENGINES`, also of a former name; raise `PluginError` if unknown."""
    return check_name(FORMER_NAMES.get(name, name), ENGINES, "engine")


def find_engine(name: str) -> Engine:
    """Return an engine; raise `PluginError` if it is unknown or needs an extra."""
    return cast("Engine", resolve(engine_name(name), ENGINES, "engine"))


def load_encoder_for(settings: ExtractSettings) -> Encoder:
    """Load the encoder of `settings` for their engine; raises what `load_encoder` raises."""
    return find_engine(settings.engine).load_encoder(settings)
