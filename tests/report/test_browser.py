"""The page in real Chromium: it sorts, filters, has two themes and two widths, and runs nothing."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from benchmarks.browser import Browser
from mmfeat.config import DataSettings
from mmfeat.core.files import write_json
from mmfeat.core.workspace import Workspace
from mmfeat.demo.made_up import make_run
from mmfeat.extract.importing import store_embeddings
from mmfeat.report import ReportOptions, write_report
from mmfeat.report.plots import PLOTS
from mmfeat.tables import read_table
from tests.support.stage_one.toy import make_picture

OPTIONS = ReportOptions(objective="macro-f1", plots=2)
HOSTILE = (
    "</script><script>document.title='hacked'</script>"
    '<img src=x onerror="hacked=1">&amp;\' שלום 🙂'
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of twelve runs, with pictures and captions of one image in two."""
    root = tmp_path_factory.mktemp("report")
    workspace = Workspace(root / "work")
    for row in range(0, 90, 2):
        make_picture(root / "images" / f"{row}.jpg", seed=row)
    write_store(workspace, [f"{row}.jpg" for row in range(90)], "a small caption")
    for number in range(12):
        head = ("mlp", "gmlp", "knn")[number % 3]
        settings = {"lr": f"{number}"}
        make_run(workspace, f"{head}-{number}", head=head, noise=1 + number / 8, settings=settings)
    options = ReportOptions(objective="macro-f1", plots=2, images=root / "images")
    write_report(workspace.report, workspace, options=options)
    return workspace.report


def write_store(workspace: Workspace, ids: list[str], caption: str) -> None:
    """A store of the split `train` with these ids and one caption for all."""
    workspace.root.mkdir(parents=True)
    table = workspace.root / "train.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [("ImageID", "Labels", "Caption"), *((id_, "a", caption) for id_ in ids)]
        )
    np.save(workspace.root / "image.npy", np.ones((len(ids), 4), np.float16))
    store_embeddings(
        read_table(table, data=DataSettings()),
        {"image": workspace.root / "image.npy"},
        out=workspace.store("train"),
        encoder_name="made-up",
    )


def nested_column(browser: Browser) -> list[float]:
    texts = browser.run(
        "return [...document.querySelectorAll('#board td.range > data')].map(e => e.value)"
    )
    return [float(text) for text in texts]


def shown(browser: Browser, selector: str) -> int:
    count: int = browser.run(
        "return [...document.querySelectorAll(arguments[0])]"
        ".filter(e => e.checkVisibility()).length",
        selector,
    )
    return count


@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_it_opens_without_complaint_in_any_window(
    browser: Browser, page: Path, width: int, dark: bool
) -> None:
    browser.open(page, width=width, dark=dark)
    browser.run("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    light = browser.run(
        "const rgb = getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g);"
        "return rgb.slice(0, 3).reduce((a, b) => a + Number(b), 0) > 384"
    )
    assert light != dark
    ids = browser.run("return [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    assert browser.complaints() == []
    assert browser.requests() == [page.resolve().as_uri()]


def test_the_theme_can_be_chosen(browser: Browser, page: Path) -> None:
    browser.open(page)
    button = browser.driver.find_element(By.ID, "theme")
    grounds = []
    for pressed in ("false", "true", "false"):
        assert button.get_attribute("aria-pressed") == pressed
        grounds.append(browser.run("return getComputedStyle(document.body).backgroundColor"))
        button.click()
    assert grounds[0] == grounds[2] != grounds[1]


def test_the_plots_follow_the_theme(browser: Browser, page: Path) -> None:
    colours = []
    for dark in (False, True):
        browser.open(page, dark=dark)
        browser.run("localStorage.clear()")
        browser.open(page, dark=dark)
        browser.run("document.getElementById('entry-1').open = true")
        colours.append(
            browser.run("return getComputedStyle(document.querySelector('.plots text')).fill")
        )
    assert colours[0] != colours[1]


def test_a_click_sorts_and_so_does_the_keyboard(browser: Browser, page: Path) -> None:
    browser.open(page)
    nested = nested_column(browser)
    assert nested == sorted(nested, reverse=True)
    heading = browser.driver.find_element(By.CSS_SELECTOR, "#board th:nth-child(2)")
    heading.find_element(By.TAG_NAME, "button").click()
    assert nested_column(browser) == nested[::-1]
    assert heading.get_attribute("aria-sort") == "ascending"
    first = browser.driver.find_element(By.CSS_SELECTOR, "#board th:first-child")
    first.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    names = browser.run(
        "return [...document.querySelectorAll('#board tbody th')].map(e => e.textContent.trim())"
    )
    assert names[0].startswith("gmlp") and names[-1].startswith("mlp")
    assert first.get_attribute("aria-sort") == "ascending"
    assert heading.get_attribute("aria-sort") is None


def test_the_first_tab_leads_past_the_navigation(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    focused = browser.driver.switch_to.active_element
    assert focused.text == "Skip to the leaderboard"
    assert browser.run("return getComputedStyle(arguments[0]).outlineStyle", focused) != "none"


def test_the_leaderboard_is_filtered(browser: Browser, page: Path) -> None:
    browser.open(page)
    field = browser.driver.find_element(By.ID, "filter")
    field.send_keys("GMLP lr=1")
    assert shown(browser, "#board tbody tr") == 2  # lr=1 and lr=10
    assert browser.driver.find_element(By.ID, "filter-count").text == "2 of 12 combinations"
    field.clear()
    field.send_keys("nothing like it")
    assert shown(browser, "#board tbody tr") == 0
    field.clear()
    field.send_keys(" ")
    browser.driver.find_element(By.ID, "tied-only").click()
    tied = browser.run("return document.querySelectorAll('#board tr.tied').length")
    assert 1 <= shown(browser, "#board tbody tr") == tied < 12


def test_the_rows_are_filtered(browser: Browser, page: Path) -> None:
    browser.open(page)
    everything = shown(browser, ".card")
    assert everything > 10
    for column in range(3):
        for kind in ("false-positive", "false-negative", "doubt"):
            browser.run(
                "for (const [id, value] of [['class', arguments[0]], ['kind', arguments[1]]]) {"
                "  const select = document.getElementById(id); select.value = value;"
                "  select.dispatchEvent(new Event('input')); }",
                str(column),
                kind,
            )
            tagged = browser.run(
                f"return document.querySelectorAll('.card[data-tags~=\"{kind}:{column}\"]').length"
            )
            assert shown(browser, ".card") == tagged < everything


def test_a_link_opens_its_run(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert shown(browser, "#entry-2 svg") == 0
    browser.driver.find_element(By.CSS_SELECTOR, "#board a[href='#entry-2']").click()
    # `hashchange`, which opens it, comes after the click, and on a busy machine after the next line
    WebDriverWait(browser.driver, 20).until(lambda _: shown(browser, "#entry-2 svg") == len(PLOTS))


def test_plots_pictures_and_headings_serve_a_screen_reader(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.run(
        "return [...document.querySelectorAll('svg')].every("
        "e => e.getAttribute('role') === 'img' && e.getAttribute('aria-label').length > 20)"
    )
    pictures = browser.driver.execute_async_script(
        "const done = arguments[0], pictures = [...document.images];"
        "for (const each of pictures) each.loading = 'eager';"
        "Promise.all(pictures.map(e => e.decode())).then("
        "() => done(pictures.map(e => [e.alt, e.naturalWidth])))"
    )
    assert pictures and all(picture == ["a small caption", 192] for picture in pictures)
    levels = browser.run(
        "return [...document.querySelectorAll('h1, h2, h3, h4')].map(e => Number(e.tagName[1]))"
    )
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_without_scripts_all_is_there(browser: Browser, page: Path) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.open(page)
        rows = browser.driver.find_elements(By.CSS_SELECTOR, "#board tbody tr")
        assert len([row for row in rows if row.is_displayed()]) == 12
        assert not browser.driver.find_element(By.ID, "filter").is_displayed()
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_nothing_in_any_field_runs(browser: Browser, tmp_path: Path) -> None:
    ids = [f"{row} {HOSTILE}" for row in range(90)]
    name = HOSTILE.replace("/", "")[:80]
    workspace = Workspace(tmp_path / name / "artifacts")
    write_store(workspace, ids, HOSTILE)
    labels = [f"{number} {HOSTILE}" for number in range(3)]
    run = make_run(
        workspace, name, labels=labels, ids=ids, settings={HOSTILE: HOSTILE}, head=HOSTILE
    )
    provenance = run.provenance
    provenance["stores"][0]["encoder"][HOSTILE] = HOSTILE
    provenance["versions"][HOSTILE] = HOSTILE
    write_json(run.folder / "provenance.json", provenance)
    run.finish()
    broken = make_run(workspace, f"broken {name}", labels=labels, ids=ids)
    (broken.folder / "metrics.json").write_text("{")
    write_report(workspace.report, workspace, options=OPTIONS)
    browser.open(workspace.report)
    browser.run("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert browser.run("return window.hacked") is None
    assert browser.run("return document.title") == f"{name} · mmfeat report"
    assert browser.run("return document.scripts.length") == 1
    assert browser.run("return document.querySelectorAll('img[src=x]').length") == 0
    assert browser.complaints() == []
    assert browser.requests() == [workspace.report.resolve().as_uri()]
    for selector, text in (
        (".card .id", ids[0]),
        (".card .caption", HOSTILE),
        ("#class option", labels[0]),
        (".cells .label", labels[0]),
        (".run h4", name),
        ("#made dd", HOSTILE),
        ("#board tbody th", HOSTILE),
    ):
        texts = browser.run(
            "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector
        )
        assert any(text in found for found in texts), selector
