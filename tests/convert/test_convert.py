"""Each format, written by its own library where there is one, becomes tables that `check` reads."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import mmfeat
from mmfeat.core.settings import read_settings
from mmfeat.errors import ConfigError, MmfeatError, TableError
from mmfeat.tables.check import check_splits

NAMES = ("dog", "traffic light", "cup|mug")
SETS = ((0, 1), (2,), (), (1,))
CAPTIONS = ("a dog, beside a light", "a cup", "nothing", "a light")


def picture(row: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (2, 2), (row, 0, 0)).save(file, "PNG")
    return file.getvalue()


def write(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def with_pictures(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for row in range(len(SETS)):
        (folder / f"{row}.png").write_bytes(picture(row))
    return folder


def coco(folder: Path) -> Path:
    with_pictures(folder / "val2017")
    images = [{"id": row, "file_name": f"{row}.png"} for row in range(len(SETS))]
    pairs = [(row, label) for row, labels in enumerate(SETS) for label in labels]
    document = {
        "images": images,
        "annotations": [
            {"image_id": row, "category_id": label, "segmentation": [[1, 2]], "iscrowd": row}
            for row, label in pairs
        ],
        "categories": [{"id": label, "name": name} for label, name in enumerate(NAMES)],
    }
    write(folder / "annotations" / "instances_val2017.json", document)
    notes = [{"image_id": row, "caption": text} for row, text in enumerate(CAPTIONS)]
    captions = {"images": images, "annotations": notes}
    write(folder / "annotations" / "captions_val2017.json", captions)
    return folder


def label_studio(folder: Path) -> Path:
    with_pictures(folder)
    tasks = [
        {
            "id": row,
            "data": {"image": f"/data/local-files/?d={row}.png", "text": text},
            "annotations": [{"result": [choices([NAMES[one] for one in labels])]}],
        }
        for row, (labels, text) in enumerate(zip(SETS, CAPTIONS, strict=True))
    ]
    return write(folder / "export.json", tasks)


def choices(names: list[str]) -> dict[str, Any]:
    return {"type": "choices", "from_name": "c", "to_name": "i", "value": {"choices": names}}


def records() -> Any:
    datasets = pytest.importorskip("datasets")
    columns = {
        "image": [{"bytes": picture(row), "path": None} for row in range(len(SETS))],
        "caption": list(CAPTIONS),
        "labels": [list(labels) for labels in SETS],
    }
    features = datasets.Features(
        image=datasets.Image(),
        caption=datasets.Value("string"),
        labels=datasets.Sequence(datasets.ClassLabel(names=list(NAMES))),
    )
    return datasets.Dataset.from_dict(columns, features=features)


def parquet(folder: Path) -> Path:
    folder.mkdir()
    records().to_parquet(folder / "train-00000-of-00001.parquet")
    return folder


def saved(folder: Path) -> Path:
    datasets = pytest.importorskip("datasets")
    datasets.DatasetDict({"train": records()}).save_to_disk(folder)
    return folder


def webdataset(folder: Path) -> Path:
    library = pytest.importorskip("webdataset")
    folder.mkdir()
    with library.TarWriter(str(folder / "00000.tar")) as archive:
        for row, (labels, text) in enumerate(zip(SETS, CAPTIONS, strict=True)):
            fields = {"labels": [NAMES[one] for one in labels], "url": "http://x"}
            sample = {"png": picture(row), "txt": text, "json": fields, "pyd": {"a": 1}}
            archive.write({"__key__": f"{row:04d}", **sample})
    return folder


SOURCES: Mapping[str, tuple[Callable[[Path], Path], str]] = {
    "coco": (coco, "coco"),
    "label-studio": (label_studio, "label-studio"),
    "parquet": (parquet, "datasets"),
    "save_to_disk": (saved, "datasets"),
    "webdataset": (webdataset, "webdataset"),
}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def lines(out: Path, split: str = "train") -> list[dict[str, str]]:
    with (out / f"{split}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", SOURCES)
def test_a_format_is_found_and_read(
    name: str, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, format = SOURCES[name]
    found = mmfeat.convert(make(tmp_path / "source"), out)
    assert found.format == format and found.splits == {"train": 4}
    assert set(found.labels) == set(NAMES)
    rows = lines(out)
    assert [row["Labels"] for row in rows] == ["dog;traffic light", "cup|mug", "", "traffic light"]
    assert [row["Caption"] for row in rows] == list(CAPTIONS)
    monkeypatch.chdir(out)
    assert check_splits()["train"].label_rows == {"traffic light": 2, "dog": 1, "cup|mug": 1}
    images = Path(read_settings().data.images)
    for number, row in enumerate(rows):
        with Image.open(images / row["Image"]) as opened:
            assert opened.getpixel((0, 0)) == (number, 0, 0)


def test_counts_of_coco_are_told(tmp_path: Path, out: Path) -> None:
    source = coco(tmp_path / "source")
    path = source / "annotations" / "instances_val2017.json"
    document = json.loads(path.read_text())
    document["images"].append(document["images"][0])
    document["annotations"] += [{"image_id": 0}, {"image_id": 99, "category_id": 0}]
    write(path, document)
    notes = "\n".join(mmfeat.convert(source, out).notes)
    assert "pictures with an id that another has, left out: 1" in notes
    assert "annotations without a category that is listed, left out: 1" in notes
    assert "annotations of a picture that is not listed, left out: 1" in notes
    assert "pictures without an annotation of a category: 1" in notes
    assert "annotations of crowds, which count: 1" in notes


def test_tasks_without_an_annotation_are_a_split(tmp_path: Path, out: Path) -> None:
    path = label_studio(tmp_path / "source")
    tasks = json.loads(path.read_text())
    tasks[0]["annotations"] = [{"was_cancelled": True, "result": []}]
    tasks[1]["annotations"].insert(0, {"ground_truth": True, "result": [choices(["dog"])]})
    write(path, tasks)
    found = mmfeat.convert(path, out)
    assert found.splits == {"train": 3, "unlabelled": 1}
    assert lines(out)[0]["Labels"] == "dog"
    assert "Labels" not in lines(out, "unlabelled")[0]


@pytest.mark.parametrize(
    "annotations",
    ["x", [3], [{"result": 3}], [{"result": [3, {"type": "choices", "value": None}]}]],
)
def test_annotations_that_are_none(annotations: Any, tmp_path: Path, out: Path) -> None:
    data = {"image": "http://[x/a.jpg", "text": "a"}
    path = write(tmp_path / "x.json", [{"id": 1, "data": data, "annotations": annotations}])
    found = mmfeat.convert(path, out)
    assert found.labels == () and found.splits == {"train": 1}
    assert "pictures whose name extract will refuse: 1" in found.notes
    is_told = any("without an annotation" in one or "no label" in one for one in found.notes)
    assert is_told


def test_names_of_members_are_never_followed(tmp_path: Path, out: Path) -> None:
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("../out.png", "/etc/x.png", "a.png"):
            member = tarfile.TarInfo(name)
            member.size = len(picture(0))
            archive.addfile(member, io.BytesIO(picture(0)))
        link = tarfile.TarInfo("b.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    found = mmfeat.convert(path, out)
    assert found.splits == {"train": 3}
    assert "members that are no files, left out: 1" in found.notes
    assert {one.name for one in tmp_path.iterdir()} == {"evil.tar", "out"}
    assert all((out / "images" / row["Image"]).is_file() for row in lines(out))


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


@pytest.mark.parametrize("name", SOURCES)
def test_half_a_source_is_one_line(name: str, tmp_path: Path, out: Path) -> None:
    source = SOURCES[name][0](tmp_path / "source")
    files = [source] if source.is_file() else sorted(source.rglob("*.*"))
    for file in files:
        if file.suffix in (".json", ".parquet", ".arrow", ".tar") and "info" not in file.name:
            cut(file)
    with pytest.raises(TableError) as error:
        mmfeat.convert(source, out, format=SOURCES[name][1])
    assert len(str(error.value).splitlines()) == 1
    assert not out.exists()


JUNK: tuple[Any, ...] = (
    *({}, {"images": [3]}, {"images": [{"id": 1}]}, [], [3], [[]]),
    {"images": [{"id": 1, "file_name": "../x.png"}], "annotations": []},
    {"images": [{"id": 1, "file_name": "x.png"}], "annotations": {"a": 1}},
)


@pytest.mark.parametrize("document", JUNK)
def test_json_of_another_kind(document: Any, tmp_path: Path, out: Path) -> None:
    path = write(tmp_path / "x.json", document)
    with pytest.raises(MmfeatError):
        mmfeat.convert(path, out)
    assert not out.exists()


def test_a_folder_is_only_replaced_if_convert_wrote_it(tmp_path: Path, out: Path) -> None:
    source = coco(tmp_path / "source")
    mmfeat.convert(source, out)
    with pytest.raises(ConfigError, match="--overwrite"):
        mmfeat.convert(source, out)
    mmfeat.convert(source, out, overwrite=True)
    (out / "artifacts").mkdir()
    with pytest.raises(ConfigError, match="another TO"):
        mmfeat.convert(source, out, overwrite=True)
    with pytest.raises(ConfigError, match="of its own"):
        mmfeat.convert(source, source, overwrite=True)


def test_splits_of_tar_files_and_captions_alone(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = webdataset(tmp_path / "source")
    (source / "00000.tar").rename(source / "my-train-00000.tar")
    shutil.copy(source / "my-train-00000.tar", source / "val_00000.tar")
    assert mmfeat.convert(source, out).splits == {"my-train": 4, "val": 4}
    monkeypatch.chdir(out)
    found = read_settings()
    assert (found.fit.split, found.submit.split) == ("my-train", "val")
    datasets = pytest.importorskip("datasets")
    columns = {"text": ["a b", "c"], "label": ["x", "y"]}
    datasets.Dataset.from_dict(columns).to_parquet(tmp_path / "texts.parquet")
    mmfeat.convert(tmp_path / "texts.parquet", tmp_path / "texts")
    monkeypatch.chdir(tmp_path / "texts")
    assert read_settings().extract.modalities == ("text",)
