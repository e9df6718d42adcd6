"""Import existing embeddings of any encoder into a feature store."""

from __future__ import annotations

from mmfeat.extract.importing.embeddings import import_embeddings

__all__ = ["import_embeddings"]
