"""Solvers of the linear heads."""
