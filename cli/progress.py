"""Progress of stage one: a bar per modality, or a plain line now and then without a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mmfeat_cli.common import note

Progress = Callable[[str, int, int], None]  # modality, rows done, rows in all
SECONDS_BETWEEN_LINES = 15.0
NOUNS = {"image": "images", "text": "captions"}


@contextmanager
def show_progress(*, quiet: bool) -> Iterator[Progress | None]:
    """Give what `extract_table` reports to, fitting the terminal; None with `quiet`."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bars() as progress:
            yield progress
    else:
        yield Lines()


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:,.0f}/s")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bars(*columns, Rate(), TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        tasks = {}

        def progress(modality: str, done: int, total: int) -> None:
            if modality not in tasks:
                tasks[modality] = bars.add_task(NOUNS[modality], total=total, completed=done)
            bars.update(tasks[modality], completed=done)

        yield progress


class Lines:
    """One line per modality every so often: how many, how fast, how long still."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._before: dict[str, int] = {}  # rows that an earlier run had done
        self._last: dict[str, float] = {}

    def __call__(self, modality: str, done: int, total: int) -> None:
        """Take one report; print it if it is time."""
        now = self._clock()
        before = self._before.setdefault(modality, done)
        last = self._last.setdefault(modality, self._start)
        if done < total and now - last < SECONDS_BETWEEN_LINES:
            return
        self._last[modality] = now
        rate = (done - before) / max(now - self._start, 1e-9)
        left = f", {(total - done) / rate:.0f} s left" if rate and done < total else ""
        note(f"{done:,} of {total:,} {NOUNS[modality]}, {rate:,.0f}/s{left}")
