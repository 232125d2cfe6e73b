"""Headless Chromium, and the reports that it opens."""

import shutil

import pytest
from synthetic_report import small_report

from nwbglm.report import write_files

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")


@pytest.fixture(scope="session")
def small():
    return small_report()


@pytest.fixture(scope="session")
def folder(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_files(small.files, folder)
    return folder


@pytest.fixture(scope="session")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if not (BROWSER and DRIVER):
        pytest.skip("no chromium with chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--force-prefers-reduced-motion",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(3600)  # after which it must hang
    yield driver
    driver.quit()


@pytest.fixture
def index(browser, folder):
    browser.set_window_size(1200, 900)
    browser.get((folder / "index.html").as_uri())
    return browser
