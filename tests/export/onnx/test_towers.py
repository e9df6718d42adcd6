"""The towers of an encoder as graphs: with them, onnxruntime goes from pixels to probabilities."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mmfeat
from mmfeat.store import FeatureStore

pytest.importorskip("onnxscript", reason="needs mmfeat[onnx]")

import onnxruntime

from mmfeat.extract.encoders import load_encoder


def test_pixels_and_tokens_become_the_probabilities_of_a_run(
    demo_project: Path, tmp_path: Path
) -> None:
    shutil.copytree(demo_project / "artifacts" / "features", tmp_path / "work" / "features")
    run = mmfeat.fit("train", head="logreg", fusion="concat", workspace=tmp_path / "work")
    out = tmp_path / "w.onnx"
    file = mmfeat.export(run, to_onnx=out, with_encoder=True).onnx
    assert file is not None and [tower.path.name for tower in file.towers] == [
        "w-image.onnx",
        "w-text.onnx",
    ]
    assert all(tower.difference <= 1e-5 for tower in file.towers)
    with FeatureStore.open(tmp_path / "work" / "features" / "train.h5") as store:
        names, captions = store.image_paths[:5], list(store.captions or ())[:5]
    encoder = load_encoder("tiny-demo", pretrained="", precision="fp32", device="cpu")
    assert encoder.preprocessing is not None
    height, width = encoder.preprocessing.size
    pictures = [Image.open(demo_project / "data" / name).convert("RGB") for name in names]
    pixels = np.stack([np.asarray(one.resize((width, height))) for one in pictures])
    rows = {}
    for name, inputs in (("image", pixels), ("text", encoder.tokenize(captions).tokens)):
        session = onnxruntime.InferenceSession(tmp_path / f"w-{name}.onnx")
        about = json.loads(session.get_modelmeta().custom_metadata_map["mmfeat"])
        assert about["output"] == name and about["encoder"]["preprocessing"]["size"]
        (rows[name],) = session.run([name], {about["input"]: inputs})
        assert len(session.run([name], {about["input"]: inputs[:1]})[0]) == 1
    (found,) = onnxruntime.InferenceSession(out).run(["probabilities"], rows)
    model = mmfeat.load(run.export(tmp_path / "bundle"))
    np.testing.assert_allclose(found, model.predict_proba(embeddings=rows), atol=1e-5)
    # a store holds float16, and its encoder may be less precise than float32
    np.testing.assert_allclose(found, model.predict_proba(list(pixels), captions), atol=0.05)
