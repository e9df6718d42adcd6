"""What docs/extending.md says a change touches: each patch is applied, counted, and used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PATCHES = ROOT / "docs" / "patches"

# patch -> the new files, the lines in files that exist, and what uses it
NEW_FILES: dict[str, set[str]] = {
    "head": {"mmfeat/fit/heads/rates.py"},
    "loss": set(),
    "fusion": set(),
    "encoder": {"mmfeat/extract/encoders/families/colours.py"},
    "modality": set(),
    "command": {"cli/runs/count.py"},
}
REGISTRIES: dict[str, dict[str, int]] = {
    "head": {"mmfeat/fit/heads/__init__.py": 1},
    "loss": {},  # the function lies beside its line
    "fusion": {"mmfeat/fit/fusion/__init__.py": 2},  # the line, and the import of the function
    "encoder": {"mmfeat/extract/encoders/load.py": 1},
    "modality": {"mmfeat/fit/fusion/__init__.py": 1},
    "command": {"cli/main.py": 1},
}
FUNCTIONS: dict[str, str] = {
    "loss": "mmfeat/fit/losses.py",
    "fusion": "mmfeat/fit/fusion/matrix.py",
}

SETUP = """
import numpy as np, mmfeat
from mmfeat_cli.main import app
from typer.testing import CliRunner
def run(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, (words, result.output, result.exception)
    return result.stdout
rng = np.random.default_rng(0)
x = rng.normal(size=(60, 4)).astype(np.float32)
lines = [f"{i},{'a' if x[i, 0] > 0 else 'b'}" for i in range(60)]
open("t.csv", "w").write("\\n".join(["ImageID,Labels", *lines]))
np.save("x.npy", x)
arrays = {name: "x.npy" for name in ("image", "text", "audio")}
mmfeat.import_embeddings("t.csv", modalities=arrays, split="train")
"""
USES: dict[str, str] = {
    "head": """
assert "rates" in run("list", "heads") and "pseudo_rows" in run("list", "heads", "rates")
r = mmfeat.fit("train", head="rates", fusion="image", settings={"pseudo_rows": 2}, folds=3)
assert abs(r.oof.probabilities.mean() - 0.5) < 0.1
assert mmfeat.predict(r, split="train").label_sets.shape == (60, 2)
mmfeat.heads.Rates().fit(x, (x > 0).astype("uint8")).predict(x)
""",
    "loss": """
assert "hinge" in run("list", "losses")
r = mmfeat.fit("train", head="mlp", fusion="image", loss="hinge", settings={"epochs": 20}, folds=3)
assert r.metrics["oof"]["at_0.5"]["macro_f1"] > 0.7
""",
    "fusion": """
assert "min" in run("list", "fusions")
r = mmfeat.fit("train", head="knn", fusion="min", folds=3)
assert r.config.fusion == "min" and r.metrics["oof"]["at_0.5"]["macro_f1"] > 0.5
""",
    "encoder": """
from PIL import Image
import os
os.mkdir("images")
for i in range(60):
    Image.new("RGB", (20, 20), (200, i, 0) if i > 30 else (0, i, 200)).save(f"images/{i}.png")
lines = [f"{i}.png,{'a' if i > 30 else 'b'},word {i}" for i in range(60)]
open("p.csv", "w").write("\\n".join(["ImageID,Labels,Caption", *lines]))
found = mmfeat.extract("p.csv", images="images", split="seen", model="colours", workers=0)
assert found["seen"].n_rows == 60
r = mmfeat.fit("seen", head="knn", fusion="image", folds=3)
assert r.metrics["oof"]["at_0.5"]["map"] > 0.9
""",
    "modality": """
r = mmfeat.fit("train", head="knn", fusion="audio", folds=3)
assert r.metrics["oof"]["at_0.5"]["macro_f1"] > 0.5
assert mmfeat.predict(r, split="train").label_sets.shape == (60, 2)
""",
    "command": """
assert run("count").strip() == "0"
assert "count" in run("--help")
""",
}


def changed(patch: Path) -> dict[str, tuple[int, int]]:
    """Lines added to and removed from each file."""
    done = subprocess.run(
        ["git", "apply", "--numstat", str(patch)], capture_output=True, text=True, check=True
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return {name: (int(added), int(removed)) for added, removed, name in rows}


@pytest.mark.parametrize("name", USES)
def test_a_change_touches_what_the_page_says(name: str) -> None:
    touched = changed(PATCHES / f"{name}.patch")
    assert all(removed == 0 for _, removed in touched.values())
    assert {file for file in touched if not (ROOT / file).exists()} == NEW_FILES[name]
    function = FUNCTIONS.get(name)
    others = {f: n for f, (n, _) in touched.items() if f not in NEW_FILES[name] and f != function}
    assert others == REGISTRIES[name]
    assert (function in touched) == (function is not None)
    assert f"patches/{name}.patch" in (ROOT / "docs" / "extending.md").read_text()


@pytest.mark.parametrize("name", USES)
def test_a_change_works_in_a_copy(name: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "mmfeat", copy / "mmfeat", ignore=ignored)
    shutil.copytree(ROOT / "cli", copy / "cli", ignore=ignored)
    subprocess.run(["git", "apply", str(PATCHES / f"{name}.patch")], cwd=copy, check=True)
    (copy / "mmfeat_cli").symlink_to(copy / "cli")
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SETUP + USES[name]],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
