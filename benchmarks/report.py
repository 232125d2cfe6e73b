"""The report of a large study: how long it takes, its memory, the sizes of its pages, and how fast they open.

Draws one synthetic session of so many units, lets every session of a study be like it, builds the report, and opens its
pages in headless Chromium where selenium, chromium and chromedriver are there.

    python benchmarks/report.py                          200 sessions of 100 units
    python benchmarks/report.py --sessions 20 --units 400
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
MB = 1e6


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--units", type=int, default=100)
    parser.add_argument("--folder", help="where the report goes; default: a temporary folder")
    return parser.parse_args()


def cpu() -> float:
    """Return the CPU seconds of this process."""
    return time.process_time()


def build(sessions: int, units: int, folder: Path) -> None:
    """Draw a session, make a study of many like it, and write its report."""
    from large_study import large_report

    began = cpu()
    parts = large_report(sessions, units)
    print(f"one session drawn, tables of {sessions} sessions made: {cpu() - began:.0f} CPU s")
    from nwbglm.report import write_files

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, wall = cpu(), time.perf_counter()
    write_files(parts, folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"built: {cpu() - began:.0f} CPU s ({time.perf_counter() - wall:.0f} s), peak {peak / 1e3:.0f} MB "
        f"({before / 1e3:.0f} before)"
    )


def sizes(folder: Path) -> None:
    """Print how large the folder and its pages are."""
    files = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    kinds = {
        "index.html": [folder / "index.html"],
        "units.html": [folder / "units.html"],
        "sessions.html": [folder / "sessions.html"],
        "a session's page": sorted((folder / "sessions").glob("*.html")),
        "a session's tables": sorted((folder / "tables" / "sessions").glob("*.zip")),
        "other tables": [path for path in (folder / "tables").iterdir() if path.is_file()],
    }
    for name, paths in kinds.items():
        bytes_ = [files[path] / MB for path in paths]
        print(f"{name}: {max(bytes_):.2f} MB at most, {sum(bytes_):.1f} together")
    print(f"the folder: {len(files)} files, {sum(files.values()) / MB:.0f} MB")


def opened(folder: Path) -> Iterator[tuple[str, float]]:
    """Open pages in Chromium; yield each with the seconds that its main thread was busy."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium") or shutil.which("google-chrome"))
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(shutil.which("chromedriver"))))
    driver.set_window_size(1280, 900)
    first = sorted((folder / "sessions").glob("*.html"))[0]
    for page in (folder / "index.html", folder / "units.html", folder / "sessions.html", first):
        yield str(page.relative_to(folder)), busy(driver, page)
    driver.quit()


def busy(driver: Any, page: Path) -> float:
    """Return how long the main thread works, s, until a page stands: scripts, style, layout, painting."""
    driver.get("about:blank")
    driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    driver.get(page.as_uri())
    driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    metrics = {one["name"]: one["value"] for one in driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]}
    driver.execute_cdp_cmd("Performance.disable", {})
    return float(metrics["TaskDuration"])


def main() -> None:
    """Build, measure and print."""
    given = arguments()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(given.folder or temporary)
        child = os.fork()  # the peak of memory is that of building alone
        if child == 0:
            build(given.sessions, given.units, folder)
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            sys.exit(1)
        sizes(folder)
        if shutil.which("chromedriver"):
            for page, seconds in opened(folder):
                print(f"{page}: the main thread is busy for {seconds:.2f} s")


if __name__ == "__main__":
    main()
