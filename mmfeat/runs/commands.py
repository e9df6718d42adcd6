"""The commands that reproduce a run, ready to paste into a shell."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import fields

from mmfeat.decide.decision import Decision
from mmfeat.runs.config import ADDED
from mmfeat.runs.run import Run

STAYED = "thresholds stay at 0.5"  # the note of `tune` without a named method


def commands_of(run: Run) -> tuple[str, ...]:
    """`mmfeat fit …`, and `mmfeat tune-thresholds …` if the run has thresholds."""
    lines = [_line(["fit", *_fit_options(run)])]
    for objective in reversed(run.decisions.objectives):
        options = _tune_options(run.decision_for(objective))
        lines.append(_line(["tune-thresholds", run.name, *options]))
    return tuple(lines)


def _fit_options(run: Run) -> Iterable[str]:
    config = run.config
    yield from ("--split", config.split)
    if config.features:
        yield from ("--features", ",".join(config.features))
    yield from ("--head", config.head, "--fusion", config.fusion)
    if config.loss is not None:
        yield from ("--loss", config.loss)
    yield from ("--folds", str(config.folds), "--seed", str(config.seed))
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name in ADDED and field.name != "max_memory" and value != field.default:
            text = ",".join(value) if isinstance(value, tuple) else str(value)
            yield from (f"--{field.name.replace('_', '-')}", text)
    for key, value in config.settings.items():
        yield from ("--set", f"{key}={value}")
    if run.name != config.name(str(run.provenance.get("digest"))):
        yield from ("--name", run.name)


def _tune_options(decision: Decision) -> Iterable[str]:
    yield from ("--objective", decision.objective)
    if not any(note.startswith(STAYED) for note in decision.notes):
        yield from ("--method", decision.method)
    for option, value in decision.options.items():
        yield from (f"--{option}", f"{value:g}")


def _line(arguments: Iterable[str]) -> str:
    return shlex.join(["mmfeat", *arguments])
