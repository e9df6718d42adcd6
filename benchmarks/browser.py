"""A real browser for the tests of pages: Debian's Chromium without a window.

``python -m benchmarks.browser PAGE`` takes the README's screenshots of a report.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


class Browser:
    """What the tests do with a page."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(
        self, page: Path | str, *, width: int = 1280, height: int = 900, dark: bool = False
    ) -> None:
        """Load a file or an address in a window of this size, for who prefers light or dark."""
        for command, values in (
            (
                "Emulation.setDeviceMetricsOverride",
                {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
            ),
            (
                "Emulation.setEmulatedMedia",
                {
                    "features": [
                        {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
                    ]
                },
            ),
        ):
            self.driver.execute_cdp_cmd(command, values)
        for kind in ("browser", "performance"):
            self._log(kind)  # what earlier pages left
        self.driver.get(page if isinstance(page, str) else page.resolve().as_uri())

    def run(self, script: str, *arguments: object) -> Any:
        """The value of a script of the page."""
        return self.driver.execute_script(script, *arguments)

    def save(self, path: Path) -> None:
        """Write what the window shows as a PNG of few colours."""
        pixels = io.BytesIO(self.driver.get_screenshot_as_png())
        with Image.open(pixels) as image:
            image.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)

    def complaints(self) -> list[str]:
        """What the page wrote to the console since `open`, violations of its policy included."""
        return [entry["message"] for entry in self._log("browser")]

    def requests(self) -> list[str]:
        """The addresses that the page asked for since `open`, without data URIs.

        Those of Chromium's own start page, which it may still be loading, are left out.
        """
        messages = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        return [
            url
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
            for url in [message["params"]["request"]["url"]]
            if not url.startswith(("data:", "chrome:"))
        ]

    def _log(self, kind: str) -> list[Any]:
        """Take the entries of one of Chromium's logs; they are handed out once."""
        return list(self.driver.get_log(kind))  # type: ignore[no-untyped-call]


@contextmanager
def open_browser(profile: Path) -> Iterator[Browser]:
    """Start Chromium with a profile of its own; skip the test where there is none."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium not found")
    options = Options()
    options.binary_location = chromium
    for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield Browser(started)
    finally:
        started.quit()


if __name__ == "__main__":
    docs = Path(__file__).parent.parent / "docs"
    with tempfile.TemporaryDirectory() as folder, open_browser(Path(folder)) as browser:
        browser.open(Path(sys.argv[1]), width=1280, height=1120)
        browser.save(docs / "pictures" / "report-light.png")
        browser.open(Path(sys.argv[1]), width=375, height=1120, dark=True)
        browser.run("location.hash = '#entry-2'")
        browser.run("document.querySelector('#entry-2 .plots').scrollIntoView()")
        browser.save(docs / "pictures" / "report-dark.png")
