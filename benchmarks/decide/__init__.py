"""Measurements of the decision: thresholds, sets, many rows and labels."""
