"""What every request passes around the application: host, token, bytes, time, headers, a log.

The body is counted while it streams in, so a length that is missing or wrong changes nothing. No
log line has more of a request than its route.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
import traceback
from collections.abc import Set
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmfeat.serve.limits import Limits
from mmfeat.serve.metrics import Metrics
from mmfeat.serve.refusal import RequestError

log = logging.getLogger(__name__)

OPEN = ("/", "/page.css", "/page.js", "/healthz", "/openapi.json")  # without a token
LINGER_SECONDS = 1.0  # a client that is still sending may read why it was refused
CLOSED = 499  # as nginx logs a client that has gone
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
        " img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """ASGI middleware around the whole application.

    `hosts` are the names that requests may have as their host; None: any.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: Limits,
        token: str | None,
        hosts: Set[str] | None,
        metrics: Metrics,
    ) -> None:
        self.app, self.limits, self.hosts, self.metrics = app, limits, hosts, metrics
        self.token = None if token is None else _digest(f"Bearer {token}".encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        exchange = _Exchange(scope, receive, send, max_bytes=self.limits.max_bytes)
        try:
            self._check_host(scope)
            self._check_token(scope)
            exchange.check_length()
            async with asyncio.timeout(self.limits.timeout):
                await self.app(scope, exchange.receive, exchange.send)
        except RequestError as error:
            await exchange.refuse(error)
        except TimeoutError:
            await exchange.refuse(self._too_late(exchange))
        except ClientDisconnect:
            exchange.status = CLOSED
        except Exception as error:  # whatever a request does, the service stays and says so
            log.error("a request failed: %s", _where(error))
            told = ("a request is answered", "the service failed", "its log says where")
            await exchange.refuse(RequestError(500, *told))
        seconds = time.perf_counter() - started
        path = scope["path"]
        route = path if path in {route.path for route in scope["app"].routes} else "other"
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST") else "OTHER"
        self.metrics.requests.labels(route, str(exchange.status)).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        log.info("%s %s %d %.0f ms", method, route, exchange.status, 1000 * seconds)

    def _check_host(self, scope: Scope) -> None:
        """Refuse names that a page elsewhere may have pointed here, to read what is answered."""
        if self.hosts is None:
            return
        given = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        try:
            host = urlsplit(f"//{given}").hostname
        except ValueError:
            host = None
        if host not in self.hosts:
            raise RequestError(
                421,
                "a request names a host of this service",
                "this one names another",
                "allow it with --allow-host",
            )

    def _check_token(self, scope: Scope) -> None:
        if self.token is None or scope["path"] in OPEN or scope["path"].startswith("/examples/"):
            return
        given = dict(scope["headers"]).get(b"authorization", b"")
        if not hmac.compare_digest(_digest(given), self.token):
            raise RequestError(
                401,
                "this service needs its token",
                "none was given, or another one",
                "send the header `Authorization: Bearer TOKEN`",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _too_late(self, exchange: _Exchange) -> RequestError:
        rule = f"a request is answered within {self.limits.timeout:g} s"
        if not exchange.is_read:
            return RequestError(408, rule, "its body did not come in time", "send it faster")
        headers = {"Retry-After": "1"}
        return RequestError(503, rule, "it was not", "send less at once", headers=headers)


class _Exchange:
    """One request and its response, watched."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, max_bytes: int) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._max_bytes, self._n_bytes = max_bytes, 0
        self._headers = dict(scope["headers"])
        self.status = 0
        self.is_read = not {b"content-length", b"transfer-encoding"} & set(self._headers)

    def check_length(self) -> None:
        """Refuse a body that says it is too large."""
        length = self._headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > self._max_bytes:
            raise self._too_large()

    async def receive(self) -> Message:
        """The next part of the body; raise `RequestError` where it grows too large."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._n_bytes += len(message.get("body", b""))
            self.is_read = not message.get("more_body", False)
            if self._n_bytes > self._max_bytes:
                raise self._too_large()
        return message

    async def send(self, message: Message) -> None:
        """Pass a part of the response on; an answer to a half-read body ends the connection."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = HEADERS if self.is_read else {**HEADERS, "Connection": "close"}
            added = [(k.lower().encode(), v.encode()) for k, v in headers.items()]
            message = {**message, "headers": [*message["headers"], *added]}
        elif not self.is_read and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._read_on()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def refuse(self, error: RequestError) -> None:
        """Answer with an error, unless an answer has begun."""
        if not self.status:
            response = JSONResponse({"error": str(error)}, error.status, headers=error.headers)
            await response(self._scope, self._receive, self.send)

    async def _read_on(self) -> None:
        """Read a little more of what nobody wants: a connection cut off would hide the answer."""
        end = 2 * self._max_bytes + 2**16
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while self._n_bytes < end:
                    message = await self._receive()
                    self._n_bytes += len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return
        except TimeoutError:
            return

    def _too_large(self) -> RequestError:
        return RequestError(
            413,
            f"a request has at most {self._max_bytes:,} bytes",
            "this one has more",
            "send fewer or smaller pictures",
        )


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()


def _where(error: Exception) -> str:
    """The kind of an error and its place in the code; its text may quote the request."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {last.filename.rpartition('/')[2]}:{last.lineno}"
