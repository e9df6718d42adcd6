from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest

from mmfeat.config import DataSettings
from mmfeat.core.workspace import Workspace
from mmfeat.demo.made_up import make_run
from mmfeat.extract.importing import store_embeddings
from mmfeat.report import gallery
from mmfeat.report.curves import MAX_CLASSES
from mmfeat.report.doubts import find_doubts
from mmfeat.report.gallery import Gallery, make_gallery
from mmfeat.report.thumbnails import MAX_BYTES, Thumbnails
from mmfeat.runs.run import Run
from mmfeat.tables import read_table
from tests.support.stage_one.toy import make_picture


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of 90 rows whose store has captions, and pictures of the first 60 rows."""
    workspace = Workspace(tmp_path / "work")
    table = tmp_path / "train.csv"
    lines = [f'{row}.jpg,a,"caption {row}"' for row in range(90)]
    table.write_text("\n".join(["ImageID,Labels,Caption", *lines]) + "\n")
    np.save(tmp_path / "image.npy", np.ones((90, 4), np.float16))
    store_embeddings(
        read_table(table, data=DataSettings()),
        {"image": tmp_path / "image.npy"},
        out=workspace.store("train"),
        encoder_name="made-up",
    )
    for row in range(60):
        make_picture(tmp_path / "images" / f"{row}.jpg", seed=row, size=(300, 200))
    return make_run(workspace, "r")


def draw(run: Run, *, max_thumbnails: int = 100, max_bytes: int = MAX_BYTES) -> Gallery:
    workspace = Workspace(run.folder.parent.parent)
    images = workspace.root.parent / "images"
    return make_gallery(
        run, workspace, images=images, max_thumbnails=max_thumbnails, max_bytes=max_bytes
    )


def test_it_shows_the_surest_mistakes_of_every_class(run: Run) -> None:
    scores, predicted = run.oof, run.decision.decide(run.oof.probabilities)
    found = {(card.id, cell.column): cell for card in draw(run).cards for cell in card.cells}
    for j in range(3):
        p, y = scores.probabilities[:, j], scores.targets[:, j]
        for kind, wrong, sure in (
            ("false-positive", (predicted[:, j] > y), p),
            ("false-negative", (predicted[:, j] < y), 1 - p),
        ):
            shown = [
                id_ for (id_, column), cell in found.items() if column == j and kind in cell.kinds
            ]
            rows = sorted(np.flatnonzero(wrong), key=lambda row: -sure[row])[: gallery.PER_KIND]
            assert sorted(shown) == sorted(scores.ids[int(row)] for row in rows)
    for (id_, column), cell in found.items():
        row = scores.ids.index(id_)
        assert cell.probability == float(scores.probabilities[row, column])
        assert cell.true == bool(scores.targets[row, column])
        assert cell.predicted == bool(predicted[row, column])


def test_captions_and_pictures_come_from_the_store_and_the_folder(run: Run) -> None:
    cards = draw(run).cards
    assert all(card.caption == f"caption {card.id.removesuffix('.jpg')}" for card in cards)
    for card in cards:
        has_file = int(card.id.removesuffix(".jpg")) < 60
        assert card.picture.startswith("data:image/jpeg;base64,") == has_file
        assert card.missing == ("" if has_file else "there is no such file")
        assert len(card.picture) < 20_000


def test_pictures_are_limited_in_number_and_bytes(run: Run) -> None:
    assert sum(bool(card.picture) for card in draw(run, max_thumbnails=3).cards) == 3
    assert not any(card.picture for card in draw(run, max_thumbnails=0).cards)
    cards = draw(run, max_bytes=1).cards
    assert sum(bool(card.picture) for card in cards) == 1
    assert cards[-1].missing == "not shown, to keep the page small"


def test_pictures_are_read_through_the_guards(tmp_path: Path) -> None:
    make_picture(tmp_path / "secret.jpg", seed=0)
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "broken.jpg").write_bytes(b"no picture")
    thumbnails = Thumbnails(folder, limit=9)
    for name in ("../secret.jpg", str(tmp_path / "secret.jpg"), "link.jpg", "broken.jpg", ""):
        picture, missing = thumbnails.take(name)
        assert picture == "" and missing


def test_without_its_store_a_run_has_no_captions(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    Workspace(run.folder.parent.parent).store("train").unlink()
    cards = draw(run).cards
    assert cards and all((card.caption, card.picture) == ("", "") for card in cards)
    assert "no captions and pictures" in caplog.text


@pytest.mark.parametrize("cleanlab", [True, False])
def test_a_swapped_label_is_in_doubt(cleanlab: bool) -> None:
    if cleanlab:
        pytest.importorskip("cleanlab")
    rng = np.random.default_rng(0)
    targets = (rng.random((200, 3)) < 0.4).astype(np.uint8)
    targets[:, 2] = 0
    p = np.where(targets, 0.9, 0.1) + rng.normal(0, 0.02, targets.shape)
    targets[[5, 9], [0, 1]] ^= 1
    p[[5, 9], [0, 1]] = np.where(targets[[5, 9], [0, 1]], 0.02, 0.98)
    found = find_doubts(
        p.astype(np.float32),
        (p >= 0.5).astype(np.uint8),
        targets,
        version_of=version if cleanlab else _missing,
    )
    assert set(found.cells) == {(5, 0), (9, 1)}
    assert ("confident learning" in found.method) == cleanlab
    assert "cleanlab" in found.method


def test_of_many_classes_cleanlab_judges_the_commonest() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((60, MAX_CLASSES + 1)) < 0.5).astype(np.uint8)
    targets[:, 7] = np.arange(60) < 3  # the rarest
    p = np.where(targets, 0.9, 0.1).astype(np.float32)
    targets[[20, 21], [7, 8]] ^= 1
    found = find_doubts(p, (p >= 0.5).astype(np.uint8), targets)
    assert found.cells == ((21, 8),)
    assert f"in the {MAX_CLASSES} most frequent classes" in found.method


def _missing(name: str) -> str:
    raise PackageNotFoundError(name)
