"""TensorBoard: an event file per run in `tensorboard/RUN`.

TensorBoard stores texts but no files: config, metrics and thresholds are shown as text, and the
report as its path.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from mmfeat.tracking.record import Record


def send(record: Record, folder: Path) -> str:
    """Replace the events of the run."""
    place = folder / "tensorboard" / record.name
    shutil.rmtree(place, ignore_errors=True)
    with SummaryWriter(str(place)) as writer:
        # without "." they go to a subfolder that is named by the time
        writer.add_hparams(dict(record.parameters), dict(record.metrics), run_name=".")
        for name, curve in record.curves.items():
            for step, value in enumerate(curve, start=1):
                if value is not None:
                    writer.add_scalar(name, value, step)
        for path in record.files:
            text = path.read_text(encoding="utf-8") if path.suffix == ".json" else str(path)
            writer.add_text(path.name, f"```\n{text}\n```")
    return f"look with `tensorboard --logdir '{place.parent}'`"
