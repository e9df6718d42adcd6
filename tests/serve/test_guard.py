"""Bodies that do not end, come too slowly or are cut off: the service refuses them and goes on."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from mmfeat.serve.limits import Limits
from tests.support.serving import make_answering, serving

MOST = 100_000
FORM = "Content-Type: multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    answering = make_answering(tmp_path_factory.mktemp("served"))
    with serving(answering, Limits(max_bytes=MOST, timeout=0.6)) as found:
        yield found


@contextmanager
def sending(address: str, *headers: str, path: str = "/predict") -> Iterator[socket.socket]:
    """A connection on which the head of a POST was sent."""
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = [f"POST {path} HTTP/1.1", "Host: a", *headers, "", ""]
        connection.sendall("\r\n".join(head).encode())
        yield connection


def answer(connection: socket.socket) -> str:
    """All that comes until the service ends the connection."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts).decode()


def pour(connection: socket.socket, *, total: int, chunked: bool) -> int:
    """Send up to `total` bytes until the connection is cut; return how many went out."""
    block = bytes(65536)
    framed = b"10000\r\n" + block + b"\r\n" if chunked else block
    sent = 0
    try:
        while sent < total:
            connection.sendall(framed)
            sent += len(block)
    except OSError:
        return sent
    return sent


@pytest.mark.parametrize("path", ["/predict", "/nothing"])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_gigabyte_is_cut_off_early(address: str, chunked: bool, path: str) -> None:
    length = "Transfer-Encoding: chunked" if chunked else "Content-Length: 1000000000"
    with sending(address, FORM, length, path=path) as connection:
        sent = pour(connection, total=10**9, chunked=chunked)
    assert sent < 20_000_000  # most of it in the buffers of the sockets


@pytest.mark.parametrize("length", ["Transfer-Encoding: chunked", "Content-Length: 130000"])
def test_who_sends_a_little_too_much_can_read_why(address: str, length: str) -> None:
    with sending(address, FORM, length) as connection:
        block = bytes(65000)
        framed = b"%x\r\n" % len(block) + block + b"\r\n" if "chunked" in length else block
        connection.sendall(2 * framed + (b"0\r\n\r\n" if "chunked" in length else b""))
        told = answer(connection)
    assert told.startswith("HTTP/1.1 413") and "at most 100,000 bytes" in told
    assert "connection: close" in told.lower()
    assert 'route="/predict",status="413"' in httpx.get(f"{address}/metrics").text


def test_a_body_that_does_not_come_is_given_up(address: str) -> None:
    with sending(address, FORM, "Content-Length: 5000") as connection:
        connection.sendall(PART)
        started = time.monotonic()
        told = answer(connection)
    assert told.startswith("HTTP/1.1 408") and time.monotonic() - started < 5


@pytest.mark.parametrize("head", [b"", b"POST /pre", b"POST /predict HTTP/1.1\r\nHost: a\r\n"])
def test_a_head_that_does_not_come_ends_the_connection(address: str, head: bytes) -> None:
    with sending(address) as connection:  # a whole request, and then half of one
        connection.sendall(head)
        told = answer(connection)
    assert told.startswith("HTTP/1.1 415") and told.count("HTTP/1.1") == 1


@pytest.mark.parametrize("sent", [b"", PART, PART + b"half"])
def test_half_a_request_leaves_nothing_behind(
    address: str, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), sending(address, FORM, "Content-Length: 5000") as half:
        half.sendall(sent)
    with httpx.Client(base_url=address) as client:
        for _ in range(100):
            metrics = client.get("/metrics").text
            if "mmfeat_queue_rows 0.0" in metrics and 'status="499"' in metrics:
                break
            time.sleep(0.02)
    assert "mmfeat_queue_rows 0.0" in metrics and 'status="499"' in metrics
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize(
    "head",
    [
        b"nonsense\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nContent-Length: -1\r\nHost: a\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\nHost: a\r\n\r\n",
    ],
)
def test_nonsense_is_answered_with_400(address: str, head: bytes) -> None:
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head)
        assert answer(connection).startswith("HTTP/1.1 400")
