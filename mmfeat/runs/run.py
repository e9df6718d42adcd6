"""The run folder: config, provenance, out-of-fold scores, head, metrics, thresholds, DONE.

`DONE` is written last: a run without it is resumed or refused, never read.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mmfeat import metrics
from mmfeat.core.files import replacing, write_json, write_text
from mmfeat.decide.decision import Decision
from mmfeat.errors import RunError
from mmfeat.runs.workspace import Workspace
from mmfeat.store.layout import Checksum
from mmfeat.types import OutOfFold, Targets


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What makes a run: two runs of the same config on the same stores are the same run."""

    split: str
    features: tuple[str, ...] = ()  # feature sets that are joined; none: the unnamed one
    head: str
    fusion: str
    loss: str | None  # None where the head has no loss to choose
    folds: int
    seed: int
    settings: dict[str, str] = field(default_factory=dict)  # of --set
    max_memory: int | None = None  # bytes that a fit may take; None: as many as it needs

    def name(self, digest: str) -> str:
        """The run's name unless the user gives one: what it is, and a hash of all of it."""
        document = asdict(self)
        if self.max_memory is None:
            del document["max_memory"]
        text = json.dumps([document, digest], sort_keys=True)
        parts = [self.head, self.fusion, self.loss, hashlib.sha256(text.encode()).hexdigest()[:8]]
        return "-".join(part for part in parts if part)


@dataclass(frozen=True)
class Run:
    """A run on disk."""

    folder: Path

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def is_done(self) -> bool:
        """Whether it was finished."""
        return (self.folder / "DONE").is_file()

    @property
    def has_thresholds(self) -> bool:
        """Whether `tune-thresholds` has decided on it."""
        return (self.folder / "thresholds.json").is_file()

    @property
    def config(self) -> RunConfig:
        """Read `config.json`."""
        document = self._json("config.json")
        features = document.get("features", ())
        if not isinstance(features, list) or not all(isinstance(name, str) for name in features):
            raise _broken(self.folder / "config.json", f"its features are {features!r}")
        try:
            return RunConfig(**{**document, "features": tuple(features)})
        except TypeError as error:
            raise _broken(self.folder / "config.json", str(error)) from error

    @property
    def provenance(self) -> dict[str, Any]:
        """Read `provenance.json`: digests of the stores it was fitted on, library versions."""
        document = self._json("provenance.json")
        if not isinstance(document.get("stores"), list):
            raise _broken(self.folder / "provenance.json", "it names no stores")
        return document

    @property
    def metrics(self) -> dict[str, Any]:
        """Read `metrics.json`."""
        return self._json("metrics.json")

    @property
    def history(self) -> dict[str, Any]:
        """Read `history.json`: losses by part, fold, rows and epoch; empty where there is none."""
        return self._json("history.json") if (self.folder / "history.json").is_file() else {}

    @property
    def decision(self) -> Decision:
        """Read `thresholds.json`; 0.5 for every label where nothing was tuned."""
        if not self.has_thresholds:
            labels = self.labels
            halves = (0.5,) * len(labels)
            return Decision(labels=labels, thresholds=halves, objective="none", method="fixed")
        return Decision.from_json(self._json("thresholds.json"))

    @property
    def oof(self) -> OutOfFold:
        """Read the out-of-fold scores, `scores.h5`."""
        return read_scores(self.folder / "scores.h5")

    @property
    def labels(self) -> tuple[str, ...]:
        """Read the labels alone of `scores.h5`, which may be large."""
        path = self.folder / "scores.h5"
        try:
            with h5py.File(path, "r") as file:
                return tuple(file["labels"].asstr()[:])
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise _broken(path, str(error)) from error

    def write_decision(self, decision: Decision) -> None:
        """Replace `thresholds.json`, and `held_out.h5` with the label sets behind `nested`."""
        document = decision.to_json()
        if decision.held_out is not None:
            with replacing(self.folder / "held_out.h5") as path, h5py.File(path, "w") as file:
                file.create_dataset("sets", data=decision.held_out, compression="gzip")
                file.attrs["decision"] = _digest(document)
        write_json(self.folder / "thresholds.json", document)

    @property
    def held_out(self) -> Targets | None:
        """The label sets behind `nested`, (n, k); None where they are not those of this decision.

        A run tuned by an older version has none, and a kill between two files leaves others.
        """
        try:
            with h5py.File(self.folder / "held_out.h5", "r") as file:
                if file.attrs["decision"] != _digest(self._json("thresholds.json")):
                    return None
                sets: Targets = file["sets"][:]
                return sets
        except (OSError, KeyError):
            return None

    def finish(self) -> None:
        """Write `DONE`, which makes this the newest finished run."""
        write_text(self.folder / "DONE", "")

    def _json(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        try:
            document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise _broken(path, "it is missing") from error
        except ValueError as error:
            raise _broken(path, f"it is not JSON: {error}") from error
        if not isinstance(document, dict):
            raise _broken(path, "it is no JSON object")
        return document


def list_runs(workspace: Workspace) -> list[Run]:
    """All runs of the workspace, finished ones first, each group newest first."""
    if not workspace.runs.is_dir():
        return []
    runs = [Run(folder) for folder in workspace.runs.iterdir() if (folder / "config.json").exists()]
    return sorted(runs, key=lambda run: (run.is_done, _age(run), run.name), reverse=True)


def find_run(workspace: Workspace, name: str | None, *, tuned: bool = False) -> Run:
    """Find the finished run `name`, or the newest one; with `tuned`, one that has thresholds.

    Raises `RunError` where there is none, or where `name` is unfinished.
    """
    remedy = "run `mmfeat tune-thresholds` first" if tuned else "run `mmfeat fit` first"
    if name is None:
        for run in list_runs(workspace):
            if run.is_done and (run.has_thresholds or not tuned):
                return run
        kind = "finished run with thresholds" if tuned else "finished run"
        raise RunError(f"a {kind} is needed", f"{workspace.runs} holds none", remedy)
    run = Run(workspace.run(name))
    if not run.folder.is_dir():
        known = ", ".join(r.name for r in list_runs(workspace)) or "none"
        raise RunError(f"the run {name!r} must exist", f"the runs are: {known}", "name one of them")
    if not run.is_done:
        raise RunError(
            "only finished runs are read",
            f"{run.folder} has no DONE",
            "run the same `mmfeat fit` again to finish it",
        )
    if tuned and not run.has_thresholds:
        raise RunError("the run needs thresholds", f"{run.folder} has none", remedy)
    return run


def write_scores(path: Path, scores: OutOfFold) -> None:
    """Replace `path` by an HDF5 file of ids, labels, folds, oof (float32), targets, and a sum."""
    text = h5py.string_dtype("utf-8")
    with replacing(path) as partial, h5py.File(partial, "w") as file:
        file.create_dataset("ids", data=np.array(scores.ids, dtype=object), dtype=text)
        file.create_dataset("labels", data=np.array(scores.labels, dtype=object), dtype=text)
        file.create_dataset("oof", data=scores.probabilities.astype(np.float32))
        file.create_dataset("folds", data=scores.folds.astype(np.int64))
        file.create_dataset("targets", data=scores.targets.astype(np.uint8))
        file.attrs["sha256"] = _sum(_scores_in(file))


def read_scores(path: Path) -> OutOfFold:
    """Read what `write_scores` wrote; raise `RunError` where the file is missing or broken."""
    try:
        with h5py.File(path, "r") as file:
            scores = _scores_in(file)
            if file.attrs["sha256"] != _sum(scores):
                raise ValueError("it is not what was written: its sha256 differs")
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise _broken(path, str(error)) from error
    return scores


def _scores_in(file: h5py.File) -> OutOfFold:
    return OutOfFold(
        ids=tuple(file["ids"].asstr()[:]),
        labels=tuple(file["labels"].asstr()[:]),
        probabilities=file["oof"][:],
        folds=file["folds"][:],
        targets=file["targets"][:],
    )


def _sum(scores: OutOfFold) -> str:
    checksum = Checksum()
    checksum.add_texts((*scores.ids, *scores.labels))
    for array in (scores.probabilities, scores.folds, scores.targets):
        checksum.add(array)
    return checksum.hex


def summarise_run(run: Run) -> dict[str, Any]:
    """One row about a run; its scores are None while it is unfinished, or where it is broken."""
    row: dict[str, Any] = dict.fromkeys(("run", "head", "fusion", "loss", "status", "thresholds"))
    row |= dict.fromkeys(metrics.HEADLINE)
    row["run"] = run.name
    try:
        config = run.config
        row |= {"head": config.head, "fusion": config.fusion, "loss": config.loss or "-"}
        row["thresholds"] = run.decision.objective if run.has_thresholds else "-"
        if run.is_done:
            oof = run.metrics["oof"]["at_0.5"]
            row |= {name: oof.get(name) for name in metrics.HEADLINE}
    except (RunError, KeyError, TypeError, AttributeError):
        row["status"] = "broken"
    else:
        row["status"] = "finished" if run.is_done else "unfinished"
    return row


def measure_run(run: Run, *, n_resamples: int = 200) -> dict[str, Any]:
    """Every metric of the out-of-fold scores, as the run decides them, and a row per class.

    Thresholds were chosen on these rows; the honest estimate of what they are worth is
    `nested` in thresholds.json. `ap_interval` is the 95 % bootstrap interval of the AP.
    """
    scores, decision = run.oof, run.decision
    predicted = decision.decide(scores.probabilities)
    return {
        "run": run.name,
        "decision": f"{decision.objective}, {decision.method}",
        "metrics": metrics.summarise(
            scores.probabilities, predicted, scores.targets, names=tuple(metrics.METRICS)
        ),
        "per_class": metrics.per_class(
            scores.probabilities, predicted, scores.targets, scores.labels, n_resamples=n_resamples
        ),
    }


def _age(run: Run) -> int:
    done = run.folder / "DONE"
    return (done if done.exists() else run.folder / "config.json").stat().st_mtime_ns


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _broken(path: Path, found: str) -> RunError:
    return RunError(f"a run needs a sound {path.name}", f"{path}: {found}", "fit the run again")
