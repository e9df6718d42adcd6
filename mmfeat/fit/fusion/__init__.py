"""Fusions: embeddings of several modalities become one matrix for a head."""
