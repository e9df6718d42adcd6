"""The page for people: one document with its style and script, and rows to try."""

from __future__ import annotations

from importlib import resources


def _read(name: str) -> bytes:
    return resources.files(__package__).joinpath(name).read_bytes()


# By address: the content and its type.
FILES = {
    "/": (_read("page.html"), "text/html; charset=utf-8"),
    "/page.css": (_read("page.css"), "text/css; charset=utf-8"),
    "/page.js": (_read("page.js"), "text/javascript; charset=utf-8"),
}
