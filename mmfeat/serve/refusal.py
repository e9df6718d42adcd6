"""A request that is not answered, and with which status of HTTP."""

from __future__ import annotations

from mmfeat.errors import MmfeatError


class RequestError(MmfeatError):
    """A request is at fault, or comes at a bad moment.

    Parameters
    ----------
    status
        Of HTTP.
    headers
        That go with it, such as Retry-After.
    """

    def __init__(
        self,
        status: int,
        rule: str,
        found: str,
        remedy: str,
        *,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(rule, found, remedy)
        self.status = status
        self.headers = headers or {}


def invalid(rule: str, found: str, remedy: str) -> RequestError:
    """The error of a body that can be read and is not what it should be."""
    return RequestError(422, rule, found, remedy)


def busy(found: str) -> RequestError:
    """The error of a service that has enough to do."""
    return RequestError(
        429,
        "the queue has a limit",
        found,
        "try again in a second",
        headers={"Retry-After": "1"},
    )
