from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmfeat.core.settings import read_settings
from mmfeat.demo.captions import describe
from mmfeat.demo.data import write_demo_data
from mmfeat.demo.scenes import MAX_THINGS, MIN_THINGS, draw_scene, make_scene
from mmfeat.demo.things import THINGS
from mmfeat.errors import ConfigError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo")
    write_demo_data(path, n_train=40, n_test=20, seed=3)
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_files_are_as_on_kaggle(folder: Path) -> None:
    train, test = rows(folder / "train.csv"), rows(folder / "test.csv")
    assert list(train[0]) == ["ImageID", "Labels", "Caption"]
    assert list(test[0]) == ["ImageID", "Caption"]
    assert len(train) == 40
    assert len(test) == 20
    for name in ("sample_submission.csv", "solution.csv"):
        assert list(rows(folder / name)[0]) == ["ImageID", "Labels"]
        assert [row["ImageID"] for row in rows(folder / name)] == [row["ImageID"] for row in test]
    sizes = {Image.open(folder / "data" / row["ImageID"]).size for row in train + test}
    assert len(sizes) > 40  # mixed
    assert all(200 <= side <= 380 for size in sizes for side in size)
    assert read_settings(folder).splits == {"train": "train.csv", "test": "test.csv"}


def test_same_seed_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_demo_data(tmp_path, n_train=40, n_test=20, seed=3)
    files = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    assert len(files) == 66
    for name in files:
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes(), name
    write_demo_data(tmp_path, n_train=40, n_test=20, seed=4)
    assert (folder / "train.csv").read_bytes() != (tmp_path / "train.csv").read_bytes()


def test_a_folder_with_other_pictures_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="empty folder, or one with the same"):
        write_demo_data(folder, n_train=5, n_test=5, seed=3)


def test_too_many_rows_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at most"):
        write_demo_data(tmp_path, n_train=10**9, n_test=1, seed=3)
    assert not list(tmp_path.iterdir())


def test_labels_have_a_long_tail() -> None:
    count: Counter[str] = Counter()
    for row in range(6000):
        count.update(make_scene(np.random.default_rng([1, row])).labels)
    assert sorted(count, key=int) == [str(i) for i in range(1, 20) if i != 12]
    assert 0.66 < count["1"] / 6000 < 0.75
    assert 0 < min(count.values()) / 6000 < 0.01


def test_a_caption_names_some_things_and_never_all() -> None:
    nouns = {noun: thing.label for thing in THINGS for noun in thing.nouns}
    lengths = set()
    for row in range(500):
        rng = np.random.default_rng([2, row])
        scene = make_scene(rng)
        assert MIN_THINGS <= len(scene.placed) <= MAX_THINGS
        padded = f" {describe(scene, rng).lower().replace(',', ' ').replace('.', ' ')} "
        named = {label for noun, label in nouns.items() if f" {noun} " in padded}
        assert named
        assert named < set(scene.labels)
        lengths.add(len(named))
    assert lengths == {1, 2, 3, 4}


def test_a_complete_caption_names_everything() -> None:
    nouns = {noun: thing.label for thing in THINGS for noun in thing.nouns}
    for row in range(100):
        rng = np.random.default_rng([2, row])
        scene = make_scene(rng)
        text = describe(scene, rng, complete=True).lower().replace(",", " ").replace(".", " ")
        named = {label for noun, label in nouns.items() if f" {noun} " in f" {text} "}
        assert named == set(scene.labels)


def test_things_stand_in_the_picture() -> None:
    rng = np.random.default_rng(0)
    scene = make_scene(rng, sides=(64, 64))
    picture = draw_scene(scene, rng)
    assert picture.mode == "RGB"
    assert picture.size == (64, 64)
    assert np.asarray(picture).std() > 10
