"""A run becomes one ONNX file, which is written when it was found to predict as the run does."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmfeat.core.files import replacing
from mmfeat.core.workspace import Workspace
from mmfeat.decide.decision import Decision
from mmfeat.errors import ConfigError
from mmfeat.export.onnx.compare import Agreement, compare
from mmfeat.export.onnx.graph import OPSET, Graph
from mmfeat.export.onnx.inputs import Inputs
from mmfeat.export.onnx.towers import make_towers
from mmfeat.fit.models.model import load_model, modalities_of
from mmfeat.predict.scores import open_split
from mmfeat.runs.run import Run
from mmfeat.store import FeatureStore

SOME = 6  # captions that a text tower is compared on


@dataclass(frozen=True, kw_only=True)
class TowerFile:
    """A tower that was written: where it is, its size, what it takes, how far it is from torch."""

    path: Path
    n_bytes: int
    takes: str
    difference: float


@dataclass(frozen=True, kw_only=True)
class OnnxFile:
    """An ONNX file that was written.

    Attributes
    ----------
    path, n_bytes
        Where it is, and its size.
    opset
        The version of its operators.
    inputs
        The width of each input, by name.
    agreement
        How far it is from Python.
    towers
        The files of the encoder's towers, beside it.
    """

    path: Path
    n_bytes: int
    opset: int
    inputs: dict[str, int]
    agreement: Agreement
    towers: tuple[TowerFile, ...] = ()


def write_onnx(
    run: Run, path: Path, *, overwrite: bool = False, encoder: str | None = None
) -> OnnxFile:
    """Write fusion, heads and calibration of a run as one graph, `path`.

    It is compared on the split that the run was fitted on. With the weights of its `encoder` the
    towers are written as well: ``NAME-image.onnx`` and ``NAME-text.onnx``, those that it looks at.

    Raises `FitError` for a part that has no graph and for a graph that predicts otherwise,
    `ConfigError` where something is at `path`, `RunError`, `StoreError` and `EncoderError` for
    files that are missing or damaged.
    """
    model, decision = load_model(run), run.decision
    modalities = modalities_of(model)
    beside = {
        name: path.with_name(f"{path.stem}-{name}.onnx")
        for name in modalities
        if encoder is not None
    }
    for place in (path, *beside.values()):
        _check_place(place, overwrite=overwrite)
    with ExitStack() as stack:
        # opened first: a folder that cannot be written into is told at once
        partial, *others = [
            stack.enter_context(replacing(place)) for place in (path, *beside.values())
        ]
        partial.touch()
        space = Workspace(run.folder.parent.parent)
        stores = open_split(model, run, space, run.config.split, stack)
        inputs = Inputs.of(model.reads, stores)
        graph = Graph(model, inputs, decision)
        content = graph.export(_about(run, inputs, decision))
        agreement = compare(content, graph, model, decision, stores)
        towers = []
        if encoder is not None:
            captions = _captions(space.stores(run.config.split, run.config.features)[0])
            made = make_towers(run, modalities, captions, weights=encoder)
            for tower, place, target in zip(made, beside.values(), others, strict=True):
                target.write_bytes(tower.content)
                towers.append(
                    TowerFile(
                        path=place,
                        n_bytes=len(tower.content),
                        takes=tower.takes,
                        difference=tower.difference,
                    )
                )
        partial.write_bytes(content)
    return OnnxFile(
        path=path,
        n_bytes=len(content),
        opset=OPSET,
        inputs=inputs.widths,
        agreement=agreement,
        towers=tuple(towers),
    )


def _captions(store: Path) -> list[str]:
    """Some captions of a store."""
    with FeatureStore.open(store) as opened:
        return [text for text in (opened.captions or ())[:SOME] if text]


def _check_place(path: Path, *, overwrite: bool) -> None:
    if not path.exists() or (path.is_file() and overwrite):
        return
    is_file = path.is_file()
    raise ConfigError(
        "an ONNX file is a new file",
        f"{path} {'is there already' if is_file else 'is something else'}",
        "give --overwrite, or another --to-onnx" if is_file else "choose another --to-onnx",
    )


def _about(run: Run, inputs: Inputs, decision: Decision) -> dict[str, Any]:
    """What the metadata says: all that is needed to decide, and what the numbers are."""
    stores = run.provenance["stores"]
    return {
        "run": run.name,
        "head": run.config.head,
        "fusion": run.config.fusion,
        "encoders": [store["encoder"] for store in stores],
        "labels": list(run.labels),
        "thresholds": list(decision.thresholds),
        "objective": decision.objective,
        "method": decision.method,
        "decode": decision.decode,
        "calibrated": bool(decision.calibration),
        "inputs": inputs.widths,
        "missing": "a row of NaN",
    }
