"""Rows of a table, encoded: each modality in batches, and every row accounted for."""
