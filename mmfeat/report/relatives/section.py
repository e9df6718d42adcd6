"""What the page says about related rows of the best run: near-copies, and the curve."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from mmfeat.core.workspace import Workspace
from mmfeat.errors import StoreError
from mmfeat.fit.related import curve_of
from mmfeat.near.kept import load_links
from mmfeat.near.search import Pairs
from mmfeat.report.facts import Drawing
from mmfeat.report.relatives.plot import draw_curve
from mmfeat.report.svg import inline
from mmfeat.report.thumbnails import Thumbnails, shown_of
from mmfeat.runs.run import Run
from mmfeat.sensitivity.curve import Curve
from mmfeat.store import open_features, read_provenance

MOST_PAIRS = 12
TITLE = "Neighbours kept together"
ABOUT = (
    "Macro-F1 of ridge regression with ever more rows held out together with their nearest"
    " neighbour; the band is the 95 % interval with random folds."
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Side:
    """A row of a pair; `missing` says why it has no picture."""

    id: str
    caption: str
    picture: str
    missing: str


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two near-copies."""

    first: Side
    second: Side
    modality: str
    cosine: float


@dataclass(frozen=True, kw_only=True)
class Relatives:
    """Near-copies of a split, the least alike first, and what the curve says; None: not measured.

    `n_copied` of `n_rows` have a near-copy.
    """

    n_rows: int
    n_copied: int
    pairs: tuple[Pair, ...]
    verdict: str | None
    drawing: Drawing | None


def find_relatives(
    run: Run, workspace: Workspace, *, images: Path | str | None, max_thumbnails: int
) -> Relatives | None:
    """Say what is known of related rows of a run.

    None where near-copies were not looked for, or the stores are not those that were fitted.
    """
    config, scores = run.config, run.oof
    paths = workspace.stores(config.split, config.features)
    digests = [str(store.get("digest")) for store in run.provenance["stores"]]
    try:
        if config.near_copies == "off" or digests != [read_provenance(p)["digest"] for p in paths]:
            return None
        beside = workspace.stores_beside(config.split, config.beside)
        with open_features(paths, beside=beside) as rows:
            if tuple(rows.ids) != tuple(scores.ids):  # some rows are never held out
                return None
            links = load_links(workspace, rows, config.split, config.features)
            curve = curve_of(run, workspace, rows)
            captions, names = shown_of(run.table_format, rows.captions, rows.image_paths)
    except StoreError as error:
        log.warning("no near-copies: %s", error)
        return None
    thumbnails = Thumbnails(images or Path(), limit=max_thumbnails if images else 0)

    def side(row: int) -> Side:
        picture, missing = thumbnails.take(names[row])
        return Side(
            id=scores.ids[row],
            caption=captions[row] if captions else "",
            picture=picture,
            missing=missing,
        )

    shown = [
        Pair(first=side(row), second=side(other), modality=name, cosine=cosine)
        for name, link in links.items()
        for row, other, cosine in _least_alike(link.pairs, MOST_PAIRS // len(links))
    ]
    copied = [link.pairs.rows.ravel() for link in links.values()]
    return Relatives(
        n_rows=len(scores.ids),
        n_copied=len(np.unique(np.concatenate([np.zeros(0, np.int64), *copied]))),
        pairs=tuple(shown),
        verdict=None if curve is None else curve.verdict,
        drawing=None if curve is None or len(curve.points) < 2 else _drawn(curve),
    )


def _least_alike(pairs: Pairs, most: int) -> Sequence[tuple[int, int, float]]:
    best = pairs.best_first()
    rows, cosines = best.rows[::-1][:most].tolist(), best.cosines[::-1][:most].tolist()
    return [(row, other, cosine) for (row, other), cosine in zip(rows, cosines, strict=True)]


def _drawn(curve: Curve) -> Drawing:
    svg = inline(draw_curve(curve), title=f"{TITLE}: {ABOUT}", name="neighbours")
    return Drawing(title=TITLE, about=ABOUT, svg=Markup(svg))
