"""The trials of a search in an SQLite file, by Optuna: stored, proposed, pruned, continued.

A proposal depends only on the finished trials, the seed and the number of the trial. So a search
that was killed continues with the same trials as one that was not. The trial during which it died
does not count and is run again.
"""

from __future__ import annotations

import itertools
import logging
import math
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmfeat.core.lock import LockHeld, locked
from mmfeat.core.plugins import missing_package
from mmfeat.errors import MmfeatError, RunError
from mmfeat.fit.heads.space import Choice, Space, setting_of

try:
    import optuna
    from optuna.trial import FrozenTrial, TrialState
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool
except ModuleNotFoundError as error:
    raise missing_package("a search", error, extra="search") from error

log = logging.getLogger(__name__)

UNDROPPED = 5  # finished trials before one can be dropped below their median
LOCK_SECONDS = 30.0  # to wait while another program holds the file

Report = Callable[[int, float], None]  # number of folds, and the value of the trial after them
Judge = Callable[[dict[str, str], Report], tuple[float, list[float]]]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One set of settings that was tried.

    Attributes
    ----------
    number
        Its place in the search, from 1.
    value, by_fold
        The objective over all folds, and in each; None and empty if it was dropped.
    dropped
        The reason; empty if it was finished.
    """

    number: int
    settings: dict[str, str]
    value: float | None
    by_fold: tuple[float, ...]
    dropped: str
    seconds: float


@contextmanager
def open_study(
    path: Path, identity: str, *, lock_seconds: float = LOCK_SECONDS
) -> Iterator[optuna.Study]:
    """Open or create the study at `path`, exclusively.

    `identity` is everything that its trials depend on. Raises `RunError` if the file is another
    search's, is in use for longer than `lock_seconds`, or is damaged.
    """
    _route_messages()
    try:
        with locked(path.with_name(f"{path.name}.lock")):
            study = optuna.create_study(
                storage=_open_storage(path, lock_seconds),
                study_name="search",
                direction="maximize",
                load_if_exists=True,
                pruner=optuna.pruners.MedianPruner(n_startup_trials=UNDROPPED),
            )
            _check_identity(study, path, identity)
            for trial in study.get_trials(states=(TrialState.RUNNING,)):
                study.tell(trial.number, state=TrialState.FAIL)  # its process has died
            yield study
    except LockHeld as error:
        raise RunError(
            "only one process at a time can run a search",
            f"the process {error.holder} uses {path}",
            "wait until it has ended, or choose another --name",
        ) from None
    except (optuna.exceptions.OptunaError, SQLAlchemyError, sqlite3.Error) as error:
        reason = error.__cause__ or error
        raise _broken(path, getattr(reason, "orig", None) or reason) from error


def trials_of(study: optuna.Study) -> list[Trial]:
    """The finished and dropped trials, in order."""
    kept = study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))
    return [_trial(number, each) for number, each in enumerate(kept, start=1)]


def make_trial(study: optuna.Study, space: Space, *, number: int, seed: int, judge: Judge) -> Trial:
    """Run trial `number` and store it.

    `judge` receives settings and a function to call after each fold, which ends the trial if the
    others are better. A trial that raises `MmfeatError` is dropped, except the first: its settings
    are the user's own, and the error is raised.
    """
    trial = _propose(study, space, number=number, seed=seed)
    settings = _suggest(trial, space)
    trial.set_user_attr("settings", settings)

    def report(fold: int, value: float) -> None:
        trial.report(value, step=fold)
        if trial.should_prune():
            raise optuna.TrialPruned(f"below the median after fold {fold}, at {value:.4f}")

    try:
        value, by_fold = judge(settings, report)
    except (optuna.TrialPruned, MmfeatError) as reason:
        if number == 1:
            raise
        trial.set_user_attr("dropped", str(reason))
        return _trial(number, study.tell(trial, state=TrialState.PRUNED))
    trial.set_user_attr("by_fold", by_fold)
    return _trial(number, study.tell(trial, value))


def n_possible(space: Space) -> float:
    """The number of different trials; infinite if the space has a range."""
    return len(_given(space)) if _has_choices_only(space) else math.inf


def _propose(study: optuna.Study, space: Space, *, number: int, seed: int) -> optuna.Trial:
    """The start of `space`, then proposals of TPE; a space of choices only is enumerated."""
    entropy = np.random.SeedSequence((seed, number)).generate_state(1)
    sampler: Any = optuna.samplers.TPESampler(seed=int(entropy[0]))
    given = _given(space)
    if number <= len(given):
        with warnings.catch_warnings(
            action="ignore", category=optuna.exceptions.ExperimentalWarning
        ):
            sampler = optuna.samplers.PartialFixedSampler(given[number - 1], sampler)
    study.sampler = sampler
    return study.ask()


def _suggest(trial: optuna.Trial, space: Space) -> dict[str, str]:
    """The settings of a trial, as `--set` takes them."""
    settings = {}
    for key, option in space.items():
        value: Any
        if isinstance(option, Choice):
            value = trial.suggest_categorical(key, _texts(option))
        elif option.whole:
            value = trial.suggest_int(key, int(option.low), int(option.high), log=option.log)
        else:
            value = trial.suggest_float(key, option.low, option.high, log=option.log)
        settings[key] = setting_of(value)
    return settings


def _given(space: Space) -> list[dict[str, Any]]:
    """The trials that the sampler does not choose."""
    start = {
        key: setting_of(option.start) if isinstance(option, Choice) else option.start
        for key, option in space.items()
    }
    if not _has_choices_only(space):
        return [start]
    choices = [_texts(option) for option in space.values() if isinstance(option, Choice)]
    every = [dict(zip(space, values, strict=True)) for values in itertools.product(*choices)]
    return [start, *(settings for settings in every if settings != start)]


def _texts(option: Choice) -> list[str]:
    return [setting_of(value) for value in option.among]


def _has_choices_only(space: Space) -> bool:
    return all(isinstance(option, Choice) for option in space.values())


def _trial(number: int, kept: FrozenTrial) -> Trial:
    return Trial(
        number=number,
        settings=kept.user_attrs["settings"],
        value=kept.value if kept.state == TrialState.COMPLETE else None,
        by_fold=tuple(kept.user_attrs.get("by_fold", ())),
        dropped=kept.user_attrs.get("dropped", ""),
        seconds=kept.duration.total_seconds() if kept.duration else 0.0,
    )


def _open_storage(path: Path, lock_seconds: float) -> optuna.storages.RDBStorage:
    # a function instead of a URL, which special characters of a path would break
    connect = partial(sqlite3.connect, path, timeout=lock_seconds, check_same_thread=False)
    try:
        return optuna.storages.RDBStorage(
            "sqlite://", engine_kwargs={"creator": connect, "poolclass": NullPool}
        )
    except RuntimeError as error:  # another version of Optuna made the file
        raise _broken(path, error) from error


def _broken(path: Path, reason: object) -> RunError:
    return RunError(
        "a search needs an intact SQLite file that no other program has locked",
        f"{path}: {reason}",
        "close the other program, or remove the file to start again",
    )


def _check_identity(study: optuna.Study, path: Path, identity: str) -> None:
    stored = study.user_attrs.get("identity")
    if stored is None:
        study.set_user_attr("identity", identity)
    elif stored != identity:
        raise RunError(
            f"a search continues only with the same settings: {path.stem!r} is another one",
            "its first trial, search space, objective or stores differ",
            "choose another --name, or remove that file",
        )


class _Forward(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        log.log(record.levelno, "%s", record.getMessage())


def _route_messages() -> None:
    """Forward Optuna's warnings to our log, without its other messages."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    optuna.logging.disable_default_handler()
    optuna.logging.disable_propagation()
    logger = logging.getLogger("optuna")
    if not any(isinstance(handler, _Forward) for handler in logger.handlers):
        logger.addHandler(_Forward())
