"""Calibration: maps that make the probabilities of a class match the observed frequencies."""
