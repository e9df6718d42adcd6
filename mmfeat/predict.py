"""Scores of a run for the rows of a store, and the file of scores and labels."""

from __future__ import annotations

import logging

from mmfeat.errors import RunError
from mmfeat.fusion import count_missing
from mmfeat.model import Model
from mmfeat.runs import Run
from mmfeat.store import read_features
from mmfeat.types import Scores
from mmfeat.workspace import Workspace

log = logging.getLogger(__name__)


def predict_scores(run: Run, workspace: Workspace, split: str) -> Scores:
    """Score every row of `split` with the final model of a finished run.

    Raises `RunError` where the split was extracted by another encoder than the run's.
    """
    config = run.config()
    paths = workspace.stores(split, config.features)
    features = read_features(paths)
    fitted = [origin["encoder"] for origin in run.provenance()["stores"]]
    for path, was, now in zip(paths, fitted, _encoders(paths), strict=True):
        if was != now:
            raise RunError(
                "a run predicts features of the encoder it was fitted on",
                f"{path} was made by {now}, the run {run.name} by {was}",
                "extract the split with the run's model",
            )
    for modality, count in count_missing(features).items():
        if count:
            log.warning("%d rows have no %s embedding; predicted without it", count, modality)
    return Scores(
        ids=features.ids,
        labels=run.scores().labels,
        probabilities=Model.load(run.folder / "head").predict(features),
    )
