"""One image and caption: the labels that a bundle or a run gives them."""

from __future__ import annotations

import logging
import shlex
from dataclasses import dataclass
from pathlib import Path

from mmfeat.core.checks import check_arguments
from mmfeat.core.workspace import open_project
from mmfeat.errors import ConfigError
from mmfeat.export.predictor import Predictor
from mmfeat.extract.encoders.base import CAPTION, PICTURE, takes
from mmfeat.predict.encoder import weights_of
from mmfeat.predict.new_rows import looks_at
from mmfeat.predict.write import check_top
from mmfeat.runs.bundle import find_predictor
from mmfeat.runs.run import Run
from mmfeat.types import FloatArray, Targets

log = logging.getLogger(__name__)
TOP = 5


@dataclass(frozen=True, kw_only=True)
class ScoredLabel:
    """A label of one row.

    `is_predicted` says whether the decision gives it; `threshold` is None where it cuts at none.
    """

    label: str
    probability: float
    threshold: float | None
    is_predicted: bool


@check_arguments
def predict_one(
    run: Run | str | None = None,
    *,
    image: Path | None = None,
    caption: str | None = None,
    pretrained: str | None = None,
    top: int | None = None,
    objective: str | None = None,
    decode: str | None = None,
    empty: str | None = None,
    workspace: Path | str | None = None,
) -> list[ScoredLabel]:
    """Give the `top` most probable labels of a row, most probable first, and all predicted ones.

    `run` is a bundle's folder or a run; the other options are those of `predict`. Raises
    `ConfigError` for a `top` below 1, and what `Predictor.predict_proba` raises.
    """
    check_top(top, least=1)
    if image is not None and image.is_dir():
        raise ConfigError(
            "--image is one picture",
            f"{image} is a folder",
            f"its pictures are predicted with --images {shlex.quote(str(image))}",
        )
    settings, space = open_project(workspace)
    found = find_predictor(space, run, objective=objective)
    weights = weights_of(found, pretrained, settings=settings.extract)
    model = Predictor.of(found, objective=objective, pretrained=weights)
    how = model.decision.describe(decode)
    log.info("%s; the labels are decided by %s", looks_at(found, model.modalities), how)
    given = {PICTURE: image, CAPTION: caption}
    if lacking := [p for p in given if takes(p, model.modalities) and not given[p]]:
        log.warning("the row has no %s, and is predicted without", " and no ".join(lacking))
    scores = model.predict_proba(image, caption)
    (chosen,) = model.decision.decide(scores, decode=decode, empty=empty or settings.submit.empty)
    return rank_labels(model, scores[0], chosen, most=TOP if top is None else top, decode=decode)


def rank_labels(
    model: Predictor, scores: FloatArray, chosen: Targets, *, most: int, decode: str | None = None
) -> list[ScoredLabel]:
    """Give the `most` probable labels of a row, and all predicted ones, most probable first.

    `scores` and `chosen` are those of the row, (k,); `decode` as in `Decision.decide`.
    """
    thresholds = model.decision.thresholds_in_use(decode)
    ranked = sorted(range(len(model.labels)), key=lambda at: -scores[at])
    return [
        ScoredLabel(
            label=model.labels[at],
            probability=float(scores[at]),
            threshold=None if thresholds is None else thresholds[at],
            is_predicted=bool(chosen[at]),
        )
        for rank, at in enumerate(ranked)
        if rank < most or chosen[at]
    ]
