"""Weights & Biases: offline unless `WANDB_MODE` says otherwise; below `WANDB_DIR` if it is set."""

from __future__ import annotations

import os
import shutil
from itertools import zip_longest
from pathlib import Path

os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it sends reports when it fails

import wandb

from mmfeat.core.files import away_from_data
from mmfeat.tracking.record import Record

PROJECT = "mmfeat"


def send(record: Record, folder: Path) -> str:
    """Write the run into the project `WANDB_PROJECT`, mmfeat by default."""
    place = Path(os.environ.get("WANDB_DIR", folder))
    place.mkdir(parents=True, exist_ok=True)
    mode = os.environ.get("WANDB_MODE", "offline")
    for old in place.glob(f"wandb/offline-run-*-{record.key}"):
        shutil.rmtree(old)
    settings = wandb.Settings(
        silent=True, console="off", disable_git=True, x_disable_stats=True, save_code=False
    )
    with away_from_data():  # its `wandb/settings` could have keys sent to another server
        wandb.setup(settings)  # silent from the beginning: it would tell a password in an address
    with wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        name=record.name,
        id=record.key,
        resume="allow",
        dir=str(place),
        mode=mode,  # type: ignore[arg-type]
        config=dict(record.parameters),
        settings=settings,
    ) as run:
        for step, values in enumerate(zip_longest(*record.curves.values()), start=1):
            row = zip(record.curves, values, strict=True)
            run.log({name: value for name, value in row if value is not None}, step=step)
        run.summary.update(record.metrics)
        for path in record.files:
            copy = shutil.copy(path, run.dir)  # a link would break when the workspace moves
            run.save(copy, base_path=run.dir, policy="now")
    wandb.teardown()  # the file is written after the run has finished
    if mode == "online":
        return str(run.url)
    where = Path(run.dir).parent
    return f"upload it with `wandb sync '{where}'`"
