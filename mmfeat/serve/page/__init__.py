"""The page for people: one document with its style and script, and rows to try."""

from __future__ import annotations

from importlib import resources


def _read(name: str) -> bytes:
    return resources.files("mmfeat").joinpath(name).read_bytes()


STYLE = _read("report/templates/colours.css") + _read("serve/page/page.css")

# By address: the content and its type.
FILES = {
    "/": (_read("serve/page/page.html"), "text/html; charset=utf-8"),
    "/page.css": (STYLE, "text/css; charset=utf-8"),
    "/page.js": (_read("serve/page/page.js"), "text/javascript; charset=utf-8"),
}
