"""Where benchmarks write their tables: one marked section per benchmark in RESULTS.md."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
PACKAGES = ("torch", "open_clip_torch", "numpy", "scikit-learn", "lightgbm")


def versions() -> str:
    """Python's and those of `PACKAGES`."""
    names = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return f"Python {platform.python_version()}, {names}"


def machine() -> str:
    """One line: processor, cores, date, and versions unless they stand at the head of the page."""
    cpu = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    found = versions()
    others = "" if RESULTS.exists() and found in RESULTS.read_text() else f", {found}"
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return f"{cpu}, {os.cpu_count()} cores{others}; {today}"


def heading(name: str) -> str:
    """The heading of a section that brings none."""
    return f"## {name.replace('-', ' ').capitalize()}"


def write_section(name: str, markdown: str) -> None:
    """Print `markdown` and put it between the markers of `name`, with a heading, atomically."""
    if not markdown.lstrip().startswith("## "):
        markdown = f"{heading(name)}\n\n{markdown.lstrip()}"
    print(markdown)
    text = RESULTS.read_text() if RESULTS.exists() else "# Benchmark results\n"
    section = f"<!-- {name} -->\n{markdown.strip()}\n<!-- /{name} -->\n"
    pattern = re.compile(rf"<!-- {re.escape(name)} -->.*?<!-- /{re.escape(name)} -->\n", re.DOTALL)
    if pattern.search(text):
        text = pattern.sub(lambda _: section, text)
    else:
        text = f"{text.rstrip()}\n\n{section}"
    partial = RESULTS.with_suffix(".tmp")
    partial.write_text(text)
    partial.replace(RESULTS)
