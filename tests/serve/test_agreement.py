"""Bundle, ONNX, service and submission say the same of every row."""

from __future__ import annotations

import base64
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnxruntime
import pytest

from mmfeat import export, fit, load, submit, tune
from mmfeat.config import ExtractSettings
from mmfeat.core.workspace import Workspace
from mmfeat.export.predictor import Predictor
from mmfeat.runs.bundle import find_predictor
from mmfeat.serve.answers.answering import load_answering
from mmfeat.serve.limits import Limits
from mmfeat.store import FeatureStore
from mmfeat.types import FloatArray
from tests.support.serving import serving

LIMITS = Limits(max_rows=64)


def served(bundle: Path, rows: Sequence[dict[str, Any]], labels: Sequence[str]) -> FloatArray:
    """The probabilities that the service gives, (n, k)."""
    answering = load_answering(
        find_predictor(Workspace(bundle.parent / "none"), str(bundle)), settings=ExtractSettings()
    )
    with serving(answering, LIMITS) as address:
        asked = httpx.post(
            f"{address}/predict", json={"rows": rows}, params={"top": len(labels)}, timeout=60
        )
    assert asked.status_code == 200, asked.text
    told = [
        {one["label"]: one["probability"] for one in row["labels"]} for row in asked.json()["rows"]
    ]
    return np.array([[row[label] for label in labels] for row in told], np.float32)


def graphed(path: Path, embeddings: dict[str, FloatArray]) -> FloatArray:
    """The probabilities of the ONNX graph, (n, k)."""
    session = onnxruntime.InferenceSession(path)
    asked = {node.name: embeddings[node.name] for node in session.get_inputs()}
    return np.asarray(session.run(["probabilities"], asked)[0])


def submitted(path: Path) -> list[tuple[str, ...]]:
    with path.open() as file:
        return [tuple(row["Labels"].split()) for row in csv.DictReader(file)]


def label_sets(model: Predictor, scores: FloatArray) -> list[tuple[str, ...]]:
    """The label sets of the model's decision."""
    names = np.array(model.labels, dtype=object)
    return [tuple(names[row]) for row in model.decision.decide(scores).astype(bool)]


@pytest.mark.parametrize(
    ("head", "fusion"), [("logreg", "concat"), ("lightgbm", "late-mean"), ("mlp", "gated")]
)
def test_they_agree_on_embeddings(workspace: Workspace, head: str, fusion: str) -> None:
    settings = {"epochs": 3} if head == "mlp" else {}
    here: dict[str, Any] = {"workspace": workspace.root}
    run = fit("train", head=head, fusion=fusion, folds=3, settings=settings, **here)
    tune(run, objective="macro-f1", **here)
    root = workspace.root
    export(run, to=root / "bundle", to_onnx=root / "graph.onnx", **here)
    submit(run, split="test", out=root / "submission.csv", **here)
    with FeatureStore.open(workspace.store("test")) as store:
        embeddings = {m: store.embeddings(m).astype(np.float32) for m in store.modalities}
    embeddings["text"][3] = np.nan
    model = load(root / "bundle")
    scores = model.predict_proba(embeddings=embeddings)
    rows = [
        {
            "embeddings": {
                name: values[row].tolist()
                for name, values in embeddings.items()
                if np.isfinite(values[row]).all()
            }
        }
        for row in range(len(scores))
    ]
    for others in (
        graphed(root / "graph.onnx", embeddings),
        served(root / "bundle", rows, model.labels),
    ):
        np.testing.assert_allclose(others, scores, atol=1e-5)
        assert label_sets(model, others) == label_sets(model, scores)
    whole = [at for at in range(len(scores)) if at != 3]
    found, truth = label_sets(model, scores), submitted(root / "submission.csv")
    assert [found[at] for at in whole] == [truth[at] for at in whole]


def test_they_agree_on_pictures_and_captions(fitted_project: Path, demo_project: Path) -> None:
    tune(objective="macro-f1")
    export(to="bundle", to_onnx="graph.onnx")
    submit(split="test", out="submission.csv")
    with FeatureStore.open(fitted_project / "artifacts/features/test.h5") as store:
        paths, captions = list(store.image_paths), list(store.captions or ())
        embeddings = {m: store.embeddings(m).astype(np.float32) for m in store.modalities}
    pictures = [(demo_project / "data" / path).read_bytes() for path in paths]
    model = load("bundle")
    scores = model.predict_proba(pictures, captions)
    rows = [
        {"image": base64.b64encode(picture).decode(), "caption": caption}
        for picture, caption in zip(pictures, captions, strict=True)
    ]
    graph = graphed(Path("graph.onnx"), embeddings)
    service = served(fitted_project / "bundle", rows, model.labels)
    np.testing.assert_allclose(service, scores, atol=1e-4)
    np.testing.assert_allclose(graph, scores, atol=0.01)  # a store keeps float16
    clear = np.abs(scores - model.decision.thresholds).min(axis=1) > 0.01
    assert clear.mean() > 0.8
    for others in (graph, service):
        same = zip(clear, label_sets(model, others), submitted(Path("submission.csv")), strict=True)
        assert all(ours == theirs for is_clear, ours, theirs in same if is_clear)
