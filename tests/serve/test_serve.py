"""`mmfeat serve` as a user starts it: what it refuses to start with, and how it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from mmfeat.core.workspace import Workspace
from mmfeat.serve.serve import VARIABLE, listen
from tests.support.workspaces import Mmfeat, error_line

SCRIPT = Path(sys.executable).with_name("mmfeat")


@pytest.fixture
def run(workspace: Workspace, mmfeat: Mmfeat) -> tuple[str, ...]:
    """The arguments that serve a run."""
    options = ("--head", "logreg", "--fusion", "concat", "--folds", 3, "--name", "one")
    assert mmfeat("fit", *options, "-w", workspace.root).exit_code == 0
    return ("serve", "one", "-w", str(workspace.root))


def test_what_cannot_work_ends_in_one_line(
    run: tuple[str, ...], mmfeat: Mmfeat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mmfeat(*run, "--check").exit_code == 0
    (tmp_path / "empty").write_text("\n")
    for wrong, told in (
        (("--port", 70_000), "--port lies between"),
        (("--host", "192.0.2.1"), "an address of this machine"),
        (("--queue", 0), "--queue is positive"),
        (("--max-rows", 1000), "--max-rows lies between"),
        (("--token-file", tmp_path), "regular file"),
        (("--token-file", tmp_path / "empty"), "printable ASCII"),
        (("--decode", "argmax"), "--decode"),
    ):
        assert told in error_line(mmfeat, *run, *wrong)
    monkeypatch.setenv(VARIABLE, "é")
    assert VARIABLE in error_line(mmfeat, *run)


def test_an_answer_in_two_parts_does_not_wait_for_an_acknowledgement() -> None:
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_it_answers_to_its_names_until_it_is_told_to_end(run: tuple[str, ...]) -> None:
    command = [str(SCRIPT), *run, "--port", "0", "--allow-host", "Mine.example"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        row = {"embeddings": {"image": [0.5] * 8, "text": [0.1] * 8}}
        answer = httpx.post(f"{address}/predict", json={"rows": [row]})
        assert answer.status_code == 200, answer.text
        for host, status in (
            ("LOCALHOST:1", 200),
            ("[::1]:1", 200),
            ("mine.example", 200),
            ("other.example", 421),
            ("localhost.example", 421),
            ("[", 421),
            ("", 421),
        ):
            found = httpx.get(f"{address}/healthz", headers={"Host": host})
            assert found.status_code == status, (host, found.text)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert "POST /predict 200" in errors and "Traceback" not in errors
