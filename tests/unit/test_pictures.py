"""Pictures of a recording's beginning: what is drawn is what the file holds, and what cannot be read is left out."""

import re

import h5py
import numpy as np
import pytest
from built_files import add_units, built, series

from nwbglm.audit.pictures import HEIGHT, LEFT, WIDTH, draw_pictures
from nwbglm.cli import main
from nwbglm.recording import open_recording


@pytest.fixture
def path(tmp_path):
    def fill(file):
        file.add_epoch(0.0, 120.0, ["wake"])
        add_units(file, [[10.0, 40.0, 100.0], [25.0]])
        file.add_acquisition(series("ramp <b>", np.linspace(-1, 3, 1200), rate=10.0, unit="m"))

    return built(tmp_path / "a.nwb", fill)


def drawn(path):
    with open_recording(path) as recording:
        return draw_pictures(recording)


def test_a_trace_is_the_first_minute_of_its_series(path):
    points = np.array(re.findall(r"([\d.]+),([\d.]+)", re.search(r'points="([^"]+)"', drawn(path))[1]), dtype=float)
    assert points[0, 0] == LEFT and points[-1, 0] < LEFT + WIDTH
    assert points[0, 1] == HEIGHT - 4 and points[-1, 1] == 4  # the least at the bottom, the largest at the top
    assert (np.diff(points[:, 1]) <= 0.11).all()  # it rises
    assert "-1 to 0.998 m, 60 s" in drawn(path) and "ramp &lt;b&gt;" in drawn(path)


def test_a_raster_has_a_tick_a_spike_of_the_first_minute(path):
    ticks = re.findall(r"M(\d+) ", drawn(path))
    assert [int(tick) - LEFT for tick in ticks] == [0, WIDTH // 2, WIDTH // 4]
    assert "2 of 2 units" in drawn(path)


def test_what_cannot_be_read_has_no_picture(path):
    with h5py.File(path, "r+") as file:
        del file["acquisition/ramp <b>/data"]
        file["units/spike_times_index"][...] = [3, 2]
    assert drawn(path) == ""


def test_the_page_holds_them(path, tmp_path, capsys):
    assert main(["inspect", str(path), "--html", str(tmp_path / "a.html")]) == 0
    page = (tmp_path / "a.html").read_text()
    assert "How it begins" in page and "<polyline" in page and capsys.readouterr().out
    assert main(["inspect", str(tmp_path / "none.nwb"), "--html", str(tmp_path / "b.html")]) == 1
    assert "How it begins" not in (tmp_path / "b.html").read_text()
