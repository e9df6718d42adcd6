"""A bundle predicts as its run does, is the same bytes every time, and is checked as a whole."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmfeat
from mmfeat.core.files import file_sha256
from mmfeat.core.workspace import Workspace
from mmfeat.demo.made_up import make_run
from mmfeat.errors import ConfigError, MmfeatError, RunError
from mmfeat.export.card import write_card
from mmfeat.export.export import export
from mmfeat.export.load import load
from mmfeat.predict.predict import predict
from mmfeat.predict.submit import submit
from mmfeat.runs.bundle import Bundle
from mmfeat.runs.commands import commands_of
from mmfeat.runs.run import Run
from mmfeat.runs.transport.manifest import MANIFEST, write_manifest
from mmfeat.store import read_features
from tests.support.fits.runs import fit_split


def fit(space: Workspace, **options: Any) -> Run:
    return fit_split(space, objective="macro-f1", **options)


@pytest.fixture(scope="module")
def run(space: Workspace) -> Run:
    return fit(space)


@pytest.fixture(scope="module")
def bundle(run: Run) -> Path:
    return run.export(run.folder.parent.parent / "winner")


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("kind", ["refit", "average", "lightgbm", "knn", "mlp", "late", "ensemble"])
def test_bundle_run_and_submission_agree_on_every_row(
    space: Workspace, run: Run, tmp_path: Path, kind: str
) -> None:
    options: dict[str, dict[str, Any]] = {
        "refit": {},
        "average": {"settings": {"final": "average"}},
        "mlp": {"head": "mlp", "settings": {"epochs": "2"}},
        "late": {"fusion": "late-mean"},
    }
    if kind == "ensemble":
        other = fit(space, fusion="image")
        options[kind] = {"head": kind, "settings": {"runs": f"{run.name},{other.name}"}}
    fitted = fit(space, **options.get(kind, {"head": kind}))
    folder = str(fitted.export(tmp_path / "b"))
    shutil.move(folder, tmp_path / "elsewhere")
    model = load(tmp_path / "elsewhere")
    where: dict[str, Any] = {"split": "test", "workspace": space.root}
    by_run = predict(fitted, out=tmp_path / "run.csv", **where)
    by_bundle = predict(f"{tmp_path}/elsewhere", out=tmp_path / "bundle.csv", **where)
    assert (tmp_path / "run.csv").read_bytes() == (tmp_path / "bundle.csv").read_bytes()
    assert np.array_equal(by_run.label_sets, by_bundle.label_sets)
    rows = read_features([space.store("test")])
    embeddings = {name: parts[0] for name, parts in rows.embeddings.items()}
    scores = model.predict_proba(embeddings=embeddings)
    assert np.array_equal(scores, by_run.predictions.probabilities)
    submit(fitted, out=tmp_path / "submission.csv", **where)
    lines = (tmp_path / "submission.csv").read_text().splitlines()[1:]
    submitted = [tuple(line.partition(",")[2].split()) for line in lines]
    assert model.predict(embeddings=embeddings) == submitted
    best = np.array(model.labels)[scores.argmax(axis=1)]
    assert [top[0][0] for top in model.predict_top(1, embeddings=embeddings)] == list(best)


def test_the_same_run_gives_the_same_bytes(run: Run, bundle: Path, tmp_path: Path) -> None:
    assert files_of(run.export(tmp_path / "again")) == files_of(bundle)


def test_flipped_bits_of_every_file_are_refused(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    rng = np.random.default_rng(0)
    for name, content in files_of(bundle).items():
        for place in {0, len(content) - 1, *rng.integers(len(content), size=5).tolist()}:
            flipped = bytearray(content)
            flipped[place] ^= 1 << int(rng.integers(8))
            (copy / name).write_bytes(flipped)
            with pytest.raises(RunError, match="bundle"):
                load(copy)
        (copy / name).write_bytes(content)
    load(copy)


def test_more_or_fewer_files_are_refused(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    (copy / "extra.json").write_text("{}")
    with pytest.raises(RunError, match=r"extra\.json is not in the manifest"):
        load(copy)
    (copy / "extra.json").unlink()
    (copy / "head" / "link").symlink_to("/etc")
    with pytest.raises(RunError, match="link"):
        load(copy)
    (copy / "head" / "link").unlink()
    (copy / "README.md").unlink()
    with pytest.raises(RunError, match=r"README\.md is missing"):
        load(copy)


@pytest.mark.parametrize("name", ["../x.json", "/etc/x.json", "a/../../x.json", "x.pkl", "x", ""])
def test_names_of_a_manifest_are_no_paths(bundle: Path, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    document = json.loads((copy / MANIFEST).read_text())
    document["files"][name] = {"sha256": "0", "bytes": 1}
    (copy / MANIFEST).write_text(json.dumps(document))
    with pytest.raises(RunError, match="no file of a bundle"):
        load(copy)


def members(name: str) -> dict[str, Any]:
    return {"kind": "ensemble", "average": "probability", "weights": {name: 1.0}}


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("bundle.json", {"labels": ["l0", "l0", "l2"]}),
        ("bundle.json", {"labels": []}),
        ("bundle.json", {"labels": 5}),
        ("thresholds.json", {"thresholds": {"l0": 0.5}}),
        ("head/model.json", {"members": -1}),
        ("head/model.json", {"members": 10**12}),
        ("head/model.json", {"fusion": "../../x"}),
        ("head/0/concat/head.json", {"learned": {"rounds": None, "blocks": [10**12], "rates": []}}),
        ("head/0/concat/head.json", {"learned": {"rounds": 1, "blocks": [8, 9], "rates": [0.5]}}),
        ("head/model.json", members("../../../x")),
        ("head/0/concat/head.json", {"learned": {"rounds": 1, "blocks": [1] * 9999, "rates": []}}),
        ("provenance.json", {"stores": {}}),
        ("provenance.json", {"stores": []}),
        ("config.json", {"features": [["a"]]}),
    ],
)
def test_a_hostile_bundle_with_right_sums_is_one_error(
    bundle: Path, tmp_path: Path, file: str, change: dict[str, Any]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    document = json.loads((copy / file).read_text())
    (copy / file).write_text(json.dumps(document | change))
    (copy / MANIFEST).unlink()
    write_manifest(copy)
    with pytest.raises(MmfeatError):
        load(copy).predict(embeddings={m: np.zeros((1, 8), np.float16) for m in ("image", "text")})


def test_what_is_there_is_not_replaced_unless_it_is_asked_for(
    run: Run, space: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    for overwrite in (False, True):
        with pytest.raises(ConfigError, match="something else"):
            run.export(tmp_path / "mine", overwrite=overwrite)
    run.export(tmp_path / "b")
    with pytest.raises(ConfigError, match="--overwrite"):
        run.export(tmp_path / "b")
    other = fit(space, fusion="image")
    export(other, to=tmp_path / "b", overwrite=True)
    assert Bundle.open(tmp_path / "b").about["run"] == other.name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "mine"]


def test_a_damaged_run_gives_no_bundle(space: Workspace, tmp_path: Path) -> None:
    run = fit(space, fusion="text")
    weights = next((run.folder / "head").rglob("weights.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(RunError, match="sha256"):
        run.export(tmp_path / "b")
    assert not list(tmp_path.iterdir())
    shutil.rmtree(run.folder)


def test_the_card_has_the_numbers_of_the_run(run: Run, bundle: Path) -> None:
    card = (bundle / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: mmfeat\n")
    assert "A multilabel classifier of images and captions, on" in card
    for estimate in run.decision.oof.values():
        assert f"{estimate['macro_f1']:.4f}" in card
    assert all(f"| {label} |" in card for label in run.labels)
    assert file_sha256(bundle / "README.md") in (bundle / MANIFEST).read_text()
    assert "```sh\n" + "\n".join(commands_of(run)) + "\n```\n" in card
    assert "The same labels for every row would reach macro-f1" in card
    assert {path.stat().st_mode for path in bundle.rglob("*") if path.is_file()} == {
        (bundle / "README.md").stat().st_mode
    }


def test_a_card_shows_texts_of_the_data_as_they_are(tmp_path: Path) -> None:
    labels = ("a -> b", "<b>", "``` x")
    run = make_run(Workspace(tmp_path / "work"), "odd", labels=labels, noise=50.0)
    card = write_card(run, {"encoder": None})
    assert all(f"| {text} |" in card for text in ("a -> b", "&lt;b>", r"\`\`\` x"))
    assert "It is not measurably better than the same labels for every row" in card


TRAINING = (
    *("fit.fit", "fit.run_fit", "fit.training_data", "fit.plan", "fit.validation", "fit.held_out"),
    *("fit.recipes", "fit.related", "compare", "sensitivity", "report", "tracking", "demo"),
    *("near.duplicates", "near.kept", "near.links", "near.search"),
)


def test_loading_imports_no_training_code(bundle: Path) -> None:
    code = (
        "import sys, mmfeat, numpy as np; model = mmfeat.load(sys.argv[1]);"
        "model.predict(embeddings={m: np.zeros((2, 8), np.float16) for m in ('image', 'text')});"
        "print(*sys.modules)"
    )
    command = [sys.executable, "-c", code, str(bundle)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    below = [name.removeprefix("mmfeat.") for name in loaded if name.startswith("mmfeat.")]
    assert not [n for n in below for room in TRAINING if n == room or n.startswith(f"{room}.")]
    assert not {"ray", "optuna", "pandas", "sklearn", "lightgbm", "mlflow"} & set(loaded)


def test_rows_that_do_not_fit_together_are_one_error(bundle: Path) -> None:
    model = mmfeat.load(bundle)
    wrong: list[dict[str, Any]] = [
        {},
        {"images": ["a"], "captions": ["a", "b"]},
        {"images": ["a"], "embeddings": {"image": np.zeros((1, 8), np.float16)}},
        {"embeddings": {}},
        {"embeddings": {"image": np.zeros(8, np.float16)}},
    ]
    for rows in wrong:
        with pytest.raises(ConfigError):
            model.predict_proba(**rows)
    with pytest.raises(RunError, match="one encoder that mmfeat can run"):
        model.predict(captions=["a"])


def test_imported_embeddings_have_no_encoder_to_copy(run: Run, tmp_path: Path) -> None:
    for place in ({"to": tmp_path / "a"}, {"to_onnx": tmp_path / "a.onnx"}):
        with pytest.raises(ConfigError, match="was fitted on imported embeddings"):
            export(run, with_encoder=True, **place)  # type: ignore[arg-type]
