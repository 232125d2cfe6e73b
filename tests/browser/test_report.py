"""The report in a real browser, from disk: readable, offline, usable by keyboard and on a phone."""

import json
import zipfile
from pathlib import Path
from urllib.parse import unquote

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.slow


def requested(browser):
    """Return the addresses that the page asked for since the last call."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


def test_pages_open_from_disk_without_the_network_or_errors(browser, folder):
    for page in sorted(folder.rglob("*.html")):
        browser.get(page.as_uri())
        assert all(url.startswith(("file:", "data:")) for url in requested(browser)), page.name
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_session_is_one_click_away_and_leads_back(index):
    index.find_element(By.LINK_TEXT, "mouse-1").click()
    assert index.find_element(By.TAG_NAME, "h1").text == "mouse-1"
    index.find_element(By.CSS_SELECTOR, "a[rel=next]").click()
    assert index.find_element(By.TAG_NAME, "h1").text == "mouse-2"
    index.find_element(By.LINK_TEXT, "synthetic").click()
    assert index.find_element(By.TAG_NAME, "h1").text == "synthetic"


def test_every_figure_is_drawn_inside_the_page(index, small):
    index.find_element(By.LINK_TEXT, "mouse-1").click()
    drawings = index.find_elements(By.CSS_SELECTOR, "#figures figure svg")
    assert len(drawings) == len(small.figures["mouse-1"])
    width = index.execute_script("return document.documentElement.clientWidth")
    for drawing in drawings:
        box = drawing.rect
        assert box["width"] > 200 and box["height"] > 80 and box["x"] + box["width"] <= width
        assert drawing.get_attribute("aria-label")


def test_figures_do_not_share_clip_paths(index):
    """A clip path of another figure would cut a drawing: every reference resolves inside its own svg."""
    index.find_element(By.LINK_TEXT, "mouse-1").click()
    lost = index.execute_script(
        "return [...document.querySelectorAll('svg [clip-path]')].filter(e => {"
        " const id = e.getAttribute('clip-path').slice(5, -1);"
        " return e.closest('figure').querySelector('#' + CSS.escape(id)) === null }).length"
    )
    assert lost == 0


@pytest.mark.parametrize("page", ["index.html", "sessions/mouse-1.html", "sessions/mouse-3.html"])
def test_a_phone_scrolls_tables_and_figures_not_the_page(browser, folder, page):
    browser.set_window_size(500, 900)
    browser.get((folder / page).as_uri())
    inner, whole = browser.execute_script(
        "return [document.documentElement.clientWidth, document.documentElement.scrollWidth]"
    )
    assert whole <= inner
    size = browser.execute_script("return parseFloat(getComputedStyle(document.body).fontSize)")
    assert size >= 16


def test_the_keyboard_reaches_everything(index):
    body = index.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    skip = index.switch_to.active_element
    assert skip.text == "Skip to the results"
    skip.send_keys(Keys.ENTER)
    assert index.current_url.endswith("#main")
    summary = index.find_element(By.CSS_SELECTOR, "#reproduce summary")
    summary.send_keys(Keys.ENTER)
    assert index.find_element(By.CSS_SELECTOR, "#reproduce details pre").is_displayed()
    regions = index.find_elements(By.CSS_SELECTOR, ".table, .drawing")
    assert all(region.get_attribute("tabindex") == "0" for region in regions)


def test_text_is_dark_on_white(index):
    colors = index.execute_script("const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]")
    assert colors == ["rgb(26, 26, 26)", "rgb(255, 255, 255)"]


def test_the_numbers_behind_a_figure_are_one_click_away(index, folder, small):
    index.find_element(By.LINK_TEXT, "mouse-1").click()
    links = index.find_elements(By.CSS_SELECTOR, "#figures figcaption a")
    assert len(links) == len(small.figures["mouse-1"])
    for link in links:
        path = Path(unquote(link.get_attribute("href").removeprefix("file://")))
        named = link.find_element(By.XPATH, "..").text.rpartition("(")[2].partition(")")[0]
        assert folder in path.parents
        with zipfile.ZipFile(path) as archive:
            assert len(archive.read(named).splitlines()) > 2
