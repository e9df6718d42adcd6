"""extract, import, inspect and verify as a user meets them."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mmfeat_cli.extract.progress import Lines, Pace, show_progress
from tests.support.stage_one.toy import make_picture, make_table
from tests.support.workspaces import Mmfeat

TINY = ("--model", "tiny-demo", "--pretrained", "random", "--images", "images", "--workers", "0")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_table(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MMFEAT_WORKSPACE", raising=False)
    return tmp_path


def test_extract_inspect_verify_and_retry(mmfeat: Mmfeat, folder: Path) -> None:
    Path("images/3.jpg").unlink()
    result = mmfeat("extract", "table.csv", *TINY)
    assert result.exit_code == 0, result.stderr
    assert "11 ok, 1 missing" in result.stdout and "row 3 (3.jpg)" in result.stdout
    assert "for demonstrations" in result.stderr and "random" in result.stderr
    assert result.stderr.rstrip().endswith("next: mmfeat compare")
    bare = mmfeat("extract", "table.csv", *TINY, "--split", "bare", "--label-col", "")
    assert "next: mmfeat predict; a comparison needs labels" in bare.stderr
    store = "artifacts/features/table.h5"
    document = json.loads(mmfeat("inspect", store, "--json").stdout)
    assert document["status"]["image"] == {"ok": 11, "missing": 1}
    assert document["provenance"]["encoder"]["name"] == "tiny-demo"
    shown = mmfeat("inspect", "table").stdout
    assert "cosine of image and text of one row" in shown and "there is no such file" in shown
    assert mmfeat("verify", "table").exit_code == 0
    misspelt = mmfeat("inspect", "tabel")
    assert misspelt.exit_code == 1 and "did you mean 'table'" in misspelt.stderr
    make_picture(Path("images/3.jpg"), seed=3)
    result = mmfeat("extract", "table.csv", *TINY, "--retry-failed")
    assert result.exit_code == 0 and "12 ok" in result.stdout
    assert "already complete" in mmfeat("extract", "table.csv", *TINY).stdout
    assert mmfeat("verify", store, "--json").exit_code == 0
    with Path(store).open("r+b") as file:
        file.seek(-200, os.SEEK_END)
        file.write(b"\1" * 150)
    result = mmfeat("verify", store)
    assert result.exit_code == 1 and "NOT whole" in result.stdout
    assert "has 1 fault: " in result.stderr and result.stderr.count("make it again") == 1


def test_several_encoders_side_by_side_and_refusals(mmfeat: Mmfeat, folder: Path) -> None:
    np.save("text.npy", np.ones((12, 4), np.float16))
    imported = ("import", "table.csv", "--text", "text.npy", "--encoder-name", "mini")
    assert mmfeat(*imported, "--features", "mini", "--split", "train").exit_code == 0
    assert Path("artifacts/features/mini/train.h5").exists()
    assert mmfeat("extract", "table.csv", *TINY, "--split", "train").exit_code == 0
    result = mmfeat("extract", "table.csv", *TINY, "--split", "train", "--precision", "fp32")
    again = mmfeat("extract", "table.csv", *TINY, "--split", "train", "--decode", "fast")
    assert again.exit_code == 1 and "decoder.mode is 'exact'" in again.stderr
    assert result.exit_code == 0 or "encoder.precision" in result.stderr


def test_labels_of_the_test_split_are_noted(mmfeat: Mmfeat, folder: Path) -> None:
    result = mmfeat("extract", "table.csv", *TINY, "--split", "test")
    assert result.exit_code == 0 and "predict and submit ignore them" in result.stderr


def test_one_out_for_two_tables_is_refused(mmfeat: Mmfeat, folder: Path) -> None:
    Path("mmfeat.toml").write_text('[splits]\na = "table.csv"\nb = "table.csv"\n')
    result = mmfeat("extract", *TINY, "--out", "x.h5")
    assert result.exit_code == 1 and "one table for --out" in result.stderr


def test_ctrl_c_stops_and_says_how_to_go_on(folder: Path) -> None:
    for row in range(12, 60):
        make_picture(folder / "images" / f"{row}.jpg", seed=row, size=(900, 900))
    rows = "".join(f"{row}.jpg,1,caption {row}\n" for row in range(60))
    Path("long.csv").write_text("ImageID,Labels,Caption\n" + rows)
    command = [sys.executable, "-m", "mmfeat_cli", "extract", "long.csv", *TINY]
    command += ["--shard-rows", "2", "--batch-size", "1", "--workers", "1"]
    child = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a job may ignore it
    )
    parts = Path("artifacts/features/long.h5.parts")
    deadline = time.monotonic() + 120
    while not list(parts.glob("0*.h5")) and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=60)
    assert child.returncode == 130, told
    assert "run the same command again to continue" in told and "Traceback" not in told
    assert "`mmfeat clean --unfinished` removes it" in told
    kept = len(list(parts.glob("0*.h5")))
    assert kept >= 1
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"resuming after {kept} of 30 shards" in result.stderr


def test_progress_in_a_terminal_is_a_bar_per_modality(folder: Path) -> None:
    terminal, side = pty.openpty()
    termios.tcsetwinsize(side, (24, 100))
    command = [sys.executable, "-m", "mmfeat_cli", "extract", "table.csv", *TINY]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=side, cwd=folder)
    os.close(side)
    drawn = b""
    while True:
        try:
            drawn += os.read(terminal, 4096)
        except OSError:  # the other side is closed
            break
    os.close(terminal)
    assert child.wait(60) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode())
    for noun in ("images", "captions"):
        assert re.search(rf"{noun} +━+ +12/12 [1-9][\d,]*/s\s", text), text


BY_ROWS = [(3, "image", 30), (7, "image", 100), (0.3, "text", 30), (0.7, "text", 100)]
BY_SHARDS = [(11, "image", 100), (0, "text", 100)]


@pytest.mark.parametrize(("shard", "first"), [(BY_ROWS, (37, 4)), (BY_SHARDS, (33, 33))])
def test_the_time_left_falls_steadily(
    shard: list[tuple[float, str, int]], first: tuple[int, int]
) -> None:
    seconds = [0.0]
    pace = Pace(clock=lambda: seconds[0])
    left: dict[str, list[int]] = {"image": [], "text": []}
    for modality in left:
        assert pace(modality, 0, 400) == "0/s"
    for number in range(4):
        for took, modality, done in shard:
            seconds[0] += took
            if found := re.search(r"(\d+) s left", pace(modality, 100 * number + done, 400)):
                left[modality].append(int(found[1]))
    assert tuple(found[0] for found in left.values()) == first
    assert all(found == sorted(found, reverse=True) for found in left.values())


def test_progress_without_a_terminal_is_a_line_now_and_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seconds = [0.0]
    lines = Lines(clock=lambda: seconds[0])
    with caplog.at_level("INFO", logger="mmfeat"):
        for now, done in (
            (7.0, 100),  # loading the model before is no part of the rate
            (8.0, 200),
            (27.0, 2000),
            (28.0, 2100),
            (47.0, 4000),
            (48.0, 4000),  # the last shard may report nothing new
        ):
            seconds[0] = now
            lines("text", done, 4000)
    assert [record.message for record in caplog.records] == [
        "2,000 of 4,000 captions, 95/s, 21 s left",
        "4,000 of 4,000 captions, 98/s",
    ]
    with show_progress(quiet=True) as progress:
        assert progress is None
    with show_progress(quiet=False) as progress:
        assert isinstance(progress, Lines)
