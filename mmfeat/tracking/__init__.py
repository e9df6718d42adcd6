"""Experiment trackers, one file each: a finished run is sent through the tracker's own client.

A tracker is one function that takes a `Record` and a folder and returns where to look at the run.
It writes below the folder unless its own environment variables name another place, and a run that
is sent again replaces its earlier entry.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping

from mmfeat.core.plugins import Plugin, resolve
from mmfeat.core.workspace import Workspace
from mmfeat.errors import MmfeatError, PluginError
from mmfeat.runs.run import Run
from mmfeat.tracking.record import Curve, read_record

log = logging.getLogger(__name__)

SECRET = re.compile("PASSWORD|TOKEN|KEY")  # in names of environment variables

TRACKERS: dict[str, Plugin] = {
    "mlflow": Plugin(
        "mmfeat.tracking.mlflow:send",
        "MLflow, in a local SQLite file unless MLFLOW_TRACKING_URI is set",
        "mlflow",
    ),
    "wandb": Plugin(
        "mmfeat.tracking.wandb:send", "Weights & Biases, offline unless WANDB_MODE is set", "wandb"
    ),
    "tensorboard": Plugin(
        "mmfeat.tracking.tensorboard:send", "TensorBoard event files", "tensorboard"
    ),
}


class Tracker:
    """Sends finished runs to the tracker `name`; does nothing where it is None.

    Raises `PluginError` where the client is not installed: create it before the work begins.
    """

    def __init__(self, name: str | None, workspace: Workspace) -> None:
        self.name, self.workspace = name, workspace
        self._send = None if name is None else resolve(name, TRACKERS, "tracker")

    def track(self, run: Run, *, curves: Mapping[str, Curve] | None = None) -> None:
        """Send the config, metrics and files of `run`, and `curves` in addition.

        Raises `PluginError` where the client fails; the run itself stays finished.
        """
        if self._send is None:
            return
        record = read_record(run, self.workspace, curves or {})
        try:
            where = self._send(record, self.workspace.tracking.resolve())
        except MmfeatError:
            raise
        except Exception as error:  # clients raise anything
            raise PluginError(
                f"the tracker {self.name} must accept the run {run.name}",
                _without_secrets(f"{type(error).__name__}: {error}"),
                "the run itself is finished; correct that and run the same command again",
            ) from error
        log.info("%s has run %s: %s", self.name, run.name, where)


def _without_secrets(text: str) -> str:
    """Leave out the values of variables that hold secrets of trackers."""
    for name, value in os.environ.items():
        if value and name.startswith(("MLFLOW_", "WANDB_")) and SECRET.search(name):
            text = text.replace(value, "…")
    return text
