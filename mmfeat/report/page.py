"""Render one self-contained HTML file from the facts, with the templates beside this file.

The template engine escapes every text. In addition the page has a content security policy: only
its own script may run, and nothing may be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from mmfeat.compare.board.leaderboard import Leaderboard, name_of
from mmfeat.compare.board.stage_one import set_name
from mmfeat.core.memory import size_of
from mmfeat.extract.encoders.load import DEMO
from mmfeat.report.facts import EntryFacts, as_data
from mmfeat.report.gallery import KINDS, Gallery
from mmfeat.report.learning.section import MOST_CLASSES, MoreRows
from mmfeat.report.relatives.section import Relatives
from mmfeat.runs.config import FeatureSets

FLAG = re.compile(r"--[a-z][a-z-]*(?: \d+)?")
LONGEST_VALUE = 40  # characters of a setting beside the name of an entry


@dataclass(frozen=True, kw_only=True)
class Page:
    """Everything that the page shows.

    `overview` are the tiles at its top, number and caption; `stores` the provenances of the
    stores, `versions` those of the libraries, each distinct one once; `left_out` the runs that
    are not on the page, with the reason.
    """

    title: str
    board: Leaderboard
    entries: tuple[EntryFacts, ...]
    overview: tuple[tuple[str, str], ...]
    gallery: Gallery | None
    more_rows: MoreRows | None
    relatives: Relatives | None
    stores: tuple[dict[str, Any], ...]
    versions: tuple[dict[str, str], ...]
    left_out: tuple[str, ...]

    @property
    def has_toy(self) -> bool:
        """Whether some of the features are of the encoder of the demo."""
        return any((store.get("encoder") or {}).get("name") == DEMO for store in self.stores)


def render(page: Page) -> str:
    """The page as HTML."""
    environment = Environment(
        loader=PackageLoader("mmfeat.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    *styles, script = (
        environment.loader.get_source(environment, name)[0]  # type: ignore[union-attr]
        for name in ("colours.css", "page.css", "page.js")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    environment.filters.update(
        number=as_data,
        size=size_of,
        name=page.board.name_of,
        short_name=name_of,
        sets=partial(_sets, page.board),
        brief=_brief,
        sentence=_sentence,
    )
    return environment.get_template("page.html").render(
        page=page,
        style=Markup("\n".join(styles)),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
        scale=Scale.over(page.board),
        kinds=KINDS,
        most_classes=MOST_CLASSES,
        has_memory=any(entry.peak_memory is not None for entry in page.board.entries),
    )


def _sets(board: Leaderboard, features: FeatureSets) -> str:
    """Feature sets that are joined, with room to break the line between them."""
    return re.sub(",(?! )", ", ", set_name(features, board.stage_one))


def _brief(value: str, key: str) -> str:
    """The value of a setting, shortened: of an ensemble, how many runs it has."""
    if key == "runs":
        return f"{value.count(',') + 1} runs"
    return value if len(value) <= LONGEST_VALUE else f"{value[: LONGEST_VALUE - 1]}…"


def _sentence(text: str) -> Markup:
    """A text with a capital and a full stop, in which no line ends inside a flag."""
    told = escape(f"{text[:1].upper()}{text[1:].rstrip('.')}.")
    return Markup(FLAG.sub(r'<span class="flag">\g<0></span>', told))


@dataclass(frozen=True)
class Scale:
    """The range of the bars of the leaderboard."""

    low: float
    high: float

    @classmethod
    def over(cls, board: Leaderboard) -> Scale:
        """The range from the lowest to the highest end of all intervals."""
        ends: Sequence[float] = [end for entry in board.entries for end in entry.interval]
        return cls(min(ends, default=0.0), max(ends, default=1.0))

    def share(self, value: float) -> str:
        """The position of `value`, in per cent of the range."""
        width = self.high - self.low
        return f"{100 * (value - self.low) / width if width > 0 else 50.0:.1f}%"


def distinct(documents: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Each document once, in order."""
    found: list[dict[str, Any]] = []
    for document in documents:
        if document not in found:
            found.append(document)
    return tuple(found)
