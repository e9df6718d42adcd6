"""The decisions of a run: at most one per objective, and one of them is in use.

`thresholds.json` is the one in use, and `held_out.h5` has the label sets behind its `nested`. The
others lie in `decisions/`, as `OBJECTIVE.json` and `OBJECTIVE.h5`. A decision that was asked for
by `tune-thresholds` is replaced by another `tune-thresholds` alone; those that `compare` makes
give way.

A kill at any moment leaves every decision whole: the one in use is copied before another takes
its place, every file is replaced at once, and the seal accepts its old and its new sum meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mmfeat.core.plugins import check_name
from mmfeat.decide.decision import Decision
from mmfeat.decide.thresholds import OBJECTIVES
from mmfeat.errors import RunError
from mmfeat.runs import seal
from mmfeat.runs.files import has, read_json, replacing_sealed
from mmfeat.store.hdf5.guard import BROKEN
from mmfeat.store.hdf5.new_file import create_hdf5
from mmfeat.types import Targets

THRESHOLDS, HELD_OUT, OTHERS = "thresholds.json", "held_out.h5", "decisions"
ASKED_FOR = "asked_for"  # a key of each; missing in those of older versions, which are kept


@dataclass(frozen=True)
class Decisions:
    """The decisions in the folder of a run; every method raises `RunError` for damaged files."""

    folder: Path

    @property
    def objectives(self) -> tuple[str, ...]:
        """What there are decisions for; first that of the one in use."""
        used = self._used()
        others = [name for name in OBJECTIVES if has(self.folder, _other(name)[0])]
        return tuple(dict.fromkeys(([used[0]] if used else []) + others))

    def read(self, objective: str | None = None) -> Decision | None:
        """The decision for an objective, or the one in use; None where there is none."""
        names = self._names(objective)
        return None if names is None else Decision.from_json(read_json(self.folder, names[0]))

    def held_out(self, objective: str | None = None) -> Targets | None:
        """The label sets behind `nested`, (n, k); None where they are not those of the decision."""
        names = self._names(objective)
        if names is None or not has(self.folder, names[1]):
            return None
        document, path = read_json(self.folder, names[0]), self.folder / names[1]
        seal.verify(self.folder, names[1])
        try:
            with h5py.File(path, "r") as file:
                made_with = file.attrs["decision"]  # a text in files of older versions
                if isinstance(made_with, bytes):
                    made_with = made_with.decode()
                if made_with != _digest(document):
                    return None
                sets: Targets = file["sets"][:]
                return sets
        except BROKEN as error:
            raise seal.damaged(path, str(error)) from error

    def write(self, decision: Decision, *, asked_for: bool) -> None:
        """Write a decision and use it, unless one that was asked for stands in its way."""
        objective = decision.objective
        try:
            used = self._used()
            if not asked_for and self._is_asked_for(objective):
                return
        except RunError:
            if not asked_for:
                raise
            used = None  # damaged; what was asked for takes its place
        if used is None or used[0] == objective:
            self._put(decision, (THRESHOLDS, HELD_OUT), asked_for=asked_for)
        elif used[1] and not asked_for:
            self._put(decision, _other(objective), asked_for=False)
        else:
            self._copy_used(used[0])
            self._put(decision, (THRESHOLDS, HELD_OUT), asked_for=asked_for)

    def use(self, objective: str) -> None:
        """Use the decision for an objective, unless the one in use was asked for."""
        used = self._used()
        if used is None or used[0] == objective or used[1]:
            return
        found = self.read(objective)
        if found is not None:
            asked_for = self._is_asked_for(objective)
            self._copy_used(used[0])
            self._put(
                replace(found, held_out=self.held_out(objective)),
                (THRESHOLDS, HELD_OUT),
                asked_for=asked_for,
            )

    def _used(self) -> tuple[str, bool] | None:
        """The objective of the decision in use, and whether it was asked for."""
        if not has(self.folder, THRESHOLDS):
            return None
        document = read_json(self.folder, THRESHOLDS)
        return str(document.get("objective")), bool(document.get(ASKED_FOR, True))

    def _names(self, objective: str | None) -> tuple[str, str] | None:
        """The files of a decision; None where there is none."""
        used = self._used()
        if objective is None or (used is not None and used[0] == objective):
            return None if used is None else (THRESHOLDS, HELD_OUT)
        names = _other(objective)
        return names if has(self.folder, names[0]) else None

    def _is_asked_for(self, objective: str) -> bool:
        names = self._names(objective)
        return names is not None and bool(read_json(self.folder, names[0]).get(ASKED_FOR, True))

    def _put(self, decision: Decision, names: tuple[str, str], *, asked_for: bool) -> None:
        document = {**decision.to_json(), ASKED_FOR: asked_for}
        written = [names[0]]
        if decision.held_out is not None:
            with replacing_sealed(self.folder, names[1]) as path, create_hdf5(path) as file:
                file.write("sets", decision.held_out, np.uint8, compression="gzip")
                file.write_attribute("decision", _digest(document))
            written.append(names[1])
        with replacing_sealed(self.folder, names[0]) as path:
            path.write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")
        seal.settle(self.folder, written)

    def _copy_used(self, objective: str) -> None:
        """Keep the decision in use as that for its objective."""
        if objective not in OBJECTIVES:  # nothing would find it
            return
        copied = []
        for source, name in zip((THRESHOLDS, HELD_OUT), _other(objective), strict=True):
            if has(self.folder, source):
                with replacing_sealed(self.folder, name) as path:
                    shutil.copyfile(self.folder / source, path)
                copied.append(name)
        seal.settle(self.folder, copied)


def is_of_decisions(name: str) -> bool:
    """Whether a file of a run belongs to its decisions."""
    return name in (THRESHOLDS, HELD_OUT) or name.startswith(f"{OTHERS}/")


def _other(objective: str) -> tuple[str, str]:
    """The files of a decision that is not in use."""
    name = check_name(objective, OBJECTIVES, "objective")
    return f"{OTHERS}/{name}.json", f"{OTHERS}/{name}.h5"


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
