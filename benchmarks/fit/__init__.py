"""Measurements of stage two: heads, fusions, comparisons."""
