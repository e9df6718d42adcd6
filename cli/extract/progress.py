"""Progress of stage one: a bar per modality, or a plain line now and then without a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mmfeat_cli.messages import note

Progress = Callable[[str, int, int], None]  # modality, rows done, rows in all
SECONDS_BETWEEN_LINES = 15.0
LEAST_SHARE = 1e-3  # of the time, that a modality takes by itself
NOUNS = {"image": "images", "text": "captions", "joint": "pairs"}


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
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class PaceColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(str(task.fields["pace"]))

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), PaceColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks = {}
        pace = Pace()

        def progress(modality: str, done: int, total: int) -> None:
            told = pace(modality, done, total)
            if modality not in tasks:
                tasks[modality] = bars.add_task(_noun(modality), total=total, pace=told)
            bars.update(tasks[modality], completed=done, pace=told)

        yield progress


def _noun(modality: str) -> str:
    """E.g. images, or images (ViT-L-14) where several encoders are at work."""
    name, _, feature_set = modality.partition(" ")
    return f"{NOUNS[name]} ({feature_set})" if feature_set else NOUNS[name]


class Pace:
    """How fast a modality goes since it was first told of, and how long it still takes.

    Images and captions of a shard follow each other, and the time between two reports belongs to
    the modality of the second. Engines that report whole shards tell of both at once: one that
    takes next to no time by itself is measured by all of the time.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._before: dict[str, tuple[int, float]] = {}  # rows of an earlier run, and the time
        self._busy: dict[str, float] = {}
        self._last = clock()

    def __call__(self, modality: str, done: int, total: int) -> str:
        """E.g. ``1,200/s, 75 s left``."""
        now = self._clock()
        before, start = self._before.setdefault(modality, (done, now))
        if done > before:
            self._busy[modality] = self._busy.get(modality, 0.0) + now - self._last
        self._last = now
        busy = self._busy.get(modality, 0.0)
        seconds = busy if busy > LEAST_SHARE * (now - start) else now - start
        rate = (done - before) / max(seconds, 1e-9)
        left = f", {(total - done) / rate:.0f} s left" if rate and done < total else ""
        return f"{rate:,.0f}/s{left}" if rate >= 1 or not rate else f"{rate:.2f}/s{left}"


class Lines:
    """One line per modality every so often: how many, how fast, how long still."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pace = Pace(clock=clock)
        self._last: dict[str, float] = {}
        self._done: dict[str, int] = {}

    def __call__(self, modality: str, done: int, total: int) -> None:
        """Take one report; print it if it is time."""
        now = self._clock()
        told = self._pace(modality, done, total)
        last = self._last.setdefault(modality, now)
        is_news = self._done.get(modality) != done
        self._done[modality] = done
        if not is_news or (done < total and now - last < SECONDS_BETWEEN_LINES):
            return
        self._last[modality] = now
        note(f"{done:,} of {total:,} {_noun(modality)}, {told}")
