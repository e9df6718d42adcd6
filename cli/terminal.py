"""What reaches a terminal: texts of tables and files are shown, and never obeyed."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

# Control characters but for tab and end of line, and marks that reverse the order of a text.
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

NO_BREAK = "\N{NO-BREAK SPACE}"


def visible(text: str) -> str:
    r"""Show control characters as escapes, e.g. ``\x1b``."""
    return CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def has_width(stream: TextIO) -> bool:
    """Whether a stream has a width to keep to: that of a terminal, or `COLUMNS`."""
    return stream.isatty() or "COLUMNS" in os.environ


def fitting(sentence: str) -> str:
    """A sentence in lines as wide as the terminal; 80 columns where there is none."""
    indent = " " * (len(sentence) - len(sentence.lstrip(" ")) + 2)
    width = shutil.get_terminal_size().columns
    lines = textwrap.wrap(
        sentence.replace(" %", f"{NO_BREAK}%"),
        width,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines).replace(f"{NO_BREAK}%", " %")


class VisibleStream:
    """A text stream in which control characters are shown."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text."""
        return self._stream.write(visible(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def visible_output() -> Iterator[None]:
    """Show control characters of what is printed on standard output."""
    before = sys.stdout
    sys.stdout = VisibleStream(before)
    try:
        yield
    finally:
        sys.stdout = before


def never_fail_to_encode() -> None:
    """Write characters that the terminal's encoding lacks as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


INTERRUPTED = "interrupted; run the same command again to continue"
