"""The feature store: one HDF5 file per split, never open for writing once it exists."""

from __future__ import annotations

from mmfeat.store.inspect import read_provenance
from mmfeat.store.join.features import StoredFeatures, open_features, read_features
from mmfeat.store.layout import SCHEMA, FailedRow, Status
from mmfeat.store.reader import FeatureStore

__all__ = [
    "SCHEMA",
    "FailedRow",
    "FeatureStore",
    "Status",
    "StoredFeatures",
    "open_features",
    "read_features",
    "read_provenance",
]
