"""Frozen models that turn images and captions into embeddings."""

from __future__ import annotations

from mmfeat.encoders.base import Encoder, Preprocessing
from mmfeat.encoders.load import ENCODERS, load_encoder

__all__ = ["ENCODERS", "Encoder", "Preprocessing", "load_encoder"]
