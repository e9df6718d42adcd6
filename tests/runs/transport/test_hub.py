"""Bundles go to the hub and come back as they were; a repository may hold anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmfeat
from mmfeat.core.workspace import Workspace
from mmfeat.errors import ConfigError, RunError
from mmfeat.export.load import load
from mmfeat.runs.open import open_run
from mmfeat.runs.transport.hub import HubAddress
from mmfeat.runs.transport.manifest import MANIFEST
from tests.support.hub import TOKEN, Hub, Repo
from tests.support.workspaces import Mmfeat, error_line, import_split

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of its client


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    made = Hub()
    url = made.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", made.url)  # read from HF_ENDPOINT
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", url)
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)  # has no fake
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a run, `one`."""
    folder = tmp_path_factory.mktemp("hub")
    import_split(Workspace(folder), "train")
    mmfeat.fit("train", head="knn", fusion="concat", folds=2, name="one", workspace=folder)
    return folder


ROWS = {m: np.random.default_rng(0).normal(size=(4, 8)).astype("f2") for m in ("image", "text")}


def test_a_bundle_comes_back_as_it_was(
    hub: Hub, root: Path, tmp_path: Path, mmfeat: Mmfeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = mmfeat("export", "one", "--to-hub", "me/winner", "-w", root)
    assert made.exit_code == 0, made.stderr
    assert TOKEN not in made.stdout + made.stderr
    repo = hub.repos["me/winner"]
    assert repo.private and ".gitattributes" in repo.commits[-1][1]
    assert made.stdout.strip() == f"hub:me/winner@{repo.commits[-1][0]}"
    there = load(made.stdout.strip())  # no request: it lies where it is looked for
    asked = len(hub.requests)
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "elsewhere"))
    model = load("hub:me/winner")
    assert len(hub.requests) > asked
    files = {p.name: p.read_bytes() for p in model.run.folder.rglob("*") if p.is_file()}
    assert files == {p.name: p.read_bytes() for p in there.run.folder.rglob("*") if p.is_file()}
    by_run = open_run("one", workspace=root)
    folder = load(by_run.export(tmp_path / "b"))
    scores = folder.predict_proba(embeddings=ROWS)
    assert np.array_equal(model.predict_proba(embeddings=ROWS), scores)
    done = mmfeat(
        "predict", "hub:me/winner", "--split", "train", "--out", tmp_path / "o.csv", "-w", root
    )
    assert done.exit_code == 0, done.stderr


def test_what_is_there_is_replaced_if_it_is_a_bundle_and_asked_for(hub: Hub, root: Path) -> None:
    how: Any = {"workspace": root, "to_hub": "me/winner"}
    mmfeat.export("one", **how)
    with pytest.raises(ConfigError, match="holds a bundle already; give --overwrite"):
        mmfeat.export("one", **how)
    repo = hub.repos["me/winner"]
    repo.commit({**repo.commits[-1][1], "head/old.json": b"{}"})
    mmfeat.export("one", **how, overwrite=True)
    assert "head/old.json" not in repo.commits[-1][1] and len(repo.commits) == 4
    hub.repos["me/thesis"] = Repo(private=False)
    hub.repos["me/thesis"].commit({"thesis.pdf": b"%PDF"})
    with pytest.raises(ConfigError, match="holds something else"):
        mmfeat.export("one", workspace=root, to_hub="me/thesis", overwrite=True)
    assert not list((Path(root) / "hf").glob("mmfeat/.*"))


def test_a_hostile_repository_is_one_error_before_it_is_downloaded(
    hub: Hub, root: Path, tmp_path: Path
) -> None:
    mmfeat.export("one", workspace=root, to_hub="me/winner")
    sound = hub.repos["me/winner"].commits[-1][1]
    manifest = json.loads(sound[MANIFEST])

    def listing(**files: object) -> bytes:
        return json.dumps(manifest | {"files": manifest["files"] | files}).encode()

    hostile = {
        "not on the hub": {**sound, MANIFEST: listing(**{"a.json": {"bytes": 1, "sha256": "0"}})},
        "no file of a bundle": {**sound, MANIFEST: listing(**{"../a.json": {"bytes": 1}})},
        "with the size": {**sound, "metrics.json": sound["metrics.json"] + b" "},
        "its sha256 differs": {**sound, "metrics.json": b"x" + sound["metrics.json"][1:]},
        "without manifest.json": {"thesis.pdf": b"%PDF"},
        "is not JSON": {**sound, MANIFEST: b"{"},
    }
    for found, files in hostile.items():
        hub.repos["me/other"] = Repo(private=False)
        hub.repos["me/other"].commit(files)
        asked = len(hub.requests)
        with pytest.raises(RunError, match=found):
            mmfeat.load("hub:me/other")
        given = [request for request in hub.requests[asked:] if "/resolve/" in request]
        assert "sha256" in found or all(MANIFEST in request for request in given)
    hub.repos["me/other"].commit({**sound, "run.py": b"import os"})  # is left where it is
    folder = mmfeat.load("hub:me/other").run.folder
    assert not list(folder.rglob("*.py")) and not (folder / ".cache").exists()


def test_what_the_hub_does_not_give_is_one_error(
    hub: Hub, root: Path, mmfeat: Mmfeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("hub:", "hub:a/b/c", "hub:../x", "hub:a/b@", "hub:a/b@x y", "hub:.a/b"):
        assert "OWNER/NAME" in error_line(mmfeat, "predict", name, "-w", root)
    line = error_line(mmfeat, "export", "one", "--to-hub", "a/b@main", "-w", root)
    assert "names a revision" in line
    assert "token" in error_line(mmfeat, "predict", "hub:me/nothing", "-w", root)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    line = error_line(mmfeat, "export", "one", "--to-hub", "me/winner", "-w", root)
    assert "HF_TOKEN" in line and "hf_wrong" not in line
    hub.stop()
    assert "me/winner" in error_line(mmfeat, "predict", "hub:me/winner", "-w", root)


def test_a_commit_that_is_there_needs_no_connection(hub: Hub, root: Path) -> None:
    address = mmfeat.export("one", workspace=root, to_hub="me/winner").hub
    assert address is not None
    hub.stop()
    model = mmfeat.load(address)
    assert model.run.folder == HubAddress.parse(address).folder(address.partition("@")[2])
    assert model.run.name == "me--winner"
