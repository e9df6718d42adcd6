"""A real Ray of several processes gives what one process gives, whatever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from mmfeat.compare import run_cells
from mmfeat.config import ExtractSettings
from mmfeat.core.address import Address
from mmfeat.core.workspace import Workspace
from mmfeat.errors import ClusterError, ExtractError
from mmfeat.extract import ExtractSummary, extract_table, load_encoder_for
from mmfeat.extract.encoders import Encoder
from mmfeat.runs.run import Run
from mmfeat.tables.table import Table
from tests.support.cells import cells_of
from tests.support.stage_one.toy import make_table
from tests.support.workspaces import Mmfeat, import_split

if TYPE_CHECKING:
    from tests.support.s3 import S3

ray = pytest.importorskip("ray", reason="needs mmfeat[ray]")
on_ray = pytest.importorskip("mmfeat.extract.engines.ray_actors")
LOCAL = ExtractSettings(model="tiny-demo", shard_rows=5, batch_size=4, workers=1)
RAY = replace(LOCAL, engine="ray", actors=2)
SLOW = 7  # the row of a picture that takes long


@pytest.fixture(scope="module")
def cluster(s3_port: int) -> Iterator[str]:
    """A cluster of two CPUs on this machine, which looks for S3 at a port; its address."""
    assert s3_port
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(num_cpus=2, num_gpus=0, include_dashboard=False, log_to_driver=False)
        yield ray.get_runtime_context().gcs_address
        ray.shutdown()


def slow_table(folder: Path) -> Table:
    """20 rows in four shards, with a picture of 49 megapixels in the second."""
    table = make_table(folder, n_rows=20)
    Image.new("L", (7000, 7000)).save(folder / f"images/{SLOW}.jpg", format="PNG")
    return table


@pytest.fixture(scope="module")
def encoder(cluster: str) -> Encoder:
    """The bundled encoder, described by a worker."""
    assert cluster
    return load_encoder_for(RAY)


def extract(
    table: Table, out: Path, encoder: Encoder, *, settings: ExtractSettings = RAY
) -> ExtractSummary:
    return extract_table(
        table, images=out.parent / "images", encoder=encoder, out=out, settings=settings
    )


@contextmanager
def killing(shard: int, *, times: int) -> Iterator[None]:
    """Meanwhile, kill the first `times` workers that begin to make the shard."""
    stop = threading.Event()
    counters: list[Any] = []
    counting_tries = on_ray.counting_tries

    @contextmanager
    def noticed() -> Iterator[Any]:
        with counting_tries() as tries:
            counters.append(tries)
            yield tries

    def kill() -> None:
        killed = 0
        while killed < times and not stop.wait(0.002):
            begun = ray.get(counters[0].begun.remote(shard)) if counters else []
            if len(begun) > killed:
                os.kill(begun[killed][0], 9)
                killed += 1

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(on_ray, "counting_tries", noticed)
            yield
    finally:
        stop.set()
        thread.join()


def test_a_killed_worker_costs_its_shard_and_the_bytes_are_those_of_one_process(
    encoder: Encoder, tmp_path: Path
) -> None:
    table = slow_table(tmp_path)
    extract(table, tmp_path / "local.h5", load_encoder_for(LOCAL), settings=LOCAL)
    with killing(1, times=1):
        summary = extract(table, tmp_path / "ray.h5", encoder)
    assert summary.n_rows == 20
    assert (tmp_path / "ray.h5").read_bytes() == (tmp_path / "local.h5").read_bytes()
    assert not list(tmp_path.glob("*.parts"))


def test_a_shard_that_always_fails_is_told_with_its_rows_and_the_others_are_kept(
    encoder: Encoder, tmp_path: Path
) -> None:
    table = slow_table(tmp_path)
    with (
        killing(1, times=3),
        pytest.raises(ExtractError, match=r"rows 5 to 9 failed: .* 3 died"),
    ):
        extract(table, tmp_path / "a.h5", encoder)
    made = sorted(path.name for path in (tmp_path / "a.h5.parts").glob("*.h5"))
    assert made == ["00000.h5", "00002.h5", "00003.h5"]
    assert extract(table, tmp_path / "a.h5", encoder).n_rows == 20


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_driver_goes_on(
    how: signal.Signals,
    cluster: str,
    tmp_path: Path,
    mmfeat: Mmfeat,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow_table(tmp_path)
    monkeypatch.chdir(tmp_path)
    line = ["extract", "table.csv", "--images", "images", "--model", "tiny-demo", "--out", "a.h5"]
    line += ["--engine", "ray", "--ray-address", cluster, "--actors", "1", "--shard-rows", "5"]
    parts = tmp_path / "a.h5.parts"
    command = [sys.executable, "-m", "mmfeat_cli", *line]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as driver:
        while driver.poll() is None and not list(parts.glob("0*.h5")):
            time.sleep(0.01)
        driver.send_signal(how)
        told = driver.communicate()[1]
    assert driver.returncode == -how and "SIGTERM" not in told, told
    made = {path: path.stat().st_mtime_ns for path in parts.glob("0*.h5")}
    assert made and not (tmp_path / "a.h5").exists()
    done = mmfeat(*line)
    assert done.exit_code == 0, done.stderr
    assert f"resuming after {len(made)} of 4 shards" in done.stderr
    assert "20 ok" in done.stdout


def test_machines_without_a_common_folder_share_an_address(
    encoder: Encoder, tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = make_table(tmp_path, n_rows=20)
    images = s3.upload(tmp_path / "images")
    extract_table(
        table,
        images=images,
        encoder=load_encoder_for(LOCAL),
        out=tmp_path / "local.h5",
        settings=LOCAL,
    )
    fetched = []
    get = Address.get

    def noticed(self: Address, file: Path) -> bool:
        assert not file.exists()  # the actors wrote it elsewhere
        fetched.append(file.name)
        return get(self, file)

    monkeypatch.setattr(Address, "get", noticed)
    shards = replace(RAY, shards=s3.address("shards"))
    extract_table(table, images=images, encoder=encoder, out=tmp_path / "ray.h5", settings=shards)
    assert sorted(fetched) == [f"0000{number}.h5" for number in range(4)]
    assert (tmp_path / "ray.h5").read_bytes() == (tmp_path / "local.h5").read_bytes()
    assert not [name for name in s3.names() if "shards" in name]


def test_a_bad_image_ends_the_extraction_where_it_is_asked_to(
    encoder: Encoder, tmp_path: Path
) -> None:
    table = make_table(tmp_path)
    (tmp_path / "images" / "6.jpg").unlink()
    with pytest.raises(ExtractError, match=r"row 6 \(6\.jpg\)"):
        extract(
            table,
            tmp_path / "a.h5",
            encoder,
            settings=replace(RAY, actors=1, on_bad_image="fail"),
        )
    assert not (tmp_path / "a.h5").exists()


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("change", [{"actors": 9}, {"num_gpus_per_actor": 1.0}])
def test_what_the_cluster_has_not_is_told_at_once(change: dict[str, float]) -> None:
    with pytest.raises(ClusterError, match=r"it has 2 CPUs, 0 GPUs on 1 machines"):
        load_encoder_for(replace(RAY, **change))  # type: ignore[arg-type]


@pytest.mark.usefixtures("cluster")
def test_a_comparison_on_the_cluster_gives_the_same_runs(workspace: Workspace) -> None:
    cells = [*cells_of("knn", "logreg", "mlp"), replace(cells_of("knn")[0], folds=10_000)]
    other = Workspace(workspace.root.with_name("other"))
    import_split(other, "train")
    there = run_cells(workspace, cells, objective="macro-f1", engine="ray")
    here = run_cells(other, cells, objective="macro-f1")
    assert len(there.left_out) == len(here.left_out) == 1
    assert {run.name for run in there.runs} == {run.name for run in here.runs}
    for run in there.runs:
        twin = Run(other.run(run.name))
        assert run.metrics["oof"] == twin.metrics["oof"]
        assert run.decision.to_json() == twin.decision.to_json()
    written = {run.name: (run.folder / "scores.h5").stat().st_mtime_ns for run in there.runs}
    again = run_cells(workspace, cells, objective="macro-f1", engine="ray", jobs=1)
    assert len(again.runs) == 3
    assert {
        run.name: (run.folder / "scores.h5").stat().st_mtime_ns for run in again.runs
    } == written
