"""Figures as files, and as SVG that becomes part of a page and takes on its colours and font."""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.figure import Figure

from mmfeat.files import replacing

# What plots are drawn in. On the page each colour becomes the CSS variable of its name, so that
# one drawing is readable on a light and on a dark ground.
INK, SOFT, LINE, ACCENT = "#1c1e21", "#5d636b", "#dcddd8", "#2456c9"
VARIABLES = {INK: "var(--ink)", SOFT: "var(--soft)", LINE: "var(--line)", ACCENT: "var(--accent)"}

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, and a screen reader can read it
    "svg.hashsalt": "mmfeat",  # the same figure gives the same bytes
    "path.simplify": True,
    "font.size": 10,
    "axes.facecolor": "none",
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.color": INK,
    "text.parse_math": False,  # a label may hold dollars
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "legend.frameon": False,
    "legend.fontsize": 10,
}
METADATA = {"Date": None, "Creator": None}
LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}")
FONT = re.compile(r"(font-family: [^;]*|font: ([\d.]+px) [^;]*)")
KEPT_IDS = ("clipPath", "path", "image")  # what others refer to


def inline(figure: Figure, *, title: str, name: str) -> str:
    """The figure as one `<svg>` element for HTML, called `title` by a screen reader.

    `name` makes the ids of its parts unique in the page.
    """
    root = ElementTree.fromstring(_svg(figure, salt=name))
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in ("metadata", "style") or (
                _local(child.tag) == "defs" and not len(child)
            ):
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.tail = None
        if element.tag != "text":
            element.text = None
        for key, value in list(element.attrib.items()):
            del element.attrib[key]
            if key != "id" or element.tag in KEPT_IDS:
                element.set(_local(key), _restyled(key, value))
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", title)
    return ElementTree.tostring(root, encoding="unicode")


def write_figure(figure: Figure, stem: Path) -> None:
    """Replace `stem`.svg and `stem`.png by the figure on a white ground."""
    with replacing(stem.with_name(f"{stem.name}.svg")) as partial:
        partial.write_bytes(_svg(figure, salt=stem.name, ground="white"))
    with replacing(stem.with_name(f"{stem.name}.png")) as partial, _quiet(), mpl.rc_context(STYLE):
        figure.savefig(partial, format="png", dpi=200, facecolor="white")


def _svg(figure: Figure, *, salt: str, ground: str = "none") -> bytes:
    out = io.BytesIO()
    with _quiet(), mpl.rc_context({**STYLE, "svg.hashsalt": salt}):
        figure.savefig(out, format="svg", metadata=METADATA, facecolor=ground)
    return out.getvalue()


def _restyled(key: str, value: str) -> str:
    if key in ("d", "points", "transform", "x", "y"):
        return LONG_NUMBER.sub(lambda found: f"{float(found[0]):.1f}", value)
    if key in ("style", "fill", "stroke"):
        for colour, variable in VARIABLES.items():
            value = value.replace(colour, variable)
        return FONT.sub(lambda found: f"font-size: {found[2]}" if found[2] else "", value)
    return value


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _quiet() -> warnings.catch_warnings[None]:
    """No warning of a glyph that the font for measuring lacks: the browser has others."""
    return warnings.catch_warnings(action="ignore")
