"""Shards kept at an address: another machine goes on, and nothing wrong is taken."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mmfeat.config import ExtractSettings
from mmfeat.errors import MmfeatError
from mmfeat.extract import help_extract
from mmfeat.store import FeatureStore
from mmfeat.tables.table import Table
from tests.support.stage_one.extraction import InterruptedEncoder, extract_from
from tests.support.stage_one.toy import SETTINGS, ToyEncoder, make_picture, make_table
from tests.support.workspaces import Mmfeat

if TYPE_CHECKING:
    from tests.support.s3 import S3


def stop_after(images: Path | str, out: Path, table: Table, settings: ExtractSettings) -> None:
    """Interrupt an extraction that has encoded the first 11 images."""
    with pytest.raises(KeyboardInterrupt):
        extract_from(table, images, out, encoder=InterruptedEncoder(11), settings=settings)


def test_another_machine_goes_on_and_leaves_nothing(tmp_path: Path, s3: S3) -> None:
    table = make_table(tmp_path, n_rows=20)
    images = s3.upload(tmp_path / "images")
    extract_from(table, images, tmp_path / "whole.h5")
    before = s3.names()
    options = replace(SETTINGS, shards=s3.address("images"))  # beside them is no harm
    one, two = tmp_path / "one/features/a.h5", tmp_path / "two/features/a.h5"
    stop_after(images, one, table, options)
    kept = [name for name in s3.names() if name not in before]
    assert [Path(name).name for name in kept] == ["00000.h5", "00001.h5", "provenance.json"]
    assert all(re.match(r"images/features-a-[0-9a-f]{12}/", name) for name in kept)
    encoder = ToyEncoder()
    extract_from(table, images, two, encoder=encoder, settings=options)
    assert encoder.n_images == 10
    assert s3.names() == before
    extract_from(table, images, one, settings=options)
    assert s3.names() == before
    whole = (tmp_path / "whole.h5").read_bytes()
    assert one.read_bytes() == whole and two.read_bytes() == whole


def test_a_damaged_shard_is_made_again_and_put_again(tmp_path: Path, s3: S3) -> None:
    table = make_table(tmp_path, n_rows=20)
    images = s3.upload(tmp_path / "images")
    extract_from(table, images, tmp_path / "whole.h5")
    options = replace(SETTINGS, shards=s3.address("shards"))
    one, two = tmp_path / "one/features/a.h5", tmp_path / "two/features/a.h5"
    stop_after(images, one, table, options)
    (name,) = [name for name in s3.names() if name.endswith("00001.h5")]
    content = s3.files.cat_file(f"{s3.bucket}/{name}")
    s3.files.pipe_file(f"{s3.bucket}/{name}", content[:100])
    stop_after(images, two, table, options)
    assert s3.files.cat_file(f"{s3.bucket}/{name}") == content
    extract_from(table, images, two, settings=options)
    assert two.read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_what_helpers_of_torchrun_make_reaches_another_machine(tmp_path: Path, s3: S3) -> None:
    table = make_table(tmp_path, n_rows=20)
    extract_from(table, tmp_path / "images", tmp_path / "whole.h5")
    options = replace(SETTINGS, engine="torchrun", shards=s3.address("shards"))
    images = s3.upload(tmp_path / "images")
    helped = tmp_path / "one/features/a.h5"
    help_extract(table, images=images, encoder=ToyEncoder(), out=helped, settings=options)
    encoder, out = ToyEncoder(), tmp_path / "two/features/a.h5"
    extract_from(table, images, out, encoder=encoder, settings=options)
    assert encoder.n_images == encoder.n_captions == 0
    assert out.read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_shards_of_another_extraction_are_not_taken(tmp_path: Path, s3: S3) -> None:
    table = make_table(tmp_path, n_rows=20)
    options = replace(SETTINGS, shards=s3.address("shards"))
    out = tmp_path / "one/features/a.h5"
    stop_after(tmp_path / "images", out, table, options)
    others: dict[Path, dict[str, object]] = {
        tmp_path / "two/features/b.h5": {},
        tmp_path / "two/blurred/a.h5": {},
        tmp_path / "two/features/a.h5": {"dtype": "float32"},
    }
    for other, change in others.items():
        encoder = ToyEncoder()
        settings = replace(options, **change)  # type: ignore[arg-type]
        extract_from(table, tmp_path / "images", other, encoder=encoder, settings=settings)
        assert encoder.n_images == 20
    assert sum(name.endswith(".h5") for name in s3.names()) == 2


def test_shards_are_as_old_as_at_their_address(tmp_path: Path, s3: S3) -> None:
    table = make_table(tmp_path, n_rows=20)
    options = replace(SETTINGS, shards=s3.address("shards"))
    stop_after(tmp_path / "images", tmp_path / "one/features/a.h5", table, options)
    make_picture(tmp_path / "images" / "3.jpg", seed=99)
    extract_from(table, tmp_path / "images", tmp_path / "two/features/a.h5", settings=options)
    extract_from(table, tmp_path / "images", tmp_path / "whole.h5")
    whole = (tmp_path / "whole.h5").read_bytes()
    assert (tmp_path / "two/features/a.h5").read_bytes() == whole


def test_where_nothing_can_be_put_is_told_before_anything_is_encoded(
    tmp_path: Path, s3: S3
) -> None:
    table, encoder = make_table(tmp_path), ToyEncoder()
    for shards, error in (
        ("s3://nowhere/shards", "s3://nowhere/shards/.* must be reachable; FileNotFoundError"),
        (str(tmp_path), "--shards takes an address"),
        (f"file://{tmp_path}", "--shards takes an address"),
        ("nope://a", "Protocol not known"),
    ):
        with pytest.raises(MmfeatError, match=error):
            extract_from(
                table,
                tmp_path / "images",
                tmp_path / "a.h5",
                encoder=encoder,
                settings=replace(SETTINGS, shards=shards),
            )
    assert encoder.n_images == encoder.n_captions == 0 and s3.names() == []


def test_a_store_is_finished_even_if_its_shards_cannot_be_removed(
    tmp_path: Path, s3: S3, caplog: pytest.LogCaptureFixture
) -> None:
    table = make_table(tmp_path)
    options = replace(SETTINGS, shards=s3.address("shards"))
    s3.stop()
    out = tmp_path / "a.h5"
    extract_from(table, tmp_path / "images", out)
    assert extract_from(table, tmp_path / "images", out, settings=options).already_complete
    assert "its shards are left there: s3://made-up/shards" in caplog.text


def test_the_command_line_takes_addresses(
    tmp_path: Path, s3: S3, mmfeat: Mmfeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_table(tmp_path)
    monkeypatch.chdir(tmp_path)
    images = s3.upload(tmp_path / "images")
    (tmp_path / "mmfeat.toml").write_text(f'[data]\nimages = "{images}"\n')
    line = ["extract", "table.csv", "--model", "tiny-demo", "--workers", "1"]
    done = mmfeat(*line, "--shards", s3.address("shards"))
    assert done.exit_code == 0, done.stderr
    assert "12 ok" in done.stdout
    done = mmfeat(*line, "--images", "images", "--out", "here.h5")
    assert done.exit_code == 0, done.stderr
    with (
        FeatureStore.open(tmp_path / "here.h5") as here,
        FeatureStore.open(tmp_path / "artifacts/features/table.h5") as there,
    ):
        assert np.array_equal(here.embeddings("image"), there.embeddings("image"))
        assert here.digest == there.digest
    failed = mmfeat(*line, "--images", "s3://nowhere/images", "--out", "b.h5")
    assert failed.exit_code == 1
    assert failed.stderr.strip().splitlines()[-1].startswith("error: the images must be in")
