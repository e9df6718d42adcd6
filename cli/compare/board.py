"""Progress of a comparison: a line per running cell and the table growing below it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mmfeat_cli.messages import note

if TYPE_CHECKING:
    from mmfeat.compare import Event

Report = Callable[["Event"], None]
MOST_ROWS = 15  # of the table while it grows


@contextmanager
def show_cells(n_cells: int, *, objective: str, quiet: bool) -> Iterator[Report]:
    """Give what `run_cells` reports to: live where there is a terminal, else a line per cell."""
    lines = Lines(n_cells, objective)
    if quiet or not sys.stderr.isatty():
        yield lines
        return
    from rich.console import Console
    from rich.live import Live

    board = Board(lines)
    with Live(console=Console(stderr=True), get_renderable=board.render, transient=True) as live:

        def report(event: Event) -> None:
            board(event)
            live.refresh()

        yield report


class Lines:
    """One line for every cell that ends."""

    def __init__(self, n_cells: int, objective: str) -> None:
        self.n_cells, self.objective, self.n_ended = n_cells, objective, 0

    def __call__(self, event: Event) -> None:
        """Take one event; print a line if the cell ended."""
        if event.state == "running":
            return
        self.n_ended += 1
        if event.state == "finished":
            result = f"nested {self.objective} {event.nested:.4f}, {event.seconds:.1f} s"
            result += ", already finished" if event.is_reused else ""
        else:
            result = "skipped"  # its reason is told at the end, once for all such cells
        note(f"{self.n_ended}/{self.n_cells} {title(event)}: {result}")


class Board:
    """What is running, and the finished cells, best first."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._running: dict[str, Event] = {}
        self._finished: list[Event] = []
        self._n_ended = 0

    def __call__(self, event: Event) -> None:
        """Take one event."""
        name = title(event)
        if event.state == "running":
            self._running[name] = event
            return
        self._n_ended += 1
        self._running.pop(name, None)
        if event.state == "finished":
            self._finished.append(event)
        else:
            note(f"{name}: skipped")

    def render(self) -> Any:
        """The lines and the table as they stand."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        running = Table.grid(padding=(0, 1))
        for name, event in self._running.items():
            bar = ProgressBar(total=event.total, completed=event.done, width=30)
            running.add_row(name, bar, f"{event.done}/{event.total} fits")
        table = Table(box=None)
        for column in ("head", "fusion", "loss", "seed"):
            table.add_column(column)
        for column in ("at 0.5", f"nested {self._lines.objective}", "seconds"):
            table.add_column(column, justify="right")
        ranked = sorted(self._finished, key=lambda event: -event.nested)
        for event in ranked[:MOST_ROWS]:
            cell = event.cell
            table.add_row(
                *(cell.head, cell.fusion, cell.loss or "-", str(cell.seed)),
                *(f"{event.at_half:.4f}", f"{event.nested:.4f}", f"{event.seconds:.1f}"),
            )
        more = len(ranked) - MOST_ROWS
        below = Text(
            f"{self._n_ended} of {self._lines.n_cells} cells"
            + (f", {more} more not shown" if more > 0 else "")
        )
        return Group(running, table, below)


def title(event: Event) -> str:
    """The cell of an event in a few words."""
    from mmfeat.compare import describe

    return describe(event.cell)
