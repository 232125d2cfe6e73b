"""What the report's pages do: sort, filter, toggle, open cards, print; and what hostile names do not."""

import base64
import os
import re
from pathlib import Path

import pandas as pd
import pytest
from synthetic_report import AUDIT, audit_pages

from nwbglm.report import build_report, write_files

pytest.importorskip("selenium", reason="selenium is not installed")
from selenium.webdriver.common.by import By

pytestmark = pytest.mark.slow

PAGES = ("index.html", "units.html", "sessions.html", "sessions/mouse-1.html", "sessions/mouse-3.html")
A4 = 688  # CSS pixels between the margins of a sheet
HOSTILE = '<script>document.title="pwned"</script><img src=x onerror="document.title=1">\u202eback\u05d0\u05d1\x07'


def column(browser, name):
    """Return the texts of a column of the table of all units."""
    names = [cell.text.split("\n")[0].rstrip(" ↑↓") for cell in browser.find_elements(By.CSS_SELECTOR, "#all-units th")]
    place = names.index(name) + 1
    return [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, f"#all-units tbody td:nth-child({place})")]


@pytest.fixture
def units(browser, folder):
    browser.set_window_size(1200, 900)
    browser.get("about:blank")
    browser.get((folder / "units.html").as_uri())
    return browser


def test_a_heading_sorts_numbers_as_numbers_and_again_the_other_way(units):
    heading = next(b for b in units.find_elements(By.CSS_SELECTOR, "#all-units th button") if b.text == "rate")
    heading.click()
    up = [float(text) for text in column(units, "rate")]
    assert len(up) == 10 and up == sorted(up)
    heading.click()
    assert [float(text) for text in column(units, "rate")] == up[::-1]
    assert heading.find_element(By.XPATH, "..").get_attribute("aria-sort") == "descending"


@pytest.mark.parametrize(
    ("name", "query", "keeps"),
    [
        ("session", "mouse-2", lambda rows: rows.session == "mouse-2"),
        ("rate", "> 6", lambda rows: rows.rate > 6),
        ("rate", "5.5..6", lambda rows: rows.rate.between(5.5, 6)),
        ("unit", "= 12", lambda rows: rows.unit == 12),
        ("best model", "!full", lambda rows: ~rows.best_model.fillna("").str.contains("full")),
    ],
)
def test_any_column_filters(units, small, name, query, keeps):
    field = units.find_element(By.CSS_SELECTOR, f'input[aria-label="filter by {name}"]')
    field.send_keys(query)
    rows = small.tables["units"]
    kept = rows[keeps(rows)]
    assert 0 < len(kept) < len(rows)
    assert column(units, "unit") == [str(unit) for unit in kept.unit]
    assert units.find_element(By.ID, "units-said").text.startswith(f"{len(kept)} of {len(rows)} units")


def test_a_unit_opens_its_card_with_its_curves(units):
    units.find_element(By.CSS_SELECTOR, "#all-units tbody a").click()
    card = units.find_element(By.ID, "unit-3")
    assert card.is_displayed()
    assert len(card.find_elements(By.CSS_SELECTOR, ".spark svg")) == 5  # rate, tuning, three filters
    assert "heading" in card.find_element(By.TAG_NAME, "table").text


def test_many_units_are_sorted_and_filtered_although_few_stand_in_the_page(browser, small, tmp_path):
    copies = 240  # of ten units
    tables = dict(small.tables)
    for name in ("units", "scores"):
        parts = [small.tables[name].assign(unit=small.tables[name].unit + 100 * copy) for copy in range(copies)]
        tables[name] = pd.concat(parts, ignore_index=True)
    files = build_report(small.study, tables, {}, {}, small.overall, audit_pages=audit_pages(small.study))
    write_files({"units.html": files["units.html"]}, tmp_path)
    browser.get((tmp_path / "units.html").as_uri())
    assert browser.find_element(By.ID, "units-said").text == "2400 of 2400 units; the first 200 are shown"
    next(b for b in browser.find_elements(By.CSS_SELECTOR, "#all-units th button") if b.text == "unit").click()
    next(b for b in browser.find_elements(By.CSS_SELECTOR, "#all-units th button") if b.text == "unit").click()
    assert column(browser, "unit")[0] == str(tables["units"].unit.max())
    browser.find_element(By.CSS_SELECTOR, 'input[aria-label="filter by unit"]').send_keys("= 23903")
    assert column(browser, "session") == ["mouse-1", "mouse-2"]
    link = browser.find_element(By.CSS_SELECTOR, "#all-units tbody a").get_attribute("href")
    assert link.endswith("sessions/mouse-1.html#unit-23903")


def test_a_model_can_be_hidden_everywhere_at_once(browser, folder):
    browser.get((folder / "sessions" / "mouse-1.html").as_uri())
    marks = (
        "return [...document.querySelectorAll('.m-heading')].filter(e => getComputedStyle(e).display !== 'none').length"
    )
    assert browser.execute_script(marks) > 5
    browser.find_element(By.ID, "show-m-heading").click()
    assert browser.execute_script(marks) == 0
    assert browser.execute_script(marks.replace("m-heading", "m-coupling")) > 5


def test_pages_are_whole_without_scripts(browser, folder):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get((folder / "units.html").as_uri())
        assert len(browser.find_elements(By.CSS_SELECTOR, "#all-units tbody tr")) == 10
        assert not browser.find_elements(By.TAG_NAME, "button") or not any(
            button.is_displayed() for button in browser.find_elements(By.TAG_NAME, "button")
        )
        browser.get((folder / "sessions" / "mouse-1.html").as_uri())
        browser.find_element(By.CSS_SELECTOR, ".card summary").click()
        assert browser.find_element(By.ID, "unit-3").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_cut_in_print(browser, folder, page):
    """On a sheet's width, with the print style and everything folded open, no text reaches beyond the margin."""
    browser.get((folder / page).as_uri())
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    size = {"width": A4, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        browser.execute_script("dispatchEvent(new Event('beforeprint'))")
        cut = browser.execute_script(
            "const out = []; for (const e of document.querySelectorAll('main *, header *')) {"
            " const box = e.getBoundingClientRect();"
            " if (box.width && e.textContent.trim() && box.right > arguments[0] + 1)"
            " out.push(e.outerHTML.slice(0, 120)) }"
            "return out",
            A4,
        )
        assert cut == []
        assert browser.execute_script("return document.querySelectorAll('details:not([open])').length") == 0
        sheet = browser.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})
        assert base64.b64decode(sheet["data"]).startswith(b"%PDF")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_in_dark(browser, folder, scheme):
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    try:
        browser.get((folder / "index.html").as_uri())
        colours = browser.execute_script(
            "const s = getComputedStyle(document.body), q = getComputedStyle(document.querySelector('figcaption')),"
            " a = getComputedStyle(document.querySelector('a[href=\"#cohort\"]'));"
            "return [s.backgroundColor, s.color, q.color, a.color]"
        )
        paper, *inks = [[int(v) / 255 for v in re.findall(r"\d+", colour)[:3]] for colour in colours]
        for ink in inks:
            assert contrast(paper, ink) >= 4.5, colours
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def contrast(first, second):
    """Return the contrast of two colours as WCAG 2 defines it."""

    def luminance(colour):
        parts = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in colour]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_hostile_names_do_nothing(browser, small, tmp_path):
    tables = dict(small.tables)
    tables["units"] = tables["units"].assign(location=HOSTILE, animal=[HOSTILE, "b"] * 5)
    tables["sessions"] = tables["sessions"].assign(reason=HOSTILE)
    audit = AUDIT | {"findings": [{"level": "warn", "path": HOSTILE, "seen": HOSTILE, "mend": HOSTILE}]}
    files = build_report(
        small.study.model_copy(update={"description": HOSTILE}),
        tables,
        {"mouse-1": audit},
        small.figures,
        small.overall,
        audit_pages=audit_pages(small.study),
        gathered=small.gathered,
    )
    write_files(files, tmp_path)
    for page in ("index.html", "units.html", "sessions/mouse-1.html"):
        assert "\u202e" not in files[page] and "\x07" not in files[page]
        browser.get((tmp_path / page).as_uri())
        assert "synthetic" in browser.title or "Units" in browser.title or "mouse-1" in browser.title
        assert browser.execute_script("return document.querySelectorAll('img, script:not([type])').length") == 1
        assert "⟨U+202E⟩" in browser.page_source and "<bdi>\u05d0\u05d1</bdi>" in browser.page_source
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing_of_weight(browser, folder, page):
    axe = axe_script()
    browser.get((folder / page).as_uri())
    browser.execute_script("document.querySelectorAll('details').forEach(part => part.open = true)")
    browser.execute_script(axe)
    found = browser.execute_async_script(
        "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then(r => done(r.violations.map("
        "v => [v.id, v.impact, v.nodes.length, v.nodes[0].html.slice(0, 160)])))"
    )
    assert [one for one in found if one[1] in ("moderate", "serious", "critical")] == []


def axe_script():
    """Return axe-core, from the file that AXE names or from node_modules; skip where there is none."""
    root = Path(__file__).parents[2]
    named = [Path(os.environ["AXE"])] if "AXE" in os.environ else []
    for path in (*named, root / "node_modules" / "axe-core" / "axe.min.js"):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    pytest.skip("axe-core is not here: npm install axe-core, or name its axe.min.js in AXE")
