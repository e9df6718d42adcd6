"""The page in real Chromium: upload, result, each error, two widths, two themes, the keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from benchmarks.browser import Browser
from mmfeat.serve.answers.answering import Answering
from mmfeat.serve.limits import Limits
from tests.support.serving import POISON, make_answering, picture, serving

LIMITS = Limits(max_bytes=50_000, max_caption=60, queue=2, max_rows=2)


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Answering:
    return make_answering(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def address(answering: Answering) -> Iterator[str]:
    with serving(answering, LIMITS) as found:
        yield f"{found}/"


def find(browser: Browser, id_: str) -> WebElement:
    return browser.driver.find_element(By.ID, id_)


def wait_for(browser: Browser, script: str) -> Any:
    return WebDriverWait(browser.driver, 10, 0.05).until(lambda _: browser.run(f"return {script}"))


def opened(browser: Browser, address: str, **how: Any) -> None:
    browser.open(address, **how)
    wait_for(browser, "document.querySelector('.example') !== null")


def error(browser: Browser) -> str:
    """What the page says went wrong, which is all that it then shows."""
    wait_for(browser, "!document.getElementById('error').hidden")
    assert not find(browser, "answer").is_displayed()
    text = find(browser, "error").text
    assert text.endswith(".")
    return text


def shown(browser: Browser) -> list[str]:
    """The labels that the page gives."""
    wait_for(browser, "!document.getElementById('answer').hidden")
    assert not find(browser, "error").is_displayed()
    return [e.text for e in browser.driver.find_elements(By.CSS_SELECTOR, "#labels .label")]


@pytest.mark.parametrize(("width", "dark"), [(390, False), (390, True), (1280, False)])
def test_an_upload_is_answered(
    browser: Browser, address: str, tmp_path: Path, width: int, dark: bool
) -> None:
    opened(browser, address, width=width, dark=dark)
    (tmp_path / "a.png").write_bytes(picture(200, 30, 90))
    find(browser, "image").send_keys(str(tmp_path / "a.png"))
    find(browser, "caption").send_keys("a red bus")
    find(browser, "send").click()
    assert sorted(shown(browser)) == ["l0", "l1", "l2"]
    told = find(browser, "labels").text
    assert "threshold 50.0 %" in told and "image alone" in told and "caption alone" in told
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.run("return document.querySelectorAll('#labels circle').length") == 6
    dim = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g)[0] < 128"
    assert browser.run(f"return {dim}") == dark
    assert browser.complaints() == []
    outside = [url for url in browser.requests() if not url.startswith((address, "blob:"))]
    assert outside == []


def test_it_works_by_keyboard(browser: Browser, address: str) -> None:
    opened(browser, address)
    names = []
    for _ in range(3):
        ActionChains(browser.driver).send_keys(Keys.TAB).perform()
        names.append(browser.driver.switch_to.active_element.get_attribute("id"))
    assert names == ["image", "caption", "send"]
    find(browser, "caption").send_keys("a bus", Keys.CONTROL, Keys.ENTER)
    assert shown(browser)
    find(browser, "caption").clear()
    browser.driver.find_elements(By.CSS_SELECTOR, ".example")[0].send_keys(Keys.ENTER)
    wait_for(browser, "document.getElementById('caption').value !== ''")
    assert shown(browser) and find(browser, "preview").is_displayed()
    find(browser, "remove").send_keys(Keys.ENTER)
    assert not find(browser, "preview").is_displayed()


def test_a_dropped_picture_is_answered(browser: Browser, address: str) -> None:
    opened(browser, address)
    browser.run(
        "const data = new DataTransfer(); const done = arguments[0];"
        "data.items.add(new File([Uint8Array.from(done)], 'a.png', {type: 'image/png'}));"
        "document.getElementById('drop').dispatchEvent("
        "new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));",
        list(picture(1, 2, 3)),
    )
    assert shown(browser)


def test_each_error_is_told(browser: Browser, address: str, tmp_path: Path) -> None:
    opened(browser, address, width=390)
    find(browser, "send").click()
    assert "Give a picture or a caption first" in error(browser)
    find(browser, "caption").send_keys("a" * 61)
    find(browser, "send").click()
    assert "Up to 60 are taken" in error(browser)
    find(browser, "caption").clear()
    for name, content, told in (
        ("large.png", bytes(60_000), "MB are taken"),
        ("text.png", b"no picture", "An image must be readable"),
        ("huge.png", picture(1, 2, 3, size=(2000, 1000)), "pixels"),
    ):
        (tmp_path / name).write_bytes(content)
        find(browser, "image").send_keys(str(tmp_path / name))
        find(browser, "send").click()
        wait_for(browser, f"document.getElementById('error').textContent.includes('{told}')")
        assert browser.run("return document.documentElement.scrollWidth") <= 390
    find(browser, "remove").click()
    browser.run(f"document.getElementById('caption').value = '{POISON}'")
    find(browser, "send").click()
    wait_for(browser, "document.getElementById('error').textContent.includes('service failed')")
    find(browser, "caption").clear()
    find(browser, "caption").send_keys("a bus")
    find(browser, "send").click()
    assert shown(browser)


def test_a_full_queue_and_a_stopped_service_are_told(
    browser: Browser, answering: Answering
) -> None:
    with serving(answering, replace(LIMITS, queue=0)) as found:
        opened(browser, f"{found}/")
        find(browser, "caption").send_keys("a bus")
        find(browser, "send").click()
        assert "Try again in a second" in error(browser)
    find(browser, "send").click()
    wait_for(browser, "document.getElementById('error').textContent.includes('did not answer')")


def test_a_token_is_asked_for(browser: Browser, answering: Answering) -> None:
    with serving(answering, LIMITS, token="secret") as found:
        browser.open(f"{found}/")
        assert "This service needs its token" in error(browser)
        find(browser, "token").send_keys("secret", Keys.TAB)
        wait_for(browser, "document.querySelector('.example') !== null")
        find(browser, "caption").send_keys("a bus")
        find(browser, "send").click()
        assert shown(browser)


def test_a_model_of_embeddings_says_so(browser: Browser, tmp_path: Path) -> None:
    answering = make_answering(tmp_path, embedded=True)
    with serving(answering, LIMITS) as found:
        browser.open(f"{found}/")
        wait_for(browser, "model !== null")
        assert "takes embeddings" in find(browser, "empty").text
        assert not find(browser, "error").is_displayed()
        assert not find(browser, "form").is_displayed()
