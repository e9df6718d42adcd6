"""Several encoders at once: the bytes of each alone, and every picture is decoded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmfeat.config import ExtractSettings
from mmfeat.errors import StoreError
from mmfeat.extract.encoders.base import Preprocessing
from mmfeat.extract.engines.carry_out import carry_out
from mmfeat.extract.images import decoding
from mmfeat.extract.images.read import Decoded, decode_for_all
from mmfeat.extract.run import begin_extraction
from mmfeat.store import FeatureStore
from mmfeat.tables.table import Table
from tests.support.stage_one.extraction import InterruptedEncoder, extract, repeating_table
from tests.support.stage_one.toy import SETTINGS, ToyEncoder, ToyPairs

FAST = replace(SETTINGS, decode="fast")


class Wide(ToyEncoder):
    """Wants other pixels, and only of pictures."""

    dims, batch_sizes = {"image": 6}, {"image": 3}
    preprocessing = Preprocessing(size=(4, 12), mean=(0.5,) * 3, std=(0.5,) * 3)


class Captions(ToyEncoder):
    """Takes no pictures."""

    dims, batch_sizes = {"text": 6}, {"text": 4}
    preprocessing = None  # type: ignore[assignment]


ENCODERS = {"toy": ToyEncoder, "pairs": ToyPairs, "wide": Wide, "text": Captions}


def make(
    table: Table, folder: Path, settings: ExtractSettings, **encoders: ToyEncoder
) -> dict[str, Path]:
    outs = {name: folder / f"{name}.h5" for name in encoders}
    summaries = carry_out(
        [
            begin_extraction(
                table,
                images=folder / "images",
                encoder=encoder,
                out=outs[name],
                settings=settings,
            )
            for name, encoder in encoders.items()
        ]
    )
    assert [summary.path for summary in summaries] == list(outs.values())
    return outs


def table_of(folder: Path) -> Table:
    """Rows of 7 pictures (one missing, one broken), most of them with several captions."""
    table = repeating_table(folder)
    (folder / "images" / "3.jpg").write_bytes(b"\xff\xd8\xff broken")
    return table


def count_decoded(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[Preprocessing]]:
    """Give what grows by one entry for each picture that this process decodes for several."""
    decoded: list[Sequence[Preprocessing]] = []

    def counted(content: bytes, kinds: Sequence[Preprocessing], **options: Any) -> list[Decoded]:
        decoded.append(kinds)
        return decode_for_all(content, kinds, **options)

    monkeypatch.setattr(decoding, "decode_for_all", counted)
    return decoded


@pytest.mark.parametrize("settings", [SETTINGS, FAST, replace(SETTINGS, workers=2)])
def test_stores_have_the_bytes_that_each_encoder_alone_gives(
    tmp_path: Path, settings: ExtractSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = table_of(tmp_path)
    for name, kind in ENCODERS.items():
        extract(table, tmp_path, tmp_path / f"alone-{name}.h5", encoder=kind(), settings=settings)
    decoded = count_decoded(monkeypatch)
    encoders = {name: kind() for name, kind in ENCODERS.items()} | {"twin": ToyEncoder(name="2")}
    outs = make(table, tmp_path, settings, **encoders)
    for name in ENCODERS:
        assert outs[name].read_bytes() == (tmp_path / f"alone-{name}.h5").read_bytes()
    if not settings.workers:
        # as many as the pairs alone need: 5 a shard, but for two pairs of earlier shards
        assert len(decoded) == 4 * 5 - 2 and {len(kinds) for kinds in decoded} == {3}
    with FeatureStore.open(outs["twin"]) as store:
        assert store.provenance["encoder"]["name"] == "2"
    assert not list(tmp_path.glob("*.parts"))


class Both(ToyPairs):
    """Gives vectors of pictures, and of pictures with captions."""

    dims, batch_sizes = {"image": 6, "joint": 9}, {"image": 4, "joint": 4}


def test_an_encoder_of_pictures_with_and_without_captions_decodes_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = table_of(tmp_path)
    extract(table, tmp_path, tmp_path / "pairs.h5", encoder=ToyPairs())
    decoded = count_decoded(monkeypatch)
    outs = make(table, tmp_path, SETTINGS, both=Both())
    assert len(decoded) == 4 * 5 - 2
    with FeatureStore.open(outs["both"]) as both, FeatureStore.open(tmp_path / "pairs.h5") as pairs:
        assert np.array_equal(both.embeddings("joint"), pairs.embeddings("joint"), equal_nan=True)


def test_one_that_is_interrupted_loses_no_finished_shard_of_any(tmp_path: Path) -> None:
    table = table_of(tmp_path)
    extract(table, tmp_path, tmp_path / "whole.h5", encoder=ToyEncoder())
    extract(table, tmp_path, tmp_path / "whole-pairs.h5", encoder=ToyPairs())
    with pytest.raises(KeyboardInterrupt):
        make(table, tmp_path, SETTINGS, pairs=ToyPairs(), toy=InterruptedEncoder(4))
    assert len(list((tmp_path / "pairs.h5.parts").glob("*.h5"))) == 2
    assert len(list((tmp_path / "toy.h5.parts").glob("*.h5"))) == 1
    outs = make(table, tmp_path, SETTINGS, toy=ToyEncoder(), pairs=ToyPairs())
    assert outs["toy"].read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert outs["pairs"].read_bytes() == (tmp_path / "whole-pairs.h5").read_bytes()


def test_a_store_that_is_there_leaves_the_others_alone(tmp_path: Path) -> None:
    table = table_of(tmp_path)
    extract(table, tmp_path, tmp_path / "toy.h5", encoder=ToyEncoder())
    encoder = ToyEncoder()
    make(table, tmp_path, SETTINGS, toy=encoder, wide=Wide())
    assert encoder.n_images == 0


def test_one_that_is_refused_leaves_nothing_of_the_others(tmp_path: Path) -> None:
    table = table_of(tmp_path)
    extract(table, tmp_path, tmp_path / "wide.h5", encoder=Wide())
    with pytest.raises(StoreError, match="settings"):
        make(table, tmp_path, SETTINGS, toy=ToyEncoder(), wide=Wide(name="2"))
    assert not list(tmp_path.glob("*.parts"))
