"""Calibration: maps that make the probabilities of a class mean what they say."""
