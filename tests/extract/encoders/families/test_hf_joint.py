"""ViLT: one row at a time by its own code gives the same vectors, in whatever batch a row is."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from mmfeat.errors import EncoderError
from mmfeat.extract.encoders import load_encoder
from mmfeat.extract.encoders.joint import JointEncoder
from mmfeat.extract.images.read import resize_image
from mmfeat.store import FeatureStore
from tests.support.stage_one.saved_models import save_joint, save_two_towers, save_vilt
from tests.support.stage_one.toy import ODD_CAPTIONS, make_picture
from tests.support.workspaces import Mmfeat

transformers: Any = pytest.importorskip("transformers")

SIZES = ((80, 60), (60, 90), (64, 64), (300, 50), (75, 200), (81, 61))


@pytest.fixture(scope="module")
def vilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vilt(tmp_path_factory.mktemp("vilt") / "tiny")


def load(folder: Path, **options: str) -> JointEncoder:
    encoder = load_encoder(
        f"hf:{folder}", pretrained="auto", precision="fp32", device="cpu", **options
    )
    assert isinstance(encoder, JointEncoder)
    return encoder


def plain_rows(folder: Path, images: list[Image.Image], captions: list[str]) -> list[Any]:
    """The family's own loop of one row at a time."""
    processor = transformers.ViltProcessor.from_pretrained(folder, backend="pil")
    model = transformers.ViltModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        return [
            model(**processor(image, text, truncation=True, max_length=16, return_tensors="pt"))
            for image, text in zip(images, captions, strict=True)
        ]


def cosine(found: np.ndarray, wanted: np.ndarray) -> float:
    a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (found, wanted))
    return float((a * b).sum(axis=1).min())


def write_job(folder: Path, *, n_rows: int = 12) -> list[str]:
    """A table of pictures of several shapes with captions; gives the captions."""
    captions = []
    for row in range(n_rows):
        make_picture(folder / f"{row}.jpg", seed=row, size=SIZES[row % len(SIZES)])
        captions.append(ODD_CAPTIONS[row % 5] or f"a dog {'xyz'[row % 3]}")
    lines = [(f"{row}.jpg", f"{row % 2} {2 + row % 3}", text) for row, text in enumerate(captions)]
    with (folder / "train.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("ImageID", "Labels", "Caption"), *lines])
    return captions


def extract(mmfeat: Mmfeat, vilt: Path, split: str, *options: str) -> np.ndarray:
    done = mmfeat(
        *("extract", "train.csv", "--images", ".", "--split", split, "--model", f"hf:{vilt}"),
        *("--precision", "fp32", "--dtype", "float32", "--workers", "0", *options),
    )
    assert done.exit_code == 0, done.output
    with FeatureStore.open(Path(f"artifacts/features/{split}.h5")) as store:
        return np.asarray(store.embeddings("joint"))


def test_a_row_is_that_of_the_family_whatever_its_batch(
    vilt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mmfeat: Mmfeat
) -> None:
    monkeypatch.chdir(tmp_path)
    captions = write_job(tmp_path)
    images = [Image.open(f"{row}.jpg").convert("RGB") for row in range(12)]
    plain = plain_rows(vilt, images, captions)
    wanted = {
        "pooler": torch.cat([row.pooler_output for row in plain]),
        "first": torch.cat([row.last_hidden_state[:, 0] for row in plain]),
        "mean": torch.cat([row.last_hidden_state.mean(dim=1) for row in plain]),
    }
    found = extract(mmfeat, vilt, "a")
    assert cosine(found, wanted["pooler"].numpy()) >= 1 - 1e-5
    assert cosine(found[:-1], found[1:]) < 0.999  # rows do differ
    for pool in ("first", "mean"):
        rows = extract(mmfeat, vilt, pool, "--joint-pool", pool)
        assert cosine(rows, wanted[pool].numpy()) >= 1 - 1e-5
    alone = extract(mmfeat, vilt, "alone", "--batch-size", "1")
    np.testing.assert_allclose(alone, found, atol=1e-5)
    extract(mmfeat, vilt, "b", "--engine", "torchrun")
    a, b = (Path(f"artifacts/features/{name}.h5").read_bytes() for name in "ab")
    assert a == b


def plain_vector(kind: str, model: Any, inputs: dict[str, Any]) -> Any:
    if kind == "bridgetower":
        return model(**inputs).pooler_output
    if kind == "flava":
        return model(**inputs).multimodal_embeddings[:, 0]
    return model.get_multimodal_features(**inputs)


@pytest.mark.parametrize("kind", ["bridgetower", "flava", "blip"])
def test_models_of_one_size_give_the_vectors_of_the_plain_loop(kind: str, tmp_path: Path) -> None:
    folder = save_joint(kind, tmp_path / kind)
    encoder = load(folder)
    assert encoder.preprocessing is not None
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    pixels, wanted = [], []
    rng = np.random.default_rng(0)
    for (width, height), text in zip(SIZES, ODD_CAPTIONS, strict=True):
        small = Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8))
        picture = small.resize((width, height), Image.Resampling.BICUBIC)
        read = resize_image(picture, preprocessing=encoder.preprocessing, max_pixels=10**6)
        assert isinstance(read, tuple)
        pixels.append(read[0])
        inputs = tokenizer([text], truncation=True, return_tensors="pt")
        shown = processor(picture, return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            found = plain_vector(kind, model, {**inputs, "pixel_values": shown})
        wanted.append(found.numpy())
    tokens = encoder.tokenize(ODD_CAPTIONS).tokens
    together = encoder.encode_pairs(np.stack(pixels), tokens)
    assert cosine(together, np.concatenate(wanted)) >= 1 - 1e-5
    assert encoder.dims == {"joint": together.shape[1]}


def test_from_a_table_to_a_submission(
    vilt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mmfeat: Mmfeat
) -> None:
    monkeypatch.chdir(tmp_path)
    write_job(tmp_path, n_rows=24)
    extract(mmfeat, vilt, "train", "--joint-pool", "mean")

    def ok(*arguments: str) -> str:
        done = mmfeat(*arguments)
        assert done.exit_code == 0, done.output
        return str(done.stdout)

    ok("fit", "--head", "logreg", "--fusion", "joint", "--folds", "2", "--name", "both")
    ok("tune-thresholds", "both")
    new = tmp_path / "new.csv"
    new.write_text("ImageID,Caption\n0.jpg,a dog\n1.jpg,\nnone.jpg,a cat\n2.jpg,a bus\n")
    ok("predict", "both", "--table", "new.csv", "--images", ".", "--out", "answers.csv")
    answers = list(csv.DictReader((tmp_path / "answers.csv").read_text().splitlines()))
    assert [row["joint_status"] for row in answers] == ["ok", "empty", "missing", "ok"]
    extract(mmfeat, vilt, "test", "--joint-pool", "mean")
    ok("submit", "both", "--split", "test", "--sample", "train.csv", "--out", "sub.csv")
    assert len((tmp_path / "sub.csv").read_text().splitlines()) == 25
    ok("export", "both", "--to", "winner")
    assert ok("predict", "winner", "--image", "0.jpg", "--caption", "a dog")
    done = mmfeat("predict", "winner", "--image", "0.jpg")
    assert done.exit_code == 1 and "pairs of an image and a caption" in done.stderr
    ok("verify", "artifacts/features/train.h5", "--reencode", "6", "--images", ".")


def test_weights_of_other_uses_are_left_out_and_no_others(vilt: Path, tmp_path: Path) -> None:
    folder = save_vilt(tmp_path / "copy")
    state = load_file(folder / "model.safetensors")
    path, metadata = folder / "model.safetensors", {"format": "pt"}
    whole = {f"vilt.{name}": tensor for name, tensor in state.items()}
    save_file(whole | {"mlm_score.bias": torch.zeros(2)}, path, metadata=metadata)
    tokens = load(vilt).tokenize(["a dog"]).tokens
    pixels = np.full((1, 64, 80, 3), 90, np.uint8)
    found, wanted = (load(one).encode_pairs(pixels, tokens) for one in (folder, vilt))
    np.testing.assert_array_equal(found, wanted)
    save_file(state | {"other": torch.zeros(2)}, path, metadata=metadata)
    with pytest.raises(EncoderError, match="no place for other"):
        load(folder)


def test_a_pool_is_for_pairs_alone(vilt: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="one of pooler, first, mean"):
        load(vilt, joint_pool="max")
    clip = save_two_towers("clip", tmp_path / "clip")
    for model in (f"hf:{clip}", "tiny-demo"):
        with pytest.raises(EncoderError, match="leave it out"):
            load_encoder(
                model, pretrained="auto", precision="fp32", device="cpu", joint_pool="mean"
            )
