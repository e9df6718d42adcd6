"""What submissions, samples and solutions share: their ids, and the error that names one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from mmfeat.errors import SubmissionError, TableError

MAX_NAMED = 5  # ids or labels in a message


@contextmanager
def submission_errors() -> Iterator[None]:
    """Turn the `TableError` of a sheet that cannot be read into a `SubmissionError`."""
    try:
        yield
    except TableError as error:
        raise SubmissionError(error.rule, error.found, error.remedy) from error


def check_same_ids(ids: Iterable[str], wanted: Iterable[str], *, what: str, where: str) -> None:
    """Raise `SubmissionError` unless `ids` of `what` are those of `where`, in any order."""
    found, needed = set(ids), set(wanted)
    for rows, verb in ((needed - found, "lacks"), (found - needed, "has in excess")):
        if rows:
            raise SubmissionError(
                f"the ids of {what} are exactly those of {where}",
                f"{what} {verb} {len(rows)} of {len(needed)}: {name_some(rows)}",
                "check that both are of the same split",
            )


def name_some(names: Iterable[str]) -> str:
    """The first of the names in alphabetical order, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - MAX_NAMED} more" if len(ordered) > MAX_NAMED else ""
    return ", ".join(ordered[:MAX_NAMED]) + more
