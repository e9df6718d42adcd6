"""The run folder: config, provenance, out-of-fold scores, head, metrics, thresholds, DONE.

Every file of a finished run is checked against its seal when it is read (`mmfeat.runs.seal`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmfeat.config import ThresholdSettings
from mmfeat.core.lock import LockHeld, locked
from mmfeat.decide.decision import HALVES, Decision, halves
from mmfeat.decide.tune import tune
from mmfeat.errors import RunError, counted
from mmfeat.metrics.sets import labels_per_row
from mmfeat.runs import seal
from mmfeat.runs.config import RunConfig
from mmfeat.runs.decisions import THRESHOLDS, Decisions, is_of_decisions
from mmfeat.runs.files import has, read_json
from mmfeat.runs.scores import read_labels, read_scores
from mmfeat.tables.table import TableFormat
from mmfeat.types import OutOfFold, Targets

SCORES = "scores.h5"
BUNDLE = "bundle.json"  # in the folder of a bundle, and of no run
FEW_ROWS = 1_000  # up to which estimates of five folds were found too low
MANY_FOLDS = 10  # whose heads learn from almost all rows
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
        return has(self.folder, THRESHOLDS)

    @property
    def config(self) -> RunConfig:
        """What makes the run, from `config.json`."""
        document = read_json(self.folder, "config.json")
        features = document.get("features", ())
        if not isinstance(features, list) or not all(isinstance(name, str) for name in features):
            raise seal.damaged(self.folder / "config.json", f"its features are {features!r}")
        try:
            lists = {name: tuple(document.get(name, ())) for name in ("exclude_labels", "beside")}
            return RunConfig(**{**document, "features": tuple(features), **lists})
        except TypeError as error:
            raise seal.damaged(self.folder / "config.json", str(error)) from error

    @property
    def provenance(self) -> dict[str, Any]:
        """Digests of the stores it was fitted on and versions, from `provenance.json`."""
        document = read_json(self.folder, "provenance.json")
        if not isinstance(document.get("stores"), list):
            raise seal.damaged(self.folder / "provenance.json", "it names no stores")
        return document

    @property
    def judged_by(self) -> str:
        """How rows were held out, in words, e.g. ``5 random folds``."""
        origin, n_folds = self.provenance, self.config.folds
        words = {
            "validation": f"the split {self.config.validation}",
            "column": "the table's own folds",
            "time": f"{n_folds} folds forward in time",
        }.get(origin.get("folds", ""), f"{n_folds} random folds")
        related = origin.get("related_rows")
        if not related:
            return words
        n_groups = origin.get("related_groups")  # unknown of earlier runs
        into = f", in {counted(n_groups, 'group')}" if n_groups else ""
        return f"{words}; {related:,} related rows stay together{into}"

    @property
    def doubt(self) -> str | None:
        """Why estimates of few rows are too low; None for many rows or folds, or without a refit.

        Measured by `benchmarks/decide/coverage.py` on heads that learn from 300 to 1,000 rows.
        """
        n_rows = max((store.get("n_rows", 0) for store in self.provenance["stores"]), default=0)
        if self.config.validation is not None or self.config.folds >= MANY_FOLDS:
            return None
        if not 0 < n_rows <= FEW_ROWS:
            return None
        return (
            f"of {counted(n_rows, 'row')}, the heads of folds learn from clearly fewer than the"
            " final head does: estimates are rather too low, and miss their intervals more often"
            f" than 5 %; --folds {MANY_FOLDS} mends most of it"
        )

    @property
    def validation(self) -> str | None:
        """The split that judged, with what identifies its stores; None where rows were held out."""
        stores = self.provenance.get("validation")
        if not stores:
            return None
        return " ".join([str(self.config.validation), *(str(s.get("digest")) for s in stores)])

    @property
    def table_format(self) -> TableFormat:
        """How the table was read that it was fitted on."""
        for store in self.provenance["stores"]:
            if isinstance(table := store.get("table"), dict):
                return TableFormat.from_json(table)
        return TableFormat()

    @property
    def label_sep(self) -> str:
        """What separates labels in the cells of that table."""
        return self.table_format.label_sep

    @property
    def metrics(self) -> dict[str, Any]:
        """Metrics out of fold at 0.5, seconds and bytes, from `metrics.json`."""
        return read_json(self.folder, "metrics.json")

    @property
    def history(self) -> dict[str, Any]:
        """Losses by part, fold, rows and epoch; empty where nothing was trained in epochs."""
        return read_json(self.folder, "history.json") if has(self.folder, "history.json") else {}

    @property
    def decision(self) -> Decision:
        """The decision in use, from `thresholds.json`; 0.5 for every label where there is none."""
        return self.decisions.read() or halves(self.labels)

    @property
    def decisions(self) -> Decisions:
        """All its decisions, one per objective."""
        return Decisions(self.folder)

    def decision_for(self, objective: str | None) -> Decision:
        """The decision for an objective; None: the one in use, ``none``: 0.5 for every label."""
        if objective is None:
            return self.decision
        if objective == HALVES:
            return halves(self.labels)
        found = self.decisions.read(objective)
        if found is None:
            known = ", ".join(self.decisions.objectives) or "none"
            raise RunError(
                f"a decision for {objective} must have been tuned",
                f"the run {self.name} has decisions for: {known}",
                f"run `mmfeat tune-thresholds {self.name} --objective {objective}`",
            )
        return found

    @property
    def oof(self) -> OutOfFold:
        """The out-of-fold scores, from `scores.h5`."""
        self.verify(SCORES)
        return read_scores(self.folder / SCORES)

    @property
    def labels_per_row(self) -> float | None:
        """How many labels a row has on average, of those by which it is judged."""
        return labels_per_row(targets := self.oof.targets, targets)

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
        return self.decisions.held_out()

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

    def write_decision(self, decision: Decision, *, asked_for: bool = True) -> None:
        """Write a decision and use it, unless one that was asked for stands in its way.

        A decision that was not asked for replaces none that was. Raises `RunError` while another
        process writes the run.
        """
        with self.locked():
            self.decisions.write(decision, asked_for=asked_for)

    def use_decision(self, objective: str) -> None:
        """Use its decision for an objective, unless the one in use was asked for."""
        if self.decisions.objectives[:1] != (objective,):
            with self.locked():
                self.decisions.use(objective)

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

    def export(
        self,
        to: Path | str | None = None,
        *,
        to_hub: str | None = None,
        to_onnx: Path | str | None = None,
        with_encoder: bool = False,
        overwrite: bool = False,
    ) -> Path:
        """Write the run as a bundle, here or on the hub, or as ONNX; see `mmfeat.export`."""
        import mmfeat  # noqa: PLC0415 - the verb is above all runs

        return mmfeat.export(
            self,
            to=to,
            to_hub=to_hub,
            to_onnx=to_onnx,
            with_encoder=with_encoder,
            overwrite=overwrite,
        ).path

    def verify(self, name: str) -> None:
        """Check a file or folder of it, if it is finished; raise `RunError` for any damage."""
        seal.verify(self.folder, name)

    def verify_fit(self) -> None:
        """Check all that the fit of a finished run wrote; raise `RunError` for any damage."""
        for name in sorted(seal.names(self.folder)):
            if not is_of_decisions(name):
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
