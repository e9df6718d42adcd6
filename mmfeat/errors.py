"""Every error that users see: each states the rule, what was found, and the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

# User and password of an address, which has one slash where it was taken for a path.
CREDENTIALS = re.compile(r"(\w\w:/+)[^\s'\"]*@")
LONGEST_WORD = 300  # characters of a word that a message shows
LONGEST_TEXT = 1000  # characters of a rule, of what was found, and of a remedy
LONG_WORD = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")


def short(text: str) -> str:
    """Cut a very long text, and very long words of it, in the middle."""
    text = LONG_WORD.sub(lambda found: f"{found[0][:200]}…{found[0][-80:]}", text)
    return text if len(text) <= LONGEST_TEXT else f"{text[:700]} … {text[-200:]}"


def without_credentials(text: str) -> str:
    """Leave user names and passwords out of the addresses in a text."""
    return CREDENTIALS.sub(r"\1…@", text)


class MmfeatError(Exception):
    """An error in the user's input or files, reported in one line.

    Parameters
    ----------
    rule
        What has to hold, e.g. ``"ids must be unique"``.
    found
        What was found instead, naming file, row and id where there are any.
    remedy
        What to do about it.

    Its text never has the user names and passwords of addresses, and is never endless.
    """

    def __init__(self, rule: str, found: str, remedy: str) -> None:
        super().__init__(rule, found, remedy)
        self.rule, self.found, self.remedy = rule, found, remedy

    def __str__(self) -> str:
        parts = (" ".join(part.split()) for part in (self.rule, self.found, self.remedy))
        return "; ".join(short(without_credentials(part)) for part in parts)


class ConfigError(MmfeatError, ValueError):
    """`mmfeat.toml`, an option or a `--set` value is invalid."""


class PluginError(MmfeatError):
    """A name is not in its registry, or an optional dependency is missing."""


class TableError(MmfeatError):
    """A table of ids, captions and labels, or a sheet of label sets, is invalid."""


class StoreError(MmfeatError):
    """A feature store is missing, damaged, or does not match the request."""


class DamagedStoreError(StoreError):
    """A file of a feature store is not what was written; `mmfeat extract` makes it again."""


class EncoderError(MmfeatError):
    """A model or its weights cannot be loaded or run."""


class ExtractError(MmfeatError):
    """An extraction cannot continue."""


class ClusterError(MmfeatError):
    """A Ray cluster cannot be joined, is too small, or lost its workers."""


class FitError(MmfeatError, ValueError):
    """The features and labels cannot be fitted with these settings."""


class RunError(MmfeatError):
    """A run is missing, unfinished, or does not match the request."""


class SubmissionError(MmfeatError):
    """A submission, its sample or its solution is invalid."""


def counted(n: int, one: str, many: str | None = None) -> str:
    """A number with what it counts: "1 row", "2,000 rows"; `many` where an s is not enough."""
    return f"{n:,} {one if n == 1 else many or f'{one}s'}"


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """The remedy for an unknown name: the known one most like it, and what else to do.

    Examples
    --------
    >>> did_you_mean("contcat", ["image", "text", "concat"], "see `mmfeat list fusions`")
    "did you mean 'concat'? Else see `mmfeat list fusions`"
    """
    folded = {one.casefold(): one for one in known}
    near = get_close_matches(name.casefold(), folded, n=1)
    return f"did you mean {folded[near[0]]!r}? Else {otherwise}" if near else otherwise
