"""Every error a user can meet: each states the rule, what was found, and the remedy."""

from __future__ import annotations


class MmfeatError(Exception):
    """An error in the user's input or files, told in one line.

    Parameters
    ----------
    rule
        What has to hold, e.g. ``"ids must be unique"``.
    found
        What was found instead, naming file, row and id where there are any.
    remedy
        What to do about it.
    """

    def __init__(self, rule: str, found: str, remedy: str) -> None:
        super().__init__(rule, found, remedy)
        self.rule, self.found, self.remedy = rule, found, remedy

    def __str__(self) -> str:
        return " ".join(f"{self.rule}; {self.found}; {self.remedy}".split())


class ConfigError(MmfeatError):
    """`mmfeat.toml`, an option or a `--set` value is at fault."""


class PluginError(MmfeatError):
    """A name is not in its registry, or an optional dependency of it is missing."""


class TableError(MmfeatError):
    """The table of ids, captions and labels is at fault."""


class StoreError(MmfeatError):
    """A feature store is missing, broken, or does not fit what was asked."""


class EncoderError(MmfeatError):
    """A model or its weights cannot be loaded or run."""


class ExtractError(MmfeatError):
    """Stage one cannot go on."""


class ClusterError(MmfeatError):
    """A Ray cluster cannot be joined, cannot give what was asked, or lost its workers."""


class FitError(MmfeatError):
    """The features and labels cannot be fitted as asked."""


class RunError(MmfeatError):
    """A run is missing, unfinished, or does not fit what was asked."""


class SubmissionError(MmfeatError):
    """A submission, its sample or the truth to score it by is at fault."""
