"""What a service takes of one request, and how much at once."""

from __future__ import annotations

from dataclasses import dataclass, fields

from mmfeat.core.checks import check_range
from mmfeat.errors import ConfigError

MOST_ROWS = 256  # of a request, whatever the limits are


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of a service; `check` refuses those that make no sense together.

    Attributes
    ----------
    max_bytes, max_pixels, max_caption, max_rows
        Of a request's body, of each picture, characters of each caption, rows of a request.
    queue
        Rows that are read, decoded or waiting at the same time; a request beyond gets 429.
    batch
        Rows that go through the encoder together.
    delay
        Milliseconds that the first row of a batch waits for others, at most.
    timeout
        Seconds in which a request is read and answered.
    """

    max_bytes: int = 16 * 2**20
    max_pixels: int = 50_000_000
    max_caption: int = 4000
    max_rows: int = 32
    queue: int = 128
    batch: int = 64
    delay: float = 5.0
    timeout: float = 30.0

    def check(self) -> None:
        """Raise `ConfigError` for a limit out of its range."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not (value > 0 or (field.name == "delay" and value == 0)):
                raise ConfigError(
                    f"{flag(field.name)} is positive", f"it is {value}", "use a larger number"
                )
        check_range("--max-rows", self.max_rows, 1, min(self.queue, MOST_ROWS))
        check_range("--delay", self.delay, 0, 1000)


def flag(name: str) -> str:
    """The flag of a limit."""
    return f"--{name.replace('_', '-')}"
