"""The run folder: config, provenance, out-of-fold scores, head, metrics, thresholds, DONE.

Every file of a finished run is checked against its seal when it is read (`mmfeat.runs.seal`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mmfeat.config import ThresholdSettings
from mmfeat.core.files import file_sha256, replacing
from mmfeat.core.lock import LockHeld, locked
from mmfeat.decide.decision import Decision
from mmfeat.decide.tune import tune
from mmfeat.errors import RunError
from mmfeat.runs import seal
from mmfeat.runs.config import RunConfig
from mmfeat.runs.scores import read_labels, read_scores
from mmfeat.store.hdf5.guard import BROKEN
from mmfeat.store.hdf5.new_file import create_hdf5
from mmfeat.types import OutOfFold, Targets

SCORES, THRESHOLDS, HELD_OUT = "scores.h5", "thresholds.json", "held_out.h5"
UNSEALED = ("folds",)  # checkpoints, which are removed when the run is finished


@dataclass(frozen=True)
class Run:
    """A run on disk; what it holds is read when it is asked for.

    Every property raises `RunError` where its file is missing or damaged.
    """

    folder: Path

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def is_done(self) -> bool:
        """Whether it is finished."""
        return seal.is_sealed(self.folder)

    @property
    def has_thresholds(self) -> bool:
        """Whether `tune-thresholds` has decided on it."""
        return self._has(THRESHOLDS)

    @property
    def config(self) -> RunConfig:
        """What makes the run, from `config.json`."""
        document = self._json("config.json")
        features = document.get("features", ())
        if not isinstance(features, list) or not all(isinstance(name, str) for name in features):
            raise seal.damaged(self.folder / "config.json", f"its features are {features!r}")
        try:
            return RunConfig(**{**document, "features": tuple(features)})
        except TypeError as error:
            raise seal.damaged(self.folder / "config.json", str(error)) from error

    @property
    def provenance(self) -> dict[str, Any]:
        """Digests of the stores it was fitted on and versions, from `provenance.json`."""
        document = self._json("provenance.json")
        if not isinstance(document.get("stores"), list):
            raise seal.damaged(self.folder / "provenance.json", "it names no stores")
        return document

    @property
    def metrics(self) -> dict[str, Any]:
        """Metrics out of fold at 0.5, seconds and bytes, from `metrics.json`."""
        return self._json("metrics.json")

    @property
    def history(self) -> dict[str, Any]:
        """Losses by part, fold, rows and epoch; empty where nothing was trained in epochs."""
        return self._json("history.json") if self._has("history.json") else {}

    @property
    def decision(self) -> Decision:
        """The decision, from `thresholds.json`; 0.5 for every label where nothing was tuned."""
        if not self.has_thresholds:
            labels = self.labels
            halves = (0.5,) * len(labels)
            return Decision(labels=labels, thresholds=halves, objective="none", method="fixed")
        return Decision.from_json(self._json(THRESHOLDS))

    @property
    def oof(self) -> OutOfFold:
        """The out-of-fold scores, from `scores.h5`."""
        self.verify(SCORES)
        return read_scores(self.folder / SCORES)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the labels."""
        self.verify(SCORES)
        return read_labels(self.folder / SCORES)

    @property
    def held_out(self) -> Targets | None:
        """The label sets behind `nested`, (n, k); None where they are not those of this decision.

        A kill between the two files of a decision leaves those of another one.
        """
        path = self.folder / HELD_OUT
        if not self._has(HELD_OUT):
            return None
        self.verify(HELD_OUT)
        try:
            with h5py.File(path, "r") as file:
                if bytes(file.attrs["decision"]).decode() != _digest(self._json(THRESHOLDS)):
                    return None
                sets: Targets = file["sets"][:]
                return sets
        except BROKEN as error:
            raise seal.damaged(path, str(error)) from error

    def tune(
        self,
        objective: str = ThresholdSettings.objective,
        *,
        method: str | None = None,
        decode: str | None = None,
        beta: float = ThresholdSettings.beta,
        floor: float = ThresholdSettings.floor,
        seed: int = 0,
    ) -> Decision:
        """Decide on the run for an objective, write the decision and return it.

        See `mmfeat.decide.tune.tune`; raises what it raises.
        """
        decision = tune(
            self.oof,
            objective=objective,
            method=method,
            decode=decode,
            beta=beta,
            floor=floor,
            seed=seed,
        )
        self.write_decision(decision)
        return decision

    def write_decision(self, decision: Decision) -> None:
        """Replace `thresholds.json`, and `held_out.h5` with the label sets behind `nested`.

        Raises `RunError` while another process does the same.
        """
        with self.locked():
            self._write_decision(decision)

    @contextmanager
    def locked(self, *, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
        """Be the only process that writes the run; see `mmfeat.core.lock.locked`.

        Raises `RunError` while another process does, and what killed ones left is removed.
        """
        try:
            with locked(self.folder.with_name(f".{self.name}.lock"), on_wait=on_wait):
                for partial in self.folder.rglob(".*.tmp"):
                    partial.unlink()
                yield
        except LockHeld as lock:
            raise RunError(
                "one process at a time writes a run",
                f"process {lock.holder} is writing {self.folder}",
                "run the same command again when it has ended",
            ) from lock

    def verify(self, name: str) -> None:
        """Check a file or folder of it, if it is finished; raise `RunError` for any damage."""
        seal.verify(self.folder, name)

    def verify_fit(self) -> None:
        """Check all that the fit of a finished run wrote; raise `RunError` for any damage."""
        for name in sorted(seal.names(self.folder) - {THRESHOLDS, HELD_OUT}):
            self.verify(name)

    def restart(self) -> None:
        """Make a finished run an unfinished one of the same config, with nothing else in it."""
        seal.unseal(self.folder)
        for path in self.folder.iterdir():
            if path.name in ("config.json", "provenance.json"):
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def finish(self) -> None:
        """Write `DONE`, which makes this the newest finished run."""
        seal.seal(self.folder, leave_out=UNSEALED)

    def touch(self) -> None:
        """Make this the newest finished run again."""
        seal.touch(self.folder)

    def _write_decision(self, decision: Decision) -> None:
        document = decision.to_json()
        written = [THRESHOLDS]
        if decision.held_out is not None:
            with self._replacing(HELD_OUT) as path, create_hdf5(path) as file:
                file.write("sets", decision.held_out, np.uint8, compression="gzip")
                file.write_attribute("decision", _digest(document))
            written.append(HELD_OUT)
        with self._replacing(THRESHOLDS) as path:
            path.write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")
        seal.settle(self.folder, written)

    @contextmanager
    def _replacing(self, name: str) -> Iterator[Path]:
        """Replace a file of the run; the seal accepts the new one before it takes its place."""
        with replacing(self.folder / name) as partial:
            yield partial
            seal.accept(self.folder, name, file_sha256(partial))

    def _has(self, name: str) -> bool:
        """Whether a file was written; in a finished run it may be missing all the same."""
        return (self.folder / name).is_file() or (self.is_done and name in seal.names(self.folder))

    def _json(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        self.verify(name)
        try:
            document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise seal.damaged(path, "it is missing") from error
        except ValueError as error:
            raise seal.damaged(path, f"it is not JSON: {error}") from error
        if not isinstance(document, dict):
            raise seal.damaged(path, "it is not a JSON object")
        return document


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
