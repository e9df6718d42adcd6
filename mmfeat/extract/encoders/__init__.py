"""Frozen models that turn images and captions into embeddings."""

from __future__ import annotations

from mmfeat.extract.encoders.base import Encoder, Preprocessing
from mmfeat.extract.encoders.load import ENCODERS, load_encoder, locate_weights

__all__ = ["ENCODERS", "Encoder", "Preprocessing", "load_encoder", "locate_weights"]
