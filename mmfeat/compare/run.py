"""Running the cells of a comparison in the order of `Order`, within a budget."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mmfeat.compare.cells import Event
from mmfeat.compare.order import Order
from mmfeat.compare.quick.race import LOST, Race
from mmfeat.compare.trainings import on_all_rows
from mmfeat.config import USUAL_THRESHOLDS, ThresholdSettings
from mmfeat.core.plugins import Plugin, resolve
from mmfeat.core.workspace import Workspace
from mmfeat.decide.thresholds.choose import method_of
from mmfeat.errors import ConfigError
from mmfeat.fit.training_data import Stores
from mmfeat.runs.config import RunConfig
from mmfeat.runs.run import Run

ENGINES: dict[str, Plugin] = {
    "local": Plugin("mmfeat.compare.executors:make_local", "processes of this machine"),
    "ray": Plugin("mmfeat.compare.ray_executor:make_tasks", "tasks of a Ray cluster", extra="ray"),
}
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The finished runs, and the cells left out with their reasons."""

    runs: tuple[Run, ...]
    left_out: tuple[tuple[RunConfig, str], ...]


def run_cells(
    workspace: Workspace,
    cells: Sequence[RunConfig],
    *,
    objective: str,
    thresholds: ThresholdSettings = USUAL_THRESHOLDS,
    engine: str = "local",
    jobs: int = 0,
    ray_address: str | None = None,
    budget: float = math.inf,
    is_race: bool = False,
    report: Callable[[Event], None] = lambda event: None,
) -> Outcome:
    """Fit and tune every cell; `report` receives the events of each.

    Each process or machine reads the stores once. `jobs` cells run in parallel; 0: one on this
    machine, one per CPU on a cluster. Finished runs of the same config and stores are reused.
    `thresholds` have the beta and floor of the objective. `budget` is in seconds: a cell that would
    not end in time is not started, and a cell that takes longer than estimated is stopped after
    the current head. Calling again continues. A cell that cannot be fitted is left out with its
    reason, and in a race so is one that has lost, see `Race`.
    """
    method_of(objective, None)  # raises for an unknown objective before anything is fitted
    deadline = time.monotonic() + budget
    runs: list[Run] = []
    left_out: list[tuple[RunConfig, str]] = []
    if not cells:
        return Outcome(runs=(), left_out=())
    cells = on_all_rows(workspace, cells)
    order = Race(cells) if is_race else Order(cells)
    stores = tuple({cell.features: Stores.of(cell) for cell in cells}.values())
    make_executor = resolve(engine, ENGINES, "engine")
    with make_executor(
        workspace,
        stores,
        aim=replace(thresholds, objective=objective),
        jobs=jobs,
        report=report,
        address=ray_address,
    ) as executor:
        while True:
            while executor.is_free:
                cell = order.take(seconds_left=deadline - time.monotonic())
                if cell is None:
                    break
                executor.start(cell, deadline=deadline)
            if not executor.is_busy:
                break
            event = executor.wait()
            report(event)
            if event.state == "finished":
                runs.append(Run(workspace.run(event.run)))
                order.learn(event.cell, seconds=event.seconds, score=event.nested, low=event.low)
            elif event.state != "running":
                left_out.append((event.cell, event.reason))
    left_out += [(cell, LOST) for cell in order.lost]
    left_out += [(cell, _too_long(order.seconds(cell))) for cell in order.waiting]
    return Outcome(runs=tuple(runs), left_out=tuple(left_out))


def seconds_of(text: str) -> float:
    """Read a duration such as 90, 90s, 10m or 1.5h, in seconds; raise `ConfigError` otherwise."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if not found or not float(found[1]):
        raise ConfigError(
            "a budget is a number of seconds, minutes or hours",
            f"{text!r} is not",
            "write e.g. 90s, 10m or 1.5h",
        )
    return float(found[1]) * UNITS[found[2]]


def _too_long(seconds: float | None) -> str:
    if seconds is None:
        return "the budget was spent"
    return f"it takes about {seconds:.0f} s, more than is left of the budget"
