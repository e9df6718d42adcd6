"""The rows to look at: the worst mistakes of every class, and labels that may be wrong.

Scores are out of fold. A row is wrong about a class if prediction and label differ. The rows of
each class are ranked by the confidence of the wrong prediction.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmfeat.core.workspace import Workspace
from mmfeat.errors import StoreError
from mmfeat.report.doubts import find_doubts
from mmfeat.report.thumbnails import MAX_BYTES, Thumbnails, shown_of
from mmfeat.runs.run import Run
from mmfeat.store import open_features
from mmfeat.types import UNKNOWN, OutOfFold, Targets

log = logging.getLogger(__name__)

MAX_ROWS = 240  # of the page
PER_KIND = 6  # false positives and false negatives of a class, at most
MAX_CAPTION = 400  # characters
MAX_CELLS = 10  # labels of a row, unless more of them are wrong or in doubt
UNSURE = 0.1  # a label with at least this probability is shown beside the others

KINDS = {
    "false-positive": "false alarms: predicted, not labelled",
    "false-negative": "missed: labelled, not predicted",
    "doubt": "labels in doubt",
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One label of a row: probability, truth (None: unknown), prediction, kinds of mistake."""

    label: str
    column: int
    probability: float
    true: bool | None
    predicted: bool
    kinds: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """Label and prediction in words."""
        words = {
            (True, True): "right",
            (True, False): "missed",
            (False, True): "false alarm",
            (None, True): "unknown, predicted",
            (None, False): "unknown",
        }
        said = [words.get((self.true, self.predicted), ""), "in doubt" * ("doubt" in self.kinds)]
        return ", ".join(filter(None, said))


@dataclass(frozen=True, kw_only=True)
class Card:
    """One row of the gallery; `missing` says why it has no picture."""

    id: str
    caption: str
    picture: str
    missing: str
    cells: tuple[Cell, ...]

    @property
    def tags(self) -> str:
        """The tags for the filters: ``KIND:COLUMN`` of every cell that is wrong or in doubt."""
        return " ".join(f"{kind}:{cell.column}" for cell in self.cells for kind in cell.kinds)


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Rows of one run, the most confident mistakes first; `method` found the labels in doubt."""

    run: str
    cards: tuple[Card, ...]
    method: str
    labels: tuple[str, ...]


def make_gallery(
    run: Run,
    workspace: Workspace,
    *,
    images: Path | str | None,
    max_thumbnails: int,
    max_bytes: int = MAX_BYTES,
) -> Gallery:
    """Choose the rows of a finished run; without `images` there are no pictures.

    At most `max_thumbnails` pictures are shown, and at most `max_bytes` in total.
    """
    scores, decision = run.oof, run.decision
    predicted = decision.decide(scores.probabilities)
    doubts = find_doubts(scores.probabilities, predicted, scores.targets)
    kinds: dict[tuple[int, int], list[str]] = {}
    for kind, cells in _mistakes(scores, predicted).items():
        for cell in cells:
            kinds.setdefault(cell, []).append(kind)
    for cell in doubts.cells:
        kinds.setdefault(cell, []).append("doubt")
    captions, paths = _captions_and_paths(run, workspace, scores.ids)
    thumbnails = Thumbnails(
        images or Path(), limit=max_thumbnails if images else 0, max_bytes=max_bytes
    )
    cards = []
    for row in _order(scores, kinds):
        picture, missing = thumbnails.take(paths[row]) if paths else ("", "the store is missing")
        cards.append(
            Card(
                id=scores.ids[row],
                caption=_cut(captions[row]) if captions else "",
                picture=picture,
                missing=missing,
                cells=_cells(scores, predicted, kinds, row),
            )
        )
    return Gallery(run=run.name, cards=tuple(cards), method=doubts.method, labels=scores.labels)


def _mistakes(scores: OutOfFold, predicted: Targets) -> dict[str, list[tuple[int, int]]]:
    """The cells (row, class) of each kind of mistake, the most confident of every class."""
    p, targets = scores.probabilities, scores.targets
    per_kind = max(1, min(PER_KIND, MAX_ROWS // (2 * len(scores.labels))))
    found: dict[str, list[tuple[int, int]]] = {"false-positive": [], "false-negative": []}
    for j in range(len(scores.labels)):
        for kind, wrong, sureness in (
            ("false-positive", (predicted[:, j] == 1) & (targets[:, j] == 0), p[:, j]),
            ("false-negative", (predicted[:, j] == 0) & (targets[:, j] == 1), -p[:, j]),
        ):
            rows = np.flatnonzero(wrong)
            surest = rows[np.argsort(-sureness[rows], kind="stable")[:per_kind]]
            found[kind] += [(int(row), j) for row in surest]
    return found


def _order(scores: OutOfFold, kinds: dict[tuple[int, int], list[str]]) -> list[int]:
    """The rows of the page, the most confident mistake first."""
    targets = scores.targets
    worst: dict[int, float] = {}
    for row, j in kinds:
        off = abs(float(scores.probabilities[row, j]) - float(targets[row, j]))
        worst[row] = max(worst.get(row, 0.0), off)
    return sorted(worst, key=lambda row: (-worst[row], row))[:MAX_ROWS]


def _cells(
    scores: OutOfFold, predicted: Targets, kinds: dict[tuple[int, int], list[str]], row: int
) -> tuple[Cell, ...]:
    """The labels of a row: wrong or doubtful ones, other true ones, then probable ones."""
    p, targets = scores.probabilities[row], scores.targets
    at_stake = (targets[row] == 1) | (predicted[row] == 1) | (p >= UNSURE)
    chosen = [int(j) for j in np.argsort(-p, kind="stable") if at_stake[j] or (row, j) in kinds]
    chosen.sort(key=lambda j: ((row, j) not in kinds, targets[row, j] != 1))
    n_shown = max(MAX_CELLS, sum((row, j) in kinds for j in chosen))
    return tuple(
        Cell(
            label=scores.labels[j],
            column=j,
            probability=float(p[j]),
            true=None if targets[row, j] == UNKNOWN else bool(targets[row, j]),
            predicted=bool(predicted[row, j]),
            kinds=tuple(kinds.get((row, j), ())),
        )
        for j in chosen[:n_shown]
    )


def _captions_and_paths(
    run: Run, workspace: Workspace, ids: Sequence[str]
) -> tuple[Sequence[str], Sequence[str]]:
    """Captions and image paths of the run's rows; none if its store is missing or was replaced."""
    config = run.config
    paths = workspace.stores(config.split, config.features)
    beside = workspace.stores_beside(config.split, config.beside)
    try:
        with open_features(paths, beside=beside, any_order=True) as rows:
            if rows.ids == ids:
                return shown_of(run.table_format, rows.captions, rows.image_paths)
        log.warning(
            "no captions and pictures: the rows of %s differ from those of %s", paths[0], run.name
        )
    except StoreError as error:
        log.warning("no captions and pictures: %s", error)
    return (), ()


def _cut(caption: str) -> str:
    return caption if len(caption) <= MAX_CAPTION else caption[: MAX_CAPTION - 1] + "…"
