"""The inputs of a graph: the embeddings of a modality, of one feature set each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from torch import Tensor

from mmfeat.fit.models.model import Reads
from mmfeat.runs.config import FeatureSets
from mmfeat.store.layout import in_order
from mmfeat.types import FeatureRows, Features, FloatArray

Rows = Mapping[str, tuple[Tensor, ...]]  # embeddings (n, d) of a modality, of each feature set
RowsOfSets = Mapping[FeatureSets, Rows]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The inputs of a graph, (n, width) float32 each; a row without an embedding is NaN.

    Attributes
    ----------
    widths
        By name: the modality or, where several feature sets are read, the feature set and the
        modality, as in ``clip_image``.
    places
        For all that a model reads, the inputs that each modality is made of.
    """

    widths: dict[str, int]
    places: dict[FeatureSets, dict[str, tuple[str, ...]]]

    @classmethod
    def of(cls, reads: Iterable[Reads], stores: Mapping[FeatureSets, FeatureRows]) -> Self:
        """The inputs of a model that reads `stores`; what it never looks at is none."""
        known = list(reads)
        several = len({name for one in known for name in one.features or ("",)}) > 1
        widths: dict[str, int] = {}
        places: dict[FeatureSets, dict[str, tuple[str, ...]]] = {}
        for one in known:
            place = places.setdefault(one.features, {})
            prefixes = [f"{name}_" if several and name else "" for name in one.features or ("",)]
            arrays = stores[one.features].part(slice(0)).embeddings
            for modality in one.modalities:
                names = place[modality] = tuple(
                    prefix + modality
                    for prefix, store in zip(prefixes, one.stores, strict=True)
                    if modality in store["modalities"]
                )
                for name, array in zip(names, arrays[modality], strict=True):
                    widths[name] = array.shape[1]
        return cls(widths=widths, places=places)

    @property
    def modalities(self) -> tuple[str, ...]:
        """All that is looked at."""
        return in_order(name for place in self.places.values() for name in place)

    def rows(self, tensors: Sequence[Tensor]) -> RowsOfSets:
        """What a model reads, of one tensor per input; modalities stand in their usual order."""
        found = dict(zip(self.widths, tensors, strict=True))
        return {
            sets: {name: tuple(found[one] for one in place[name]) for name in in_order(place)}
            for sets, place in self.places.items()
        }

    def feed(self, features: Mapping[FeatureSets, Features]) -> dict[str, FloatArray]:
        """The arrays of the inputs, of what a model reads."""
        return {
            name: np.asarray(array, dtype=np.float32)
            for sets, place in self.places.items()
            for modality, names in place.items()
            for name, array in zip(names, features[sets].embeddings[modality], strict=True)
        }
