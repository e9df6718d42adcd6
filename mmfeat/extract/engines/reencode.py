"""Does a store hold what its encoder gives? A sample of rows is encoded again and compared.

The rows are drawn at random and encoded in random order, in batches of another size than the
store's, so that a number that depends on its neighbours would differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmfeat.config import AUTO, ExtractSettings
from mmfeat.errors import ExtractError
from mmfeat.extract.encoders.base import Encoder
from mmfeat.extract.engines.local import decode_task, encode_rows, image_names, load_here
from mmfeat.extract.images.decoding import Decoder
from mmfeat.extract.images.sources import NAME_IT, open_images
from mmfeat.extract.plan import Plan
from mmfeat.store.layout import Block, Status
from mmfeat.store.reader import FeatureStore
from mmfeat.types import IntArray, Table

BATCH = 7  # rows; a prime, which hardly a store was made with
LEAST_COSINE = 0.999  # of half precision in another batch; another model or picture is far below


@dataclass(frozen=True, kw_only=True)
class Reencoded:
    """One modality of the sample: what is stored against what the encoder gives now.

    Attributes
    ----------
    n_compared
        Rows with an embedding in both.
    differing
        Ids of the rows that have one in the store alone, or now alone.
    worst_cosine, largest_difference
        Over the rows that are compared, and over their numbers; NaN without any.
    """

    n_compared: int
    differing: tuple[str, ...]
    worst_cosine: float
    largest_difference: float

    @property
    def is_same(self) -> bool:
        """Whether the store is confirmed."""
        return not self.differing and not self.worst_cosine < LEAST_COSINE


def reencode(
    path: Path,
    *,
    n_rows: int,
    images: Path | str,
    pretrained: str | None = None,
    device: str = "auto",
    seed: int = 0,
    load: Callable[[ExtractSettings], Encoder] = load_here,
) -> dict[str, Reencoded]:
    """Encode `n_rows` of the store at `path` again, with the pictures in `images`.

    `pretrained` says where the weights are; None: as when the store was made. Raises
    `ExtractError` for a store of embeddings that were imported, or of another encoder than is
    found, and what loading it raises.
    """
    with FeatureStore.open(path) as store:
        made = store.provenance
        settings = _settings(path, made, pretrained=pretrained, device=device, dtype=store.dtype)
        encoder = load(settings)
        _check_same(path, encoder.provenance, made["encoder"])
        rows = np.random.default_rng(seed).permutation(store.n_rows)[:n_rows]
        plan = _plan(store, rows, settings, images=images)
        places = np.arange(len(rows))
        names = image_names(plan, places, since=0)
        if names:
            plan.images.check(NAME_IT)
        with Decoder(decode_task(plan, encoder), workers=0) as decoder:
            block = encode_rows(
                plan,
                encoder,
                places,
                since=0,
                decoded=decoder.decode(names),
                advance=lambda *_: None,
            )
        return {name: _compare(store, name, rows, block, plan) for name in plan.modalities}


def _settings(
    path: Path, made: Mapping[str, Any], *, pretrained: str | None, device: str, dtype: str
) -> ExtractSettings:
    encoder = made["encoder"]
    if "weights_sha256" not in encoder:
        raise ExtractError(
            "only what mmfeat encoded can be encoded again",
            f"{path} was imported: {encoder['name']}",
            "leave out --reencode",
        )
    return ExtractSettings(
        model=encoder["name"],
        pretrained=pretrained or str(encoder.get("pretrained", "")),
        precision=encoder.get("precision", "auto"),
        device=device,
        dtype=dtype,
        long_captions=encoder.get("long_captions", "cut"),
        joint_pool=encoder.get("joint_pool", AUTO),
        decode=made["decoder"]["mode"],
        max_pixels=made["decoder"]["max_pixels"],
        workers=0,
    )


def _check_same(path: Path, found: Mapping[str, Any], made: Mapping[str, Any]) -> None:
    for key in ("weights_sha256", "preprocessing", "tokenizer", "context_length", "joint_pool"):
        if found.get(key) != made.get(key):
            raise ExtractError(
                f"a store is encoded again by its own encoder; the {key} differs",
                f"{path} has {made.get(key)!r}, found is {found.get(key)!r}",
                "name its weights with --pretrained",
            )


def _plan(
    store: FeatureStore, rows: IntArray, settings: ExtractSettings, *, images: Path | str
) -> Plan:
    """The plan of the sample, (r,), as a table of its own."""
    ids, paths, captions = store.ids, store.image_paths, store.captions
    places = rows.tolist()
    return Plan(
        table=Table(
            ids=tuple(ids[row] for row in places),
            image_paths=tuple(paths[row] for row in places),
            captions=None if captions is None else tuple(captions[row] for row in places),
            targets=None,
            labels=(),
            source=str(store.path),
            sha256="",
        ),
        images=open_images(images),
        settings=settings,
        modalities=store.modalities,
        batch_sizes=dict.fromkeys(store.modalities, BATCH),
        first=dict.fromkeys(store.modalities, np.arange(len(rows))),
        provenance={},
    )


def _compare(
    store: FeatureStore, modality: str, rows: IntArray, block: Block, plan: Plan
) -> Reencoded:
    stored = np.stack([store.embeddings(modality, slice(row, row + 1))[0] for row in rows.tolist()])
    was_ok = store.status(modality)[rows] == Status.OK
    is_ok = block.status[modality] == Status.OK
    both = was_ok & is_ok
    old, new = (array[both].astype(np.float64) for array in (stored, block.embeddings[modality]))
    lengths = np.linalg.norm(old, axis=1) * np.linalg.norm(new, axis=1)
    cosines = (old * new).sum(axis=1) / lengths
    return Reencoded(
        n_compared=int(both.sum()),
        differing=tuple(plan.table.ids[at] for at in np.flatnonzero(was_ok != is_ok)),
        worst_cosine=float(cosines.min()) if both.any() else float("nan"),
        largest_difference=float(np.abs(old - new).max()) if both.any() else float("nan"),
    )
