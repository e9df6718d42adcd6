"""Does a store hold what its encoder gives? A sample of rows is encoded again and compared.

The rows are drawn at random and encoded in random order, in batches of another size than the
store's, so that a number that depends on its neighbours would differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmfeat.config import AUTO, ExtractSettings
from mmfeat.errors import ExtractError
from mmfeat.extract.encoders.base import Encoder
from mmfeat.extract.engines.local import load_here
from mmfeat.extract.engines.shard import decode_task
from mmfeat.extract.images.decoding import Decoder
from mmfeat.extract.images.sources import NAME_IT, open_images
from mmfeat.extract.plan import Plan, columns_of, inputs_of
from mmfeat.extract.rows.encode import encode_rows, image_names
from mmfeat.extract.several.parts import RowParts, join_values, separators_of
from mmfeat.store.layout import Status
from mmfeat.store.reader import FeatureStore
from mmfeat.tables.table import Table, TableFormat
from mmfeat.types import BoolArray, Embeddings, IntArray

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
        found = {}
        for name in store.modalities:
            parts = _parts(store, name, rows)
            plan = _plan(store, name, parts.texts, settings, images=images)
            found[name] = _compare(store, name, rows, *_encode(plan, encoder, parts))
        return found


def _parts(store: FeatureStore, modality: str, rows: IntArray) -> RowParts:
    """What is encoded of rows of the store."""
    made = TableFormat.from_json(store.provenance.get("table") or {})
    cells = inputs_of(modality, store.image_paths, store.captions)
    chosen = [cells[row] for row in rows.tolist()]
    return RowParts.of(chosen, separators_of(made, modality), made.pool or "mean")


def _encode(plan: Plan, encoder: Encoder, parts: RowParts) -> tuple[Embeddings, BoolArray]:
    """Give the embeddings (r, d) of rows, and which of them are ok, (r,)."""
    (modality,) = plan.modalities
    every = np.arange(plan.table.n_rows)
    names = image_names(plan, every, since=0)
    if names:
        plan.images.check(NAME_IT)
    with Decoder(decode_task(plan, encoder), workers=0) as decoder:
        decoded = decoder.decode(names)
        block = encode_rows(plan, encoder, every, since=0, decoded=decoded, advance=lambda *_: None)
    values, status = (
        join_values(name, arrays[modality][parts.places], parts.bounds, parts.how)
        for name, arrays in (("embeddings", block.embeddings), ("status", block.status))
    )
    return values, status == Status.OK


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
    store: FeatureStore,
    modality: str,
    inputs: Sequence[str],
    settings: ExtractSettings,
    *,
    images: Path | str,
) -> Plan:
    """The plan of some images or captions, as a table of its own."""
    names = tuple(map(str, range(len(inputs))))
    image_paths, captions = columns_of(inputs, modality)
    return Plan(
        table=Table(
            ids=names,
            image_paths=image_paths,
            captions=captions,
            targets=None,
            labels=(),
            source=str(store.path),
            sha256="",
        ),
        images=open_images(images),
        settings=settings,
        modalities=(modality,),
        batch_sizes={modality: BATCH},
        first={modality: np.arange(len(inputs))},
        provenance={},
    )


def _compare(
    store: FeatureStore, modality: str, rows: IntArray, embeddings: Embeddings, is_ok: BoolArray
) -> Reencoded:
    stored = np.stack([store.embeddings(modality, slice(row, row + 1))[0] for row in rows.tolist()])
    was_ok = store.status(modality)[rows] == Status.OK
    both = was_ok & is_ok
    old, new = (array[both].astype(np.float64) for array in (stored, embeddings))
    lengths = np.linalg.norm(old, axis=1) * np.linalg.norm(new, axis=1)
    cosines = (old * new).sum(axis=1) / lengths
    return Reencoded(
        n_compared=int(both.sum()),
        differing=tuple(store.ids[row] for row in rows[was_ok != is_ok].tolist()),
        worst_cosine=float(cosines.min()) if both.any() else float("nan"),
        largest_difference=float(np.abs(old - new).max()) if both.any() else float("nan"),
    )
