"""Import existing embeddings of any encoder into a feature store."""

from __future__ import annotations

from mmfeat.extract.importing.embeddings import store_embeddings

__all__ = ["store_embeddings"]
