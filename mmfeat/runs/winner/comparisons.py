"""What was compared in a workspace: for each question the runs, best first.

A question is a table (its split, and the digest of its stores), the feature sets that are joined
or compared, the number of folds and the objective. `comparisons/NAME.json` answers one;
`mmfeat compare` adds to it, and numbers it anew, so that the highest number is the last comparison.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from mmfeat.config import USUAL_THRESHOLDS, ThresholdSettings
from mmfeat.core.files import read_json, write_json
from mmfeat.core.workspace import Workspace
from mmfeat.errors import RunError, StoreError
from mmfeat.runs.run import Run
from mmfeat.store import read_provenance


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a comparison is about: which of the runs of this is best?"""

    split: str
    features: tuple[str, ...]
    digest: str  # of the stores
    folds: int
    objective: str
    fold_by: str = "auto"
    near_copies: str = "on"
    validation: str | None = None  # the split that judges, and the digest of its stores
    level: float | None = None  # the beta or floor of the objective, where it is not the usual one
    by_set: bool = False  # whether `features` are compared with each other; "" is the unnamed one

    @classmethod
    def of(cls, run: Run, objective: str, thresholds: ThresholdSettings = USUAL_THRESHOLDS) -> Self:
        """The question that a run is an answer to; raise `RunError` where it is damaged."""
        options, usual = (
            replace(each, objective=objective).options() for each in (thresholds, USUAL_THRESHOLDS)
        )
        config = run.config
        return cls(
            split=config.split,
            features=config.features,
            digest=_joined(str(store.get("digest")) for store in run.provenance["stores"]),
            folds=config.folds,
            objective=objective,
            fold_by=config.fold_by,
            near_copies=config.near_copies,
            validation=run.validation,
            level=None if options == usual else next(iter(options.values())),
        )

    @classmethod
    def of_all(
        cls,
        runs: Sequence[Run],
        objective: str,
        thresholds: ThresholdSettings = USUAL_THRESHOLDS,
    ) -> Self:
        """The question of runs that are compared, of the same feature sets or of different ones.

        Which of the sets are joined is not part of it. Raises `RunError` as `of` does.
        """
        first = cls.of(runs[0], objective, thresholds)
        if all(run.config.features == first.features for run in runs):
            return first
        digests = _digests_by_set(runs, "stores")
        judges = _digests_by_set(runs, "validation")
        return replace(
            first,
            features=tuple(digests),
            digest=_joined(digests.values()),
            validation=" ".join([str(runs[0].config.validation), *judges.values()])
            if judges
            else None,
            by_set=True,
        )

    @property
    def name(self) -> str:
        """What its file is called."""
        document = asdict(self)
        # files from before there was such a thing stay
        for added in ("fold_by", "near_copies", "validation", "level", "by_set"):
            if document[added] == getattr(Question, added):
                del document[added]
        text = json.dumps(document, sort_keys=True)
        parts = [self.split, *self.features, self.objective]
        return "-".join([*parts, hashlib.sha256(text.encode()).hexdigest()[:8]])

    def is_of_present(self, workspace: Workspace) -> bool:
        """Whether its stores are as they were; also where there are none to look at."""
        try:
            names = self.features or ("",)
            paths = [workspace.store(self.split, name or None) for name in names]
            return self.digest == _joined(read_provenance(path)["digest"] for path in paths)
        except StoreError:
            return True


@dataclass(frozen=True, kw_only=True)
class Place:
    """An entry of a leaderboard: its runs, one per seed, and what they are worth."""

    runs: tuple[str, ...]
    nested: float
    tied: bool  # with the best


@dataclass(frozen=True, kw_only=True)
class KeptComparison:
    """A question and the places of its runs, best first."""

    question: Question
    places: tuple[Place, ...]
    number: int
    choice: str = ""  # a sentence on what the best is expected to reach
    doubt: str = ""  # a sentence on why not even the best should be used

    @property
    def runs(self) -> tuple[str, ...]:
        """The names of all its runs."""
        return tuple(name for place in self.places for name in place.runs)


def read_comparisons(workspace: Workspace) -> list[KeptComparison]:
    """All comparisons, the last one first; raise `RunError` for a damaged file."""
    paths = sorted(workspace.comparisons.glob("*.json"))
    return sorted(map(_read, paths), key=lambda kept: kept.number, reverse=True)


def write_comparison(
    workspace: Workspace,
    question: Question,
    places: Sequence[Place],
    *,
    choice: str = "",
    doubt: str = "",
) -> None:
    """Replace the answer to a question; it is the last comparison from now on."""
    numbers = [kept.number for kept in read_comparisons(workspace)]
    document = {
        "number": max(numbers, default=0) + 1,
        "question": asdict(question),
        "places": [asdict(place) for place in places],
        "choice": choice,
        "doubt": doubt,
    }
    path = comparison_path(workspace, question, "json")
    write_json(path, {**document, "sha256": _sha256(document)})


def comparison_path(workspace: Workspace, question: Question, suffix: str) -> Path:
    """The file of a question: ``json``, or ``csv`` for the whole leaderboard."""
    return workspace.comparisons / f"{question.name}.{suffix}"


def _read(path: Path) -> KeptComparison:
    try:
        document = read_json(path)
        sha256 = document.pop("sha256")
        if sha256 != _sha256(document):
            raise ValueError("its sha256 differs")
        question = document["question"]
        return KeptComparison(
            question=Question(**{**question, "features": tuple(question["features"])}),
            places=tuple(
                Place(**{**place, "runs": tuple(place["runs"])}) for place in document["places"]
            ),
            number=int(document["number"]),
            choice=str(document.get("choice", "")),
            doubt=str(document.get("doubt", "")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            "a comparison is kept as JSON with its sha256",
            f"{path}: {error}",
            "remove the file and run `mmfeat compare` again",
        ) from error


def _sha256(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _digests_by_set(runs: Sequence[Run], which: str) -> dict[str, str]:
    """The digest of the store of each feature set, by name; see `_provenance` of a fit."""
    found = {
        name: str(store.get("digest"))
        for run in runs
        for name, store in zip(
            run.config.features or ("",), run.provenance.get(which, ()), strict=False
        )
    }
    return dict(sorted(found.items()))


def _joined(digests: Any) -> str:
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()
