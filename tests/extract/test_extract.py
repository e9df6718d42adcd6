"""Stage one: every row is accounted for, and nothing that was done is lost."""

from __future__ import annotations

import importlib.metadata
import itertools
import multiprocessing
import os
import resource
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmfeat.config import ExtractSettings
from mmfeat.errors import ConfigError, ExtractError, MmfeatError, PluginError, StoreError
from mmfeat.extract import ExtractSummary, extract_table
from mmfeat.extract.encoders.base import Pixels
from mmfeat.extract.lock import sole_writer
from mmfeat.store import FeatureStore, Status
from mmfeat.store.layout import Block
from mmfeat.store.verify import verify_store
from mmfeat.types import FloatArray, Table
from tests.support.toy import SETTINGS, ToyEncoder, make_picture, make_table, write_table

BLOCKS = FeatureStore.blocks
FORK = multiprocessing.get_context("fork")  # the child starts at once, with everything loaded


def extract(
    table: Table,
    folder: Path,
    out: Path,
    *,
    encoder: ToyEncoder | None = None,
    settings: ExtractSettings = SETTINGS,
    retry_failed: bool = False,
) -> ExtractSummary:
    return extract_table(
        table,
        images=folder / "images",
        encoder=encoder or ToyEncoder(),
        out=out,
        settings=settings,
        retry_failed=retry_failed,
    )


def test_every_row_is_there_with_a_status_and_a_reason(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    (tmp_path / "images" / "4.jpg").unlink()
    (tmp_path / "images" / "7.jpg").write_bytes(b"not an image")
    summary = extract(table, tmp_path, tmp_path / "a.h5")
    assert summary.counts == {
        "image": {"ok": 10, "missing": 1, "corrupt": 1},
        "text": {"ok": 10, "empty": 2},
    }
    assert all(sum(counts.values()) == table.n_rows for counts in summary.counts.values())
    assert [(p.row, p.modality) for p in summary.failed] == [
        (2, "text"),
        (4, "image"),
        (7, "image"),
        (7, "text"),
    ]
    assert summary.truncated == {"text": 2} and "text: 2 rows were cut" in str(summary)
    assert verify_store(tmp_path / "a.h5") == []
    with FeatureStore.open(tmp_path / "a.h5") as store:
        assert store.ids == table.ids and store.captions == table.captions
        assert np.isnan(store.embeddings("image")[[4, 7]]).all()
        assert np.array_equal(store.truncated["text"].nonzero()[0], [4, 9])
    assert not list(tmp_path.glob("*.parts")) and not list(tmp_path.glob("*.lock"))


def test_equal_captions_and_equal_files_are_encoded_once(tmp_path: Path) -> None:
    rows = []
    for row in range(8):
        make_picture(tmp_path / "images" / f"{row}.jpg", seed=row // 4)
        rows.append((f"{row}.jpg", "1", f"caption {row // 4}"))
    encoder = ToyEncoder()
    table = write_table(tmp_path / "t.csv", rows)
    extract(
        table, tmp_path, tmp_path / "a.h5", encoder=encoder, settings=ExtractSettings(workers=0)
    )
    assert (encoder.n_images, encoder.n_captions) == (2, 2)
    with FeatureStore.open(tmp_path / "a.h5") as store:
        image = store.embeddings("image")
    assert (image[:4] == image[0]).all() and (image[4:] == image[4]).all()
    assert (image[0] != image[4]).any()


def repeating_table(folder: Path) -> Table:
    """20 rows of 5 captions (one empty, one cut) and 7 pictures (one missing)."""
    table = make_table(folder, n_rows=20)
    (folder / "images" / "6.jpg").unlink()
    return replace(table, image_paths=tuple(f"{row % 7}.jpg" for row in range(20)))


@pytest.mark.parametrize("workers", [0, 2])
def test_what_an_earlier_shard_has_is_not_encoded_again(tmp_path: Path, workers: int) -> None:
    table = repeating_table(tmp_path)
    encoder = ToyEncoder()
    options = replace(SETTINGS, shard_rows=3, workers=workers)
    summary = extract(table, tmp_path, tmp_path / "a.h5", encoder=encoder, settings=options)
    assert (encoder.n_images, encoder.n_captions) == (6, 3)
    assert summary.counts["image"] == {"ok": 18, "missing": 2}
    assert summary.counts["text"] == {"ok": 16, "empty": 4} and summary.truncated == {"text": 4}
    assert [(p.row, p.id, p.modality) for p in summary.failed] == [
        (row, f"{row}.jpg", modality)
        for row in range(20)
        for modality, failed in (("image", row % 7 == 6), ("text", row % 5 == 2))
        if failed
    ]
    assert verify_store(tmp_path / "a.h5") == []
    with FeatureStore.open(tmp_path / "a.h5") as store:
        for modality, step in (("image", 7), ("text", 5)):
            values = store.embeddings(modality)
            assert np.array_equal(values[step:], values[:-step], equal_nan=True)
            assert len(np.unique(values[~np.isnan(values).any(axis=1)], axis=0)) > 2


@pytest.mark.parametrize("n_images", range(6))
def test_with_repeats_too_interrupted_equals_uninterrupted(tmp_path: Path, n_images: int) -> None:
    table = repeating_table(tmp_path)
    options = replace(SETTINGS, shard_rows=3, batch_size=2)
    extract(table, tmp_path, tmp_path / "whole.h5", settings=options)
    with pytest.raises(KeyboardInterrupt):
        extract(
            table,
            tmp_path,
            tmp_path / "cut.h5",
            settings=options,
            encoder=InterruptedEncoder(n_images),
        )
    extract(table, tmp_path, tmp_path / "cut.h5", settings=options)
    assert (tmp_path / "cut.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_a_mended_picture_is_encoded_once_for_all_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = repeating_table(tmp_path)
    monkeypatch.setattr("mmfeat.store.reader.FeatureStore.blocks", in_blocks_of_four)
    extract(table, tmp_path, tmp_path / "a.h5")
    for mended, counts in ((False, {"ok": 18, "missing": 2}), (True, {"ok": 20})):
        if mended:
            make_picture(tmp_path / "images" / "6.jpg", seed=6)
        encoder = ToyEncoder()
        summary = extract(table, tmp_path, tmp_path / "a.h5", encoder=encoder, retry_failed=True)
        assert encoder.n_images == int(mended)
        assert summary.counts["image"] == counts
        assert verify_store(tmp_path / "a.h5") == []
    with FeatureStore.open(tmp_path / "a.h5") as store:
        assert np.array_equal(store.embeddings("image")[6], store.embeddings("image")[13])


def in_blocks_of_four(store: FeatureStore) -> Iterator[Block]:
    return BLOCKS(store, block_rows=4)


def test_worker_processes_give_the_same_bytes(tmp_path: Path) -> None:
    table = make_table(tmp_path, n_rows=40)
    (tmp_path / "images" / "9.jpg").write_bytes(b"")
    extract(table, tmp_path, tmp_path / "a.h5")
    extract(table, tmp_path, tmp_path / "b.h5", settings=replace(SETTINGS, workers=2))
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_second_time_nothing_is_done(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    assert not extract(table, tmp_path, tmp_path / "a.h5").already_complete
    encoder = ToyEncoder()
    assert extract(table, tmp_path, tmp_path / "a.h5", encoder=encoder).already_complete
    assert encoder.n_images == encoder.n_captions == 0


def test_a_table_without_captions_gives_images_only(tmp_path: Path) -> None:
    table = replace(make_table(tmp_path), captions=None)
    assert set(extract(table, tmp_path, tmp_path / "a.h5").counts) == {"image"}
    with pytest.raises(ExtractError, match="no caption column"):
        extract(
            table, tmp_path, tmp_path / "b.h5", settings=replace(SETTINGS, modalities=("text",))
        )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"encoder": ToyEncoder(name="other")}, "encoder.name"),
        ({"settings": replace(SETTINGS, shard_rows=4)}, "shard_rows"),
        ({"settings": replace(SETTINGS, dtype="float32")}, "dtype"),
        ({"settings": replace(SETTINGS, decode="fast")}, "decoder.mode"),
        ({"settings": replace(SETTINGS, batch_size=3)}, "batch.image"),
        ({"settings": replace(SETTINGS, modalities=("text",))}, "modalities"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_going_on_otherwise_is_refused_by_field(
    tmp_path: Path, change: dict[str, object], field: str, finished: bool
) -> None:
    table = begin(tmp_path, finished=finished)
    with pytest.raises(StoreError, match=f"{field} is .* there and .* now"):
        extract(table, tmp_path, tmp_path / "a.h5", **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("library", ["numpy", "h5py"])
@pytest.mark.parametrize("finished", [True, False])
def test_going_on_with_another_library_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, finished: bool
) -> None:
    table = begin(tmp_path, finished=finished)
    installed = importlib.metadata.version

    def version(name: str) -> str:
        return "0.1" if name == library else installed(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(StoreError, match=rf"libraries\.{library} is .* there and '0\.1' now"):
        extract(table, tmp_path, tmp_path / "a.h5")


def test_another_table_is_refused(tmp_path: Path) -> None:
    extract(make_table(tmp_path), tmp_path, tmp_path / "a.h5")
    with pytest.raises(StoreError, match="table_sha256"):
        extract(make_table(tmp_path, n_rows=13), tmp_path, tmp_path / "a.h5")


class InterruptedEncoder(ToyEncoder):
    """Raises Ctrl-C's exception when it is to encode the image after `n_images`."""

    def __init__(self, n_images: int) -> None:
        super().__init__()
        self._limit = n_images

    def encode_images(self, pixels: Pixels) -> FloatArray:
        if self.n_images + len(pixels) > self._limit:
            raise KeyboardInterrupt
        return super().encode_images(pixels)


def interrupt_after(table: Table, folder: Path, out: Path, *, n_images: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        extract(table, folder, out, encoder=InterruptedEncoder(n_images))


def begin(folder: Path, *, finished: bool) -> Table:
    """Make a table, and its store or the first shards of it."""
    table = make_table(folder)
    if finished:
        extract(table, folder, folder / "a.h5")
    else:
        interrupt_after(table, folder, folder / "a.h5", n_images=9)
        assert (folder / "a.h5.parts" / "00000.h5").exists()
    return table


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(n_images=st.integers(0, 19), shard_rows=st.integers(1, 9), batch_size=st.integers(1, 5))
def test_interrupted_equals_uninterrupted(
    tmp_path_factory: pytest.TempPathFactory, n_images: int, shard_rows: int, batch_size: int
) -> None:
    folder = tmp_path_factory.mktemp("interrupted")
    table = make_table(folder, n_rows=20)
    options = replace(SETTINGS, shard_rows=shard_rows, batch_size=batch_size)
    extract(table, folder, folder / "whole.h5", settings=options)
    with pytest.raises(KeyboardInterrupt):
        extract(
            table,
            folder,
            folder / "cut.h5",
            settings=options,
            encoder=InterruptedEncoder(n_images),
        )
    encoder = ToyEncoder()
    extract(table, folder, folder / "cut.h5", settings=options, encoder=encoder)
    assert (folder / "cut.h5").read_bytes() == (folder / "whole.h5").read_bytes()
    finished = max(n_images // shard_rows, 0) * shard_rows
    assert encoder.n_images <= 20 - (finished if batch_size == 1 else 0)


def run_slowly(table: Table, folder: Path, out: Path, workers: int) -> None:
    extract(
        table,
        folder,
        out,
        encoder=ToyEncoder(seconds=0.002),
        settings=replace(SETTINGS, workers=workers),
    )


def test_killed_at_30_random_moments_the_store_is_the_same(tmp_path: Path) -> None:
    table = make_table(tmp_path, n_rows=60)
    started = time.monotonic()
    run_slowly(table, tmp_path, tmp_path / "whole.h5", 0)
    seconds = time.monotonic() - started
    whole = (tmp_path / "whole.h5").read_bytes()
    rng = np.random.default_rng(0)
    kills = 0
    for trial in itertools.count():
        out = tmp_path / f"{trial}.h5"
        while True:
            child = FORK.Process(target=run_slowly, args=(table, tmp_path, out, 0))
            child.start()
            child.join(float(rng.uniform(0, 0.6 * seconds)))
            if child.is_alive():
                assert child.pid is not None
                os.kill(child.pid, signal.SIGKILL)
                kills += 1
            child.join()
            if child.exitcode == 0:
                break
        assert out.read_bytes() == whole
        run_slowly(table, tmp_path, out, 0)
        assert sorted(p.name for p in tmp_path.glob(f"*{out.name}*")) == [out.name]
        if kills >= 30:
            break


def test_decoding_processes_die_with_a_killed_extraction(tmp_path: Path) -> None:
    table = make_table(tmp_path, n_rows=60)

    def children(pid: int) -> list[int]:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in text.split()]

    child = FORK.Process(target=run_slowly, args=(table, tmp_path, tmp_path / "a.h5", 2))
    child.start()
    assert child.pid is not None
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("a.h5.parts/0*.h5")) and time.monotonic() < deadline:
        time.sleep(0.005)
    orphans = children(child.pid)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    while any(Path(f"/proc/{pid}").exists() for pid in orphans) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert orphans and not any(Path(f"/proc/{pid}").exists() for pid in orphans)


def test_a_second_extraction_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    with sole_writer(tmp_path / "a.h5"), pytest.raises(ExtractError, match=f"{os.getpid()} is"):
        extract(table, tmp_path, tmp_path / "a.h5")
    (tmp_path / "a.h5.lock").write_text("4711\n")  # of a process that is dead
    assert extract(table, tmp_path, tmp_path / "a.h5").n_rows == table.n_rows


def test_failed_images_are_tried_again_and_nothing_else(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    whole = extract(table, tmp_path, tmp_path / "whole.h5")
    assert whole.counts["image"] == {"ok": 12}
    for row in (3, 8):
        (tmp_path / "images" / f"{row}.jpg").write_bytes(b"")
    extract(table, tmp_path, tmp_path / "a.h5")
    make_picture(tmp_path / "images" / "8.jpg", seed=8)
    encoder = ToyEncoder()
    summary = extract(table, tmp_path, tmp_path / "a.h5", encoder=encoder, retry_failed=True)
    assert encoder.n_images == 1 and encoder.n_captions == 0
    assert summary.counts["image"] == {"ok": 11, "corrupt": 1}
    assert [p.row for p in summary.failed if p.modality == "image"] == [3]
    assert verify_store(tmp_path / "a.h5") == []
    with FeatureStore.open(tmp_path / "a.h5") as store:
        assert store.status("image")[3] == Status.CORRUPT
        assert np.isfinite(store.embeddings("image")[8]).all()


def test_on_bad_image_fail_stops_at_the_first(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    (tmp_path / "images" / "6.jpg").unlink()
    with pytest.raises(ExtractError, match=r"row 6 \(6\.jpg\)"):
        extract(table, tmp_path, tmp_path / "a.h5", settings=replace(SETTINGS, on_bad_image="fail"))
    assert not (tmp_path / "a.h5").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "int8"},
        {"decode": "sloppy"},
        {"on_bad_image": "ignore"},
        {"shard_rows": 0},
        {"max_pixels": 0},
        {"modalities": ("sound",)},
        {"modalities": ()},
    ],
)
def test_settings_out_of_range(tmp_path: Path, change: dict[str, object]) -> None:
    table = make_table(tmp_path)
    options = replace(SETTINGS, **change)  # type: ignore[arg-type]
    with pytest.raises((ConfigError, ExtractError)):
        extract(table, tmp_path, tmp_path / "a.h5", settings=options)


def test_a_missing_folder_and_an_unknown_engine(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    with pytest.raises(ExtractError, match="folder"):
        extract(table, tmp_path / "nowhere", tmp_path / "a.h5")
    with pytest.raises(PluginError, match="local"):
        extract(table, tmp_path, tmp_path / "a.h5", settings=replace(SETTINGS, engine="nowhere"))


def test_a_shard_that_the_disk_lost_is_made_again(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    extract(table, tmp_path, tmp_path / "whole.h5")
    interrupt_after(table, tmp_path, tmp_path / "a.h5", n_images=11)
    shard = tmp_path / "a.h5.parts" / "00000.h5"
    shard.write_bytes(shard.read_bytes()[:100])
    extract(table, tmp_path, tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_a_shard_with_a_flipped_bit_is_made_again(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    extract(table, tmp_path, tmp_path / "whole.h5")
    interrupt_after(table, tmp_path, tmp_path / "a.h5", n_images=11)
    shard = tmp_path / "a.h5.parts" / "00000.h5"
    content = bytearray(shard.read_bytes())
    with h5py.File(shard) as file:
        content[file["image/embeddings"].id.get_offset() + 3] ^= 1
    shard.write_bytes(content)
    extract(table, tmp_path, tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_a_picture_changed_under_its_name_is_noticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = make_table(tmp_path)
    interrupt_after(table, tmp_path, tmp_path / "a.h5", n_images=11)
    make_picture(tmp_path / "images" / "3.jpg", seed=99)
    extract(table, tmp_path, tmp_path / "a.h5")
    assert "3.jpg was changed: encoding its shard again" in caplog.text
    extract(table, tmp_path, tmp_path / "whole.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert "younger" not in caplog.text
    make_picture(tmp_path / "images" / "8.jpg", seed=98)
    assert extract(table, tmp_path, tmp_path / "a.h5").already_complete
    assert "a.h5: 1, e.g. that of row 8 (8.jpg)" in caplog.text


def _with_little_room(table: Table, folder: Path, room: int, said: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    try:
        extract(table, folder, folder / "a.h5", encoder=ToyEncoder())
    except MmfeatError as error:
        said.touch()
        assert "room" in str(error) or "writable" in str(error)


@pytest.mark.parametrize("room", [0, 1_000, 10_000, 17_000])
def test_a_full_disk_is_told_and_what_is_finished_is_kept(tmp_path: Path, room: int) -> None:
    table = make_table(tmp_path, n_rows=40)
    extract(table, tmp_path, tmp_path / "whole.h5")
    assert (tmp_path / "whole.h5").stat().st_size > 17_000
    said = tmp_path / "said"
    child = FORK.Process(target=_with_little_room, args=(table, tmp_path, room, said))
    child.start()
    child.join(60)
    assert child.exitcode == 0 and said.exists()
    assert not (tmp_path / "a.h5").exists()
    extract(table, tmp_path, tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def _without_rights(table: Table, folder: Path, said: Path) -> None:
    """As somebody who is not root, in a folder that may be read; root may write everywhere."""
    if os.geteuid() == 0:
        os.setresuid(65534, 65534, 65534)
    try:
        extract(table, folder, folder / "closed" / "a.h5")
    except ExtractError as error:
        os.write(os.open(said, os.O_WRONLY), str(error).encode())


def test_a_folder_that_is_not_writable() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own are for one user
        folder, said = Path(name), Path(name) / "said"
        table = make_table(folder)
        (folder / "closed").mkdir(mode=0o555)
        folder.chmod(0o755)
        said.touch()
        said.chmod(0o666)
        child = FORK.Process(target=_without_rights, args=(table, folder, said))
        child.start()
        child.join(60)
        assert child.exitcode == 0 and "writable" in said.read_text()
        assert not list((folder / "closed").iterdir())


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ExtractError, match="writable"):
        extract(table, tmp_path, tmp_path / "file" / "a.h5")


def test_progress_reaches_every_row_of_both(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    seen: dict[str, list[int]] = {"image": [], "text": []}
    extract_table(
        table,
        images=tmp_path / "images",
        encoder=ToyEncoder(),
        out=tmp_path / "a.h5",
        settings=SETTINGS,
        progress=lambda modality, done, total: seen[modality].append(done),
    )
    for done in seen.values():
        assert done == sorted(done) and done[-1] == table.n_rows
