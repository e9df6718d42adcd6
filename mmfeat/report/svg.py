"""Figures as files, and as inline SVG that uses the colours and the font of the page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.figure import Figure

from mmfeat.core.files import replacing

# The colours of plots. On the page each becomes the CSS variable of its name, so a drawing is
# readable on light and on dark backgrounds.
INK, SOFT, LINE, ACCENT = "#1c1e21", "#5d636b", "#dcddd8", "#2456c9"
VARIABLES = {INK: "var(--ink)", SOFT: "var(--soft)", LINE: "var(--line)", ACCENT: "var(--accent)"}

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, and a screen reader can read it
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
NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}")
FONT = re.compile(r"font-family: [^;]*;? ?|font: ([\d.]+px) [^;]*")  # of Matplotlib 3.11, or before
REFERRED_TO = ("clipPath", "path", "image")


@contextmanager
def styled(*, salt: str = "mmfeat") -> Iterator[None]:
    """Draw in the style of the report; figures of the same `salt` have the same bytes.

    Warnings about glyphs missing in the font for measuring are silenced: browsers have others.
    """
    style = {**STYLE, "svg.hashsalt": salt}
    with warnings.catch_warnings(action="ignore"), mpl.rc_context():
        mpl.rcdefaults()  # whatever a `matplotlibrc` says
        mpl.rcParams.update(style)
        yield


def inline(figure: Figure, *, title: str, name: str) -> str:
    """The figure as one `<svg>` element for HTML, with `title` for screen readers.

    `name` makes the ids of its parts unique on the page.
    """
    root = ElementTree.fromstring(_svg(figure, salt=name))
    for defs in root.findall("{*}defs"):
        for rule in defs.findall("{*}style"):  # it would apply to the whole page
            defs.remove(rule)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.tail = None
        if element.tag != "text":
            element.text = None
        kept = [(k, v) for k, v in element.items() if k != "id" or element.tag in REFERRED_TO]
        element.attrib.clear()
        element.attrib.update({_local(key): _restyled(key, value) for key, value in kept})
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.attrib.update({"role": "img", "aria-label": title})
    return ElementTree.tostring(root, encoding="unicode")


def write_figure(figure: Figure, stem: Path) -> None:
    """Replace `stem`.svg and `stem`.png by the figure on a white background."""
    with replacing(stem.with_name(f"{stem.name}.svg")) as partial:
        partial.write_bytes(_svg(figure, salt=stem.name, ground="white"))
    with replacing(stem.with_name(f"{stem.name}.png")) as partial, styled():
        figure.savefig(partial, format="png", dpi=200, facecolor="white")


def _svg(figure: Figure, *, salt: str, ground: str = "none") -> bytes:
    out = io.BytesIO()
    with styled(salt=salt):
        figure.savefig(out, format="svg", metadata=NO_METADATA, facecolor=ground)
    return out.getvalue()


def _restyled(key: str, value: str) -> str:
    if key in ("d", "transform", "x", "y"):
        return LONG_NUMBER.sub(lambda found: f"{float(found[0]):.1f}", value)
    if key == "style":
        for colour, variable in VARIABLES.items():
            value = value.replace(colour, variable)
        return FONT.sub(lambda found: f"font-size: {found[1]}" if found[1] else "", value)
    return value


def _local(name: str) -> str:
    return name.rpartition("}")[2]
