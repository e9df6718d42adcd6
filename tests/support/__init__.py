"""Fixtures and fakes that the tests and some benchmarks share."""
