"""Audits: every trap is named with its place and its mend, and no file is bad enough to break one."""

import json
from html.parser import HTMLParser

import h5py
import numpy as np
import pytest
from built_files import add_units, built, heading, series, settings
from trap_files import REFUSED, broken_series, icephys, linked, restarting

from nwbglm.audit import audit_recording, read_audit
from nwbglm.errors import RecordingError
from nwbglm.verdict import read_verdict


def audit(path, **parts):
    return audit_recording(path, settings(**parts), session="s")


def found(done, code):
    """Return the finding of a code, which must be there once."""
    (finding,) = [one for one in done.findings if one.code == code]
    return finding


def codes(done, *levels):
    return {finding.code for finding in done.findings if finding.level in (levels or ("pass", "warn", "fail"))}


def small(file, trains=((1.0, 2.0), (3.0,))):
    file.add_epoch(0.0, 100.0, ["wake"])
    add_units(file, trains)


class Page(HTMLParser):
    """Collects the text of a page, and checks that every element that opens closes."""

    VOID = ("meta", "br", "rect", "line")

    def __init__(self, html):
        super().__init__()
        self.open, self.text = [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize(("make", "what", "mend"), REFUSED)
def test_a_broken_file_is_a_failing_audit_not_an_error(tmp_path, make, what, mend):
    done = audit(make(tmp_path / "a.nwb"))
    assert done.verdict == "fail" and len(done.findings) == 1
    finding = done.findings[0]
    assert finding.code == "file" and what.replace("\\", "") in finding.seen and mend in finding.mend
    assert finding.seen in "".join(Page(done.html()).text)
    with pytest.raises(RecordingError, match="the audit failed"):
        done.raise_if_failed()


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_a_file_damaged_inside_is_a_failing_audit(tmp_path, place):
    path = built(tmp_path / "a.nwb", lambda file: small(file, [np.arange(0, 90, 0.01)]))
    content = bytearray(path.read_bytes())
    middle = int(len(content) * place)
    content[middle : middle + 3000] = b"\xff" * 3000
    path.write_bytes(content)
    done = audit(path)
    assert done.verdict in ("warn", "fail") and done.findings
    assert done.html()


def test_an_audit_is_written_and_read_back(tmp_path):
    path = built(tmp_path / "a.nwb", small)
    done = audit(path, signals={"x": {"from": "nothing"}})
    done.write(tmp_path / "a.json", tmp_path / "a.html")
    back = read_audit(tmp_path / "a.json")
    assert read_verdict(tmp_path / "a.json").findings == done.findings
    assert back.verdict == done.verdict == "fail" and back.findings == done.findings
    plain = json.loads((tmp_path / "a.json").read_text())
    assert plain["session"] == "s" and plain["sha256"] == back.recording["sha256"] and len(plain["sha256"]) == 64
    assert plain["contents"]["units"]["count"] == 2 and plain["takes"]["units"]["ids"] == [0, 1]
    assert plain["recording"]["file"] == "a.nwb" and plain["recording"]["identifier"] == "a"
    assert "http" not in (tmp_path / "a.html").read_text()


def test_a_good_file_passes(tmp_path):
    def fill(file):
        rng = np.random.default_rng(0)
        small(file, [np.arange(0.1, 100, 0.2) + rng.uniform(0, 0.1, 500) for _ in range(2)])
        file.add_acquisition(series("current", np.sin(np.arange(10_000)) * 1e-10, rate=100.0))

    done = audit(built(tmp_path / "a.nwb", fill), signals={"i": {"from": "current", "units": "pA"}})
    assert done.verdict == "pass" and done.findings == ()
    taken = done.takes["signals"]["i"]
    assert taken["valid"] == 1.0 and taken["units"] == "pA" and taken["max"] == pytest.approx(100, rel=1e-3)
    done.raise_if_failed()
    text = "".join(Page(done.html()).text)
    assert "2 of 2 units" in text and "10,000 bins of 10 ms" in text


def test_times_that_are_wrong_are_named(tmp_path):
    def fill(file):
        small(file)
        times = np.arange(100.0)
        times[[10, 20, 21, 40]] = [-1.5e9, 21.0, 20.0, 39.0]
        times[60:] += 30
        file.add_acquisition(series("x", np.zeros(100), unit="m", timestamps=times))

    done = audit(built(tmp_path / "a.nwb", fill))
    assert "-1.5e+09" in found(done, "times-absurd").seen
    assert found(done, "times-unsorted").path == "acquisition/x"
    assert found(done, "times-duplicated").seen.startswith("1 time is")
    assert "31 s" in found(done, "times-gap").seen


@pytest.mark.parametrize(
    ("scale", "guess"), [(1e3, "milliseconds"), (1e6, "microseconds"), (30_000.0, "samples at 30000 Hz")]
)
def test_spike_times_that_are_not_in_seconds_fail(tmp_path, scale, guess):
    spikes = np.sort(np.random.default_rng(1).uniform(1, 99, 500))
    done = audit(built(tmp_path / "a.nwb", lambda file: small(file, [spikes * scale])))
    finding = found(done, "spikes-not-in-seconds")
    assert finding.level == "fail" and guess in finding.seen and finding.path == "units/spike_times"


def test_spike_times_in_bins_fail(tmp_path):
    def fill(file):
        file.add_epoch(0.0, 1e5, ["wake"])
        add_units(file, [np.arange(1.0, 50_000, 7)])

    assert "whole number" in found(audit(built(tmp_path / "a.nwb", fill)), "spikes-not-in-seconds").seen


def test_units_that_need_a_look_are_named(tmp_path):
    def fill(file):
        file.add_epoch(0.0, 100.0, ["wake"])
        busy = np.arange(0, 100, 0.25)
        bursts = np.sort(np.concatenate([busy, busy + 0.001]))
        trains = [[], [2.0, 1.0, 3.0], [1.0, 1.0], bursts, np.append(busy, [150.0, 160.0]), [5.0, np.nan], [50.0]]
        add_units(file, trains, obs_intervals=[[[0.0, 140.0]]] * 6 + [[[0.0, 10.0]]])

    done = audit(built(tmp_path / "a.nwb", fill))
    assert "1 of 7 units (0)" in found(done, "units-silent").seen
    assert "(1)" in found(done, "spikes-unsorted").seen
    assert "(2)" in found(done, "spikes-repeated").seen
    assert "(2, 3)" in found(done, "refractory").seen
    assert "2 of" in found(done, "spikes-outside").seen and "(4)" in found(done, "spikes-outside").seen
    assert "(5)" in found(done, "spikes-nan").seen
    assert "3 spikes" in found(done, "spikes-unobserved").seen


def test_tables_and_series_of_the_traps_are_named(tmp_path):
    def fill(file):
        small(file)
        for start in (0.0, 0.0, 0.0):
            file.add_trial(start_time=start, stop_time=5.0)
        file.add_trial(start_time=np.nan, stop_time=1.0)
        file.add_acquisition(series("sweep", np.full(100, 500.0), rate=10.0))
        file.add_stimulus(series("sweep", np.full(100, 1.0), rate=10.0, unit="furlongs", conversion=2.0))

    done = audit(built(tmp_path / "a.nwb", fill))
    assert "all rows start at 0 s" in found(done, "rows-overlap").seen
    assert "row 3" in found(done, "rows-without-time").seen
    assert "acquisition/sweep, stimulus/presentation/sweep" in found(done, "same-name").seen
    assert "x * 2 + 0 furlongs" in found(done, "conversion").seen
    assert "500 amperes" in found(done, "unit-doubtful").seen
    assert "furlongs" in found(done, "unit-unknown").seen


def test_a_series_that_cannot_be_read_warns_and_fails_only_the_study_that_uses_it(tmp_path):
    path = broken_series(tmp_path / "a.nwb")
    assert audit(path).verdict == "warn"
    assert "frames in other files" in found(audit(path), "series-unreadable").seen
    used = audit(path, signals={"m": {"from": "movie"}})
    finding = found(used, "study")
    assert used.verdict == "fail" and finding.path == "signals.m" and "movie: the series cannot" in finding.seen


def test_sweeps_are_named(tmp_path):
    def restarts(file):
        restarting(file)
        add_units(file, [[0.5, 1.5, 0.25, 1.9, 0.1, 0.2, 0.3]])

    done = audit(built(tmp_path / "a.nwb", restarts), signals={"i": {"from": "current", "resample": "hold"}})
    assert "3 passes" in found(done, "sweeps-restart").seen and "2 times" in found(done, "times-restart").seen
    assert done.verdict == "warn"
    mixed = audit(
        built(tmp_path / "b.nwb", lambda file: icephys(file, [0, 1, 2], voltage=[1])),
        epochs={"use": {"table": "sweeps"}},
    )
    assert "1 in voltage clamp" in found(mixed, "clamps-mixed").seen


def test_lost_references_and_columns_are_named(tmp_path):
    def fill(file):
        device = file.create_device("d")
        group = file.create_electrode_group("g", "g", "ca1", device)
        file.add_electrode(group=group, location="ca1")
        file.add_epoch(0.0, 100.0, ["wake"])
        file.add_unit_column("depth", "um")
        for depth in (1.0, np.nan):
            file.add_unit(spike_times=[1.0], electrodes=[0], depth=depth)

    path = built(tmp_path / "a.nwb", fill)
    with h5py.File(path, "r+") as file:
        del file["units/electrodes"].attrs["table"]
        file["units/extra"] = np.arange(5)
    done = audit(path)
    assert found(done, "reference-lost").path == "units/electrodes"
    assert "5 entries for 2 units" in found(done, "column-misfit").seen
    assert "1 of 2 units" in found(done, "values-missing").seen


def test_what_the_study_asks_in_vain_fails_with_every_reason(tmp_path):
    done = audit(
        built(tmp_path / "a.nwb", small),
        epochs={"use": {"tags": "wake"}, "fit": {"tags": "run"}},
        units={"where": "locaton == 'adn'"},
        signals={"x": {"from": "ry"}},
    )
    failed = [finding for finding in done.findings if finding.level == "fail"]
    assert {finding.path.rpartition(": ")[2] for finding in failed} == {
        "epochs.fit",
        "units.where",
        "signals.x",
    }
    with pytest.raises(RecordingError, match="and 2 more"):
        done.raise_if_failed()


def test_signals_that_are_not_what_they_seem_are_named(tmp_path):
    times = np.arange(0, 100, 0.05)

    def fill(file):
        small(file)
        behaviour = file.create_processing_module("behavior", "b")
        behaviour.add(heading("ry", np.rad2deg(times % (2 * np.pi)), timestamps=times))
        file.add_acquisition(series("constant", np.ones(1000), rate=10.0))
        file.add_acquisition(series("before", np.ones(10), rate=10.0, starting_time=-50.0))

    signals = {
        "slow": {"from": "ry"},
        "degrees": {"from": "ry", "period": "2 pi", "resample": "interpolate"},
        "constant": {"from": "constant", "resample": "hold"},
        "before": {"from": "before"},
    }
    done = audit(built(tmp_path / "a.nwb", fill), signals=signals)
    assert found(done, "signal-gaps").path == "signals.slow" and "80%" in found(done, "signal-gaps").seen
    assert "interpolate" in found(done, "signal-gaps").mend
    assert found(done, "signal-constant").path == "signals.constant"
    assert found(done, "signal-empty").path == "signals.before" and done.verdict == "fail"


def test_epochs_that_spoil_a_study_are_named(tmp_path):
    def fill(file):
        for start, stop in [(0.0, 60.0), (50.0, 90.0)]:
            file.add_epoch(start, stop, ["wake"])
        add_units(file, [[1.0, 55.0]])

    epochs = {
        "use": {},
        "fit": {"intervals": [["0 s", "95 s"]]},
        "train": {"intervals": [["0 s", "50 s"]]},
        "test": {"intervals": [["45 s", "90 s"]]},
    }
    done = audit(built(tmp_path / "a.nwb", fill), epochs=epochs)
    assert found(done, "use-overlaps").level == "warn"
    assert "5.000 s of 95.000 s" in found(done, "outside-use").seen
    assert found(done, "train-in-test").level == "fail"


def test_the_study_accepts_or_refuses_findings(tmp_path):
    path = built(tmp_path / "a.nwb", lambda file: small(file, [[1.0, 1.0, 2.0]]))
    assert audit(path).verdict == "warn"
    assert audit(path, audit={"ignore": ["spikes-repeated", "refractory"]}).verdict == "pass"
    assert audit(path, audit={"fail": ["refractory"]}).verdict == "fail"


def test_an_audit_without_a_study_says_what_is_there(tmp_path):
    done = audit_recording(built(tmp_path / "a.nwb", small), None, session="a")
    assert done.takes == {} and done.verdict == "pass"
    assert "2 units, 3 spikes" in done.text() and "intervals/epochs  1 rows" in done.text()
    assert "What the study takes" not in done.html()


def test_the_five_recordings(shared_data):
    wake = {"epochs": {"use": {"tags": "wake"}}}
    heading_of = {"signals": {"h": {"from": "ry", "period": "2 pi", "resample": "interpolate", "max_gap": "100 ms"}}}
    mouse = audit(shared_data / "mouse28_head_direction.nwb", **wake, **heading_of)
    assert codes(mouse, "warn", "fail") == {"population-silent"}
    assert mouse.recording["identifier"] == "Mouse28-140313" and mouse.takes["units"]["of"] == 32

    current = {"from": "stimulus/presentation/stimulus", "units": "pA"}
    noise = audit(shared_data / "noise_current_cell3.nwb", bin="1 ms", signals={"i": current})
    assert noise.verdict == "pass" and noise.takes["bins"] == 180_000 and noise.takes["signals"]["i"]["valid"] == 1.0

    place = {"x": {"from": "position", "column": 0, "resample": "interpolate"}}
    track = audit(shared_data / "linear_track.nwb", bin="20 ms", signals=place)
    assert (
        codes(track, "warn", "fail") == {"refractory", "population-silent"} and track.takes["units"]["selected"] == 31
    )

    assert "14.3 s, from 6365.147 s" in found(track, "population-silent").seen  # the epoch outlasts the spikes

    human = audit(shared_data / "human_mtl_sub-4_ses-4.nwb", epochs={"use": {"table": "encoding_table"}})
    assert {"times-absurd", "times-unsorted", "times-duplicated", "series-unreadable", "rows-overlap"} <= codes(
        human, "warn"
    )
    assert human.verdict == "warn" and human.takes["epochs"]["use"]["intervals"] == 90

    smallest = audit(shared_data / "a8604_minimal.nwb", **wake)
    assert codes(smallest, "fail") == set() and smallest.takes["units"]["selected"] == 3
    for done in (mouse, noise, track, human, smallest):
        Page(done.html())


def test_lost_data_are_told_from_silence(tmp_path):
    rng = np.random.default_rng(3)
    trains = [np.sort(rng.uniform(0, 100, 1000)) for _ in range(10)]
    whole = built(tmp_path / "a.nwb", lambda file: small(file, trains))
    assert "population-silent" not in codes(audit(whole))
    gappy = [train[(train < 40) | (train > 41.5)] for train in trains]
    done = audit(built(tmp_path / "b.nwb", lambda file: small(file, gappy)))
    assert "once no unit fires" in found(done, "population-silent").seen
    blanked = audit(tmp_path / "b.nwb", blank={"lost": {"silence": "1 s"}})
    assert "population-silent" not in codes(blanked) and blanked.takes["blanked"] == pytest.approx(1.48, abs=0.05)


def test_links_to_other_files_pass_where_the_study_allows_them(tmp_path):
    path = linked(tmp_path / "a.nwb")
    assert audit(path).verdict == "fail"
    allowed = audit(path, audit={"external_links": "allow"}, signals={"raw": {"from": "raw", "resample": "hold"}})
    assert allowed.verdict != "fail" and allowed.takes["signals"]["raw"]["max"] == 9.0
