"""The verb `load`: a bundle becomes a model that predicts."""

from __future__ import annotations

from pathlib import Path

from mmfeat.core.checks import check_arguments
from mmfeat.export.predictor import Predictor
from mmfeat.runs.bundle import open_bundle


@check_arguments
def load(
    bundle: Path | str,
    *,
    objective: str | None = None,
    pretrained: str | None = None,
    device: str = "auto",
) -> Predictor:
    """Check every file of a bundle, and load it.

    Parameters
    ----------
    bundle
        Its folder, or its repository on the Hugging Face hub: ``hub:REPO[@REVISION]``.
    objective
        Which decision is used; ``none``: 0.5 for every label. None: the one in use.
    pretrained
        The weights of the encoder, where they are neither in the bundle nor found by their tag.
    device
        Of the encoder: auto, cpu, cuda, ….

    Raises
    ------
    MmfeatError
        `RunError` or `FitError` for a file that is not as it was written, `RunError` where the
        hub does not give it.
    """
    return Predictor.of(
        open_bundle(bundle), objective=objective, pretrained=pretrained, device=device
    )
