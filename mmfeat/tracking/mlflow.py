"""MLflow: `MLFLOW_TRACKING_URI` if it is set, else `mlflow.db` and a folder of artifacts."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it sends telemetry when it is imported

from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

from mmfeat.tracking.record import Record

EXPERIMENT = "mmfeat"
KEY = "mmfeat.key"
BATCH_METRICS, BATCH_PARAMS = 1000, 100  # MLflow's limits


def send(record: Record, folder: Path) -> str:
    """Write the run into the experiment `MLFLOW_EXPERIMENT_NAME`, mmfeat by default."""
    for chatter in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(chatter).setLevel(logging.WARNING)
    uri, artifacts = os.environ.get("MLFLOW_TRACKING_URI"), None
    where = "at MLFLOW_TRACKING_URI"  # which may hold a password
    if not uri:
        uri, artifacts = _local(folder / "mlflow.db"), (folder / "mlflow").as_uri()
        where = f"look with `mlflow ui --backend-store-uri '{uri}'`"
    client = MlflowClient(tracking_uri=uri)
    run_id = _run_id(client, record, artifacts)
    params = [Param(key, value) for key, value in record.parameters.items()]
    for start in range(0, len(params), BATCH_PARAMS):
        client.log_batch(run_id, params=params[start : start + BATCH_PARAMS])
    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, 0) for name, value in record.metrics.items()]
    metrics += [
        Metric(name, value, now, step)
        for name, curve in record.curves.items()
        for step, value in enumerate(curve, start=1)
        if value is not None
    ]
    for start in range(0, len(metrics), BATCH_METRICS):
        client.log_batch(run_id, metrics=metrics[start : start + BATCH_METRICS])
    for path in record.files:
        client.log_artifact(run_id, str(path))
    client.set_terminated(run_id)
    return where


def _local(path: Path) -> str:
    """The address of an SQLite file; raise at once where MLflow would retry for minutes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA schema_version")
    plain = str(path).replace("%", "%25").replace("?", "%3F")
    return f"sqlite:///{plain}"


def _run_id(client: MlflowClient, record: Record, artifacts: str | None) -> str:
    """The id of a new entry; earlier entries of the same run are deleted."""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        number = client.create_experiment(name, artifact_location=artifacts)
    else:
        number = experiment.experiment_id
    for old in client.search_runs([number], filter_string=f"tags.`{KEY}` = '{record.key}'"):
        client.delete_run(old.info.run_id)
    run = client.create_run(number, run_name=record.name, tags={KEY: record.key})
    run_id: str = run.info.run_id
    return run_id
