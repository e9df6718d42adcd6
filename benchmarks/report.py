"""How large the page of many runs is, how long it takes to write, and how fast it opens.

python -m benchmarks.report [--runs 100] [--labels 80] [--rows 2000] [--pictures 150]
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.browser import Browser, open_browser
from benchmarks.results import machine, write_section
from mmfeat.config import DataSettings
from mmfeat.core.workspace import Workspace
from mmfeat.demo.made_up import make_run
from mmfeat.extract.importing import store_embeddings
from mmfeat.report import ReportOptions, write_report
from mmfeat.tables import read_table

N_OPENINGS = 5
TIMES = (
    "const t = performance.getEntriesByType('navigation')[0],"
    " p = performance.getEntriesByName('first-contentful-paint')[0];"
    "return [p ? p.startTime : NaN, t.loadEventEnd]"
)
LIMIT_BYTES, LIMIT_SECONDS = 15_000_000, 2.0


def main() -> None:
    """Make the runs up, write their report, open it, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--labels", type=int, default=80)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--pictures", type=int, default=150)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mmfeat-report-") as folder:
        workspace = Workspace(Path(folder) / "work")
        images = Path(folder) / "images"
        make_store(workspace, images, n_rows=options.rows)
        labels = [f"label {number}" for number in range(options.labels)]
        for number in range(options.runs):
            make_run(
                workspace,
                f"run-{number:03}",
                labels=labels,
                n_rows=options.rows,
                noise=0.8 + number / options.runs,
                settings={"number": str(number)},
            )
        started = time.perf_counter()
        wanted = ReportOptions(objective="macro-f1", images=images, max_thumbnails=options.pictures)
        write_report(workspace.report, workspace, options=wanted)
        seconds = time.perf_counter() - started
        with open_browser(Path(folder) / "profile") as browser:
            openings = [open_once(browser, workspace.report) for _ in range(N_OPENINGS)]
        write_section("report", report(options, workspace.report, seconds, openings))


def make_store(workspace: Workspace, images: Path, *, n_rows: int) -> None:
    """A store with captions, and a photograph-like picture of every row."""
    workspace.root.mkdir(parents=True)
    table = workspace.root / "train.csv"
    lines = [
        f'{row}.jpg,a,"the caption of picture {row}, ten words long or so"' for row in range(n_rows)
    ]
    table.write_text("\n".join(["ImageID,Labels,Caption", *lines]) + "\n")
    np.save(workspace.root / "image.npy", np.ones((n_rows, 4), np.float16))
    store_embeddings(
        read_table(table, data=DataSettings()),
        {"image": workspace.root / "image.npy"},
        out=workspace.store("train"),
        encoder_name="made-up",
    )
    images.mkdir()
    for row in range(n_rows):
        pixels = np.random.default_rng(row).integers(0, 255, (240, 320, 3), np.uint8)
        Image.fromarray(pixels).save(images / f"{row}.jpg", quality=90)


def open_once(browser: Browser, page: Path) -> tuple[float, float]:
    """Seconds to the first text on the screen, and until the page is loaded and its script ran."""
    browser.open(page)
    paint, loaded = browser.run(TIMES)
    return paint / 1000, loaded / 1000


def report(
    options: argparse.Namespace, page: Path, seconds: float, openings: list[tuple[float, float]]
) -> str:
    """The table as markdown."""
    text = page.read_text(encoding="utf-8")
    size = page.stat().st_size
    parts = {
        "pictures": sum(map(len, re.findall(r'src="data:[^"]*"', text))),
        "plots": sum(map(len, re.findall(r"<svg.*?</svg>", text, re.DOTALL))),
    }
    parts["the rest"] = size - sum(parts.values())
    paints, loads = (sorted(times) for times in zip(*openings, strict=True))
    return "\n".join(
        [
            "## The page of many runs",
            "",
            f"`python -m benchmarks.report`: {options.runs} made-up runs of {options.labels}"
            f" classes and {options.rows} rows, {options.pictures} pictures at most; opened"
            f" {len(openings)} times from disk in headless Chromium, median and slowest."
            f" {machine()}",
            "",
            "| | measured | limit |",
            "|---|---:|---:|",
            f"| size | {size / 1e6:.2f} MB | {LIMIT_BYTES / 1e6:.0f} MB |",
            *(f"| of it {name} | {part / 1e6:.2f} MB | |" for name, part in parts.items()),
            f"| writing it | {seconds:.0f} s | |",
            f"| first text | {statistics.median(paints):.2f} s, {paints[-1]:.2f} s | |",
            f"| loaded | {statistics.median(loads):.2f} s, {loads[-1]:.2f} s"
            f" | {LIMIT_SECONDS:.0f} s |",
        ]
    )


if __name__ == "__main__":
    main()
