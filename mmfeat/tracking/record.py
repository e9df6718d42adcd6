"""What a tracker receives of a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmfeat.core.workspace import Workspace
from mmfeat.runs.run import Run

Curve = Sequence[float | None]


@dataclass(frozen=True, kw_only=True)
class Record:
    """A run in the form that trackers log.

    Attributes
    ----------
    key
        A hash of name, config and data; the same each time a run is sent.
    parameters
        The config, with each head option as ``set.KEY``.
    metrics
        Out-of-fold metrics as ``DECISION/METRIC`` for at_0.5, tuned and nested; seconds, bytes.
    curves
        Values by step, counted from 1 (None: no value), such as the loss of each epoch as
        ``loss/PART/fold-N/ROWS``.
    files
        Config, metrics, thresholds, history and the report, as far as they exist.
    """

    name: str
    key: str
    parameters: dict[str, str]
    metrics: dict[str, float]
    curves: dict[str, Curve]
    files: tuple[Path, ...]


def read_record(run: Run, workspace: Workspace, curves: Mapping[str, Curve]) -> Record:
    """Collect the record of a finished run; raise `RunError` where its files are damaged."""
    config = asdict(run.config)
    settings = config.pop("settings")
    identity = json.dumps([run.name, config, settings, run.provenance.get("digest")])
    names = ("config.json", "metrics.json", "thresholds.json", "history.json")
    files = [*(run.folder / name for name in names), workspace.root / "report.html"]
    return Record(
        name=run.name,
        key=hashlib.sha256(identity.encode()).hexdigest()[:16],
        parameters={
            **{key: _text(value) for key, value in config.items()},
            **{f"set.{key}": value for key, value in settings.items()},
        },
        metrics=dict(_metrics(run)),
        curves={**_losses(run.history), **curves},
        files=tuple(path for path in files if path.is_file()),
    )


def _metrics(run: Run) -> Iterator[tuple[str, float]]:
    document = run.metrics
    tables = {"at_0.5": document["oof"]["at_0.5"], "seconds": document["seconds"]}
    if run.has_thresholds:
        tables |= run.decision.oof
    for table, values in tables.items():
        for name, value in values.items():
            if value is not None:  # no class has positives
                yield f"{table}/{name}", float(value)
    yield "bytes", float(document["bytes"])


def _losses(history: Mapping[str, Any]) -> dict[str, Curve]:
    return {
        f"loss/{part}/fold-{number}/{rows}": losses
        for part, folds in history.items()
        for number, fold in enumerate(folds, start=1)
        for rows, losses in fold.items()
    }


def _text(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)
