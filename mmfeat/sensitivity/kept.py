"""The curve of a split is kept beside its folds, and warned of where it falls."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmfeat.core.files import read_json, write_json
from mmfeat.core.lock import locked
from mmfeat.core.workspace import Workspace
from mmfeat.errors import RunError
from mmfeat.sensitivity.curve import Curve, sensitivity_of
from mmfeat.types import FeatureRows, Targets

log = logging.getLogger(__name__)


def load_curve(
    workspace: Workspace, features: FeatureRows, targets: Targets, digests: Sequence[str]
) -> Curve | None:
    """Read the curve of a split, or measure and keep it; see `sensitivity_of`.

    `digests` are those of its stores. Raises `RunError` for a damaged file.
    """
    key = hashlib.sha256(" ".join([*digests, *features.labels]).encode())
    key.update(np.ascontiguousarray(targets).tobytes())
    if features.groups is not None:
        key.update(np.ascontiguousarray(features.groups).tobytes())
    path = workspace.folds / f"sensitivity-{key.hexdigest()[:16]}.json"

    def measure() -> dict[str, Any] | None:
        curve = sensitivity_of(features, targets)
        return None if curve is None else curve.to_json()

    content = kept(path, measure)
    return None if content is None else Curve.from_json(content)


def kept(path: Path, measure: Callable[[], dict[str, Any] | None]) -> dict[str, Any] | None:
    """Read the document at `path`; where there is none, measure it and keep it.

    Another process that measures it is waited for. Raises `RunError` for a damaged file.
    """
    with locked(
        path.with_suffix(".lock"),
        on_wait=lambda holder: log.info("waiting for process %s", holder),
    ):
        if not path.exists():
            content = measure()
            write_json(path, {"curve": content, "sha256": _sha256(content)})
            return content
        try:
            document = read_json(path)
            if document["sha256"] != _sha256(document["curve"]):
                raise ValueError("its sha256 differs")
            found: dict[str, Any] | None = document["curve"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                "a curve is saved as JSON with its sha256", f"{path}: {error}", "remove the file"
            ) from error
    return found


def _sha256(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
