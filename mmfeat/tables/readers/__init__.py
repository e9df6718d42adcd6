"""Readers of the kinds of files that hold tables, each into columns."""
