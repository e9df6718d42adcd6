"""ONNX files predict as the runs that they are of, by onnxruntime alone."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import mmfeat
from mmfeat.core.workspace import Workspace
from mmfeat.decide.calibration.calibrator import calibrate
from mmfeat.predict.predict import predict
from mmfeat.runs.run import Run
from mmfeat.store import read_features
from tests.support.fits.runs import fit_split
from tests.support.workspaces import Mmfeat, error_line

pytest.importorskip("onnxscript", reason="needs mmfeat[onnx]")

import onnx
import onnxruntime
import torch

from mmfeat.export.onnx import heads
from mmfeat.export.onnx.graph import KEY, OPSET

USE = Path(mmfeat.__file__).parent.parent / "docs" / "guides" / "onnx.md"


@pytest.fixture(scope="module")
def run(space: Workspace) -> Run:
    """An ensemble of the folds' mean of trees in a late fusion, and of a network."""
    settings = {"min_rows": "2", "trees": "20", "final": "average"}
    trees = fit_split(space, head="lightgbm", fusion="late-stack", settings=settings)
    network = fit_split(space, head="gmlp", settings={"epochs": "2", "layers": "1"})
    names = f"{trees.name},{network.name}"
    both = fit_split(space, head="ensemble", settings={"runs": names, "weights": "equal"})
    both.tune("macro-f1")
    return both


@pytest.fixture(scope="module")
def file(run: Run) -> Path:
    return run.export(to_onnx=run.folder.parent.parent / "winner.onnx")


def rows_of(space: Workspace, split: str) -> dict[str, np.ndarray]:
    rows = read_features([space.store(split)])
    return {name: part[0].astype(np.float32) for name, part in rows.embeddings.items()}


def test_a_graph_predicts_as_its_run_does(space: Workspace, run: Run, file: Path) -> None:
    onnx.checker.check_model(onnx.load(file), full_check=True)
    session = onnxruntime.InferenceSession(file)
    about = json.loads(session.get_modelmeta().custom_metadata_map[KEY])
    assert about["labels"] == list(run.labels) and about["inputs"] == {"image": 8, "text": 8}
    assert about["missing"] == "a row of NaN" and about["decode"] == "thresholds"
    assert {one.domain: one.version for one in onnx.load(file).opset_import}[""] == OPSET
    found = predict(run, split="test", workspace=space.root)
    scores, calibrated = session.run(["probabilities", "calibrated"], rows_of(space, "test"))
    expected = calibrate(run.decision.calibration, scores)
    assert about["calibrated"] and calibrated.dtype == np.float64
    np.testing.assert_allclose(calibrated, expected, atol=1e-12)
    assert np.abs(scores - found.predictions.probabilities).max() <= 1e-5
    assert np.array_equal(scores >= np.array(about["thresholds"]), found.label_sets)


def test_any_number_of_rows_with_any_modality_missing(run: Run, file: Path) -> None:
    session = onnxruntime.InferenceSession(file)
    rng = np.random.default_rng(0)
    rows = {name: rng.normal(size=(1000, 8)).astype(np.float32) for name in ("image", "text")}
    rows["image"][::3], rows["text"][::5] = np.nan, np.nan
    (many,) = session.run(["probabilities"], rows)
    assert np.isfinite(many).all() and many.shape == (1000, 3)
    for some in (slice(1), slice(15, 16), slice(0)):
        some_rows = {name: part[some] for name, part in rows.items()}
        (few,) = session.run(["probabilities"], some_rows)
        np.testing.assert_allclose(few, many[some], atol=1e-6)


def test_a_file_names_no_path(file: Path) -> None:
    assert b".py" not in file.read_bytes() and b"/tmp" not in file.read_bytes()


def test_ten_lines_of_the_docs_predict_without_mmfeat(
    space: Workspace,
    run: Run,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (code,) = re.findall(r"```python\n(import json\n.*?)```", USE.read_text(), flags=re.DOTALL)
    imported = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Import)]
    assert {node.names[0].name for node in imported} == {"json", "numpy", "onnxruntime"}
    for name, rows in rows_of(space, "test").items():
        np.save(file.with_name(f"{name}.npy"), rows)
    monkeypatch.chdir(file.parent)
    exec(code, {})
    found = predict(run, split="test", workspace=space.root)
    names = np.array(run.labels)
    expected = [str(names[row.astype(bool)].tolist()) for row in found.label_sets]
    assert capsys.readouterr().out.splitlines() == expected


def test_the_command_says_what_was_compared(
    space: Workspace, tmp_path: Path, mmfeat: Mmfeat
) -> None:
    settings = {"precision": "bf16", "epochs": "2", "hidden": "8"}
    run = fit_split(space, head="mlp", fusion="text", settings=settings)
    out = tmp_path / "deep" / "x.onnx"
    where = ("--to-onnx", out, "-w", space.root)
    result = mmfeat("export", run.name, *where)
    assert result.exit_code == 0 and result.stdout.strip() == str(out)
    assert "opset 20; inputs: text (rows, 8)" in result.stderr, "it does not look at images"
    assert "compared on 60 rows: largest difference" in result.stderr
    assert max(map(len, result.stderr.splitlines())) <= 80
    before = out.read_bytes()
    told = error_line(mmfeat, "export", run.name, *where)
    assert f"{out} is there already; give --overwrite, or another --to-onnx" in told
    assert mmfeat("export", run.name, *where, "--overwrite").exit_code == 0
    assert out.read_bytes() == before, "the same run gives the same bytes"


def test_what_cannot_be_written_is_told_in_one_line(
    space: Workspace, tmp_path: Path, mmfeat: Mmfeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, knn = fit_split(space), fit_split(space, head="knn")
    out = tmp_path / "x.onnx"

    def told(name: str, where: Path = out, *more: str) -> str:
        line = error_line(mmfeat, "export", name, "--to-onnx", where, "-w", space.root, *more)
        assert not out.exists()
        return line

    assert "export a bundle with --to" in told(knn.name)
    assert "is something else" in told(run.name, tmp_path, "--overwrite")
    (tmp_path / "file").touch()
    assert "file" in told(run.name, tmp_path / "file" / "x.onnx")
    with monkeypatch.context() as patch:
        patch.setattr(heads, "sigmoid", torch.relu)
        assert "they differ by" in told(run.name)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "onnxscript", None)
        for name in [name for name in sys.modules if name.startswith("mmfeat.export.onnx")]:
            patch.delitem(sys.modules, name)
        assert "pip install 'mmfeat[onnx]'" in told(run.name)
    assert "no place is given for either; give --to FOLDER, " in error_line(
        mmfeat, "export", run.name, "-w", space.root
    )
