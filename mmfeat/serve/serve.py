"""The verb `serve`: a bundle or a run answers requests over HTTP until it is told to stop."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import math
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from mmfeat.core.checks import check_arguments, check_range
from mmfeat.core.files import open_file
from mmfeat.core.plugins import missing_package
from mmfeat.core.workspace import open_project
from mmfeat.errors import ConfigError
from mmfeat.runs.bundle import find_predictor
from mmfeat.runs.run import Run
from mmfeat.serve.answers.answering import load_answering
from mmfeat.serve.limits import Limits

try:
    import uvicorn
    from fastapi import FastAPI
    from uvicorn.protocols.http.h11_impl import H11Protocol

    from mmfeat.serve.app import make_app
except ModuleNotFoundError as error:
    raise missing_package("`mmfeat serve`", error, extra="serve") from error

log = logging.getLogger(__name__)

VARIABLE = "MMFEAT_TOKEN"
LONGEST_TOKEN = 4096  # bytes
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@check_arguments
def serve(
    run: Run | str | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    allow_host: Sequence[str] = (),
    token_file: Path | None = None,
    pretrained: str | None = None,
    device: str = "auto",
    objective: str | None = None,
    decode: str | None = None,
    empty: str | None = None,
    limits: Limits | None = None,
    check: bool = False,
    on_ready: Callable[[str], None] | None = None,
    workspace: Path | str | None = None,
) -> None:
    """Answer requests until SIGTERM or SIGINT; then answer what was accepted, and return.

    Parameters
    ----------
    run
        A bundle's folder or a run; None: the best of the last comparison, or the newest one.
    host, port
        Where it listens; port 0 is any free one.
    allow_host
        Names by which requests may address it, besides `host` and localhost. Without any, a
        service that others reach answers to every name.
    token_file
        Holds what requests must send as ``Authorization: Bearer TOKEN``. None: that is in the
        variable `MMFEAT_TOKEN`, or no token is needed.
    pretrained, device, objective, decode, empty
        As in `predict` and `load`.
    limits
        Of requests; see `Limits`.
    check
        Whether to stop when the model has answered one row.
    on_ready
        Is called with the service's address when it listens.

    Raises
    ------
    MmfeatError
        What loading a bundle or run raises, and `ConfigError` for limits, a token or an address
        that cannot be used.
    """
    chosen = limits or Limits()
    chosen.check()
    token = _read_token(token_file)
    settings, space = open_project(workspace)
    found = find_predictor(space, run, objective=objective)
    answering = load_answering(
        found,
        objective=objective,
        pretrained=pretrained,
        settings=settings.extract,
        device=device,
        decode=decode,
        empty=empty or settings.submit.empty,
        max_pixels=chosen.max_pixels,
    )
    if check:
        log.info("%s answers; nothing is served, because of --check", found.name)
        return
    with listen(host, port) as listening:
        address = listening.getsockname()
        is_private = ipaddress.ip_address(address[0]).is_loopback
        if token is None and not is_private:
            log.warning("everybody who reaches %s can use this service: it has no token", host)
        names = {name.lower() for name in (*LOOPBACK, host, address[0], *allow_host)}
        hosts = names if allow_host or is_private else None
        app = make_app(answering, limits=chosen, token=token, hosts=hosts)
        config = make_config(app, chosen)
        name = f"[{address[0]}]" if ":" in address[0] else address[0]
        ready = partial(on_ready, f"http://{name}:{address[1]}") if on_ready else None
        server = _Server(config, ready)
        asyncio.run(server.serve([listening]))


def make_config(app: FastAPI, limits: Limits) -> uvicorn.Config:
    """How uvicorn serves the application: without a log of its own, and without endless waits."""
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it counts characters
    return uvicorn.Config(
        app,
        http=_Connection,
        log_config=None,
        log_level=logging.CRITICAL,  # the guard logs, and nothing of a request's content
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=math.ceil(limits.timeout),
        timeout_graceful_shutdown=math.ceil(limits.timeout) + 5,
    )


class _Connection(H11Protocol):
    """A connection that ends where the next request does not come: half a head waits for ever."""

    _before: object = ()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch it."""
        super().connection_made(transport)
        self._watch()

    def _watch(self) -> None:
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self.cycle is self._before:
            self.transport.close()
        elif not self.transport.is_closing():
            self._before = self.cycle
            self.loop.call_later(self.timeout_keep_alive, self._watch)


class _Server(uvicorn.Server):
    """Ends without an error where it was told to end."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen."""
        await super().startup(sockets)
        if self._on_ready is not None:
            self._on_ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at the first signal; at the second, do not wait for what was accepted."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)
        for number in signals:
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """Listen at an address; raise `ConfigError` where it cannot be had."""
    check_range("--port", port, 0, 65535)
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(address[:2], family=family)
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            "a service needs an address of this machine that is free",
            f"{host}:{port}: {_reason(error)}",
            "choose another --host or --port",
        ) from error
    # Connections inherit it. asyncio sets it where a socket was made for TCP by name, which this
    # one was not; without it, an answer in two parts waits 40 ms for the client's acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _reason(error: OSError | UnicodeError) -> str:
    """What the system says, without what `socket.create_server` adds."""
    return str(getattr(error, "strerror", None) or error).partition(" (while")[0]


def _read_token(path: Path | None) -> str | None:
    """The token, from a file or the environment; raise `ConfigError` for an odd one."""
    token = os.environ.get(VARIABLE)
    try:
        if path is not None:
            with open_file(path) as file:
                token = file.read(LONGEST_TOKEN).decode().strip()
    except (OSError, ValueError) as error:
        raise ConfigError(
            "--token-file is a file with one token",
            f"{path}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}",
            "name another file",
        ) from error
    if token is not None and not (token.isascii() and token.isprintable() and token.strip()):
        raise ConfigError(
            "a token is printable ASCII",
            f"that of {path or VARIABLE} is empty or has other characters",
            "choose another token",
        )
    return token
