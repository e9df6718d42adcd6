"""The site of the documentation, by Sphinx: `make site`. It needs no other address to be read."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

import mmfeat

project = "mmfeat"
author = "the developers of mmfeat"
version = release = mmfeat.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["patches"]
myst_heading_anchors = 3

default_role = "literal"  # docstrings write names in single backquotes, as Markdown does
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
napoleon_google_docstring = False

html_theme = "furo"
html_title = f"mmfeat {release}"
html_show_sourcelink = False
html_copy_source = False


def setup(app: Sphinx) -> None:
    """Lead links to RESULTS.md, which lies beside the benchmarks, to its page of the site."""
    app.connect("include-read", _lead_to_the_page)


def _lead_to_the_page(app: Sphinx, path: object, page: str, text: list[str]) -> None:
    text[0] = re.sub(r"\]\(benchmarks/RESULTS\.md", "](docs/results.md", text[0])
