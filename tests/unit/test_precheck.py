"""What a study says is held against its recordings before any job, and what it says to do helps."""

import copy
import re

import numpy as np
import pytest
import yaml
from built_files import add_units, built, heading, position, series
from pynwb.epoch import TimeIntervals

from nwbglm import cli
from nwbglm.audit import audit_recording
from nwbglm.audit.signals import period_findings
from nwbglm.precheck import look_at_data
from nwbglm.study import read_study

RNG = np.random.default_rng(5)
TIMES = np.arange(0, 60, 0.02)


def small(file):
    """A minute: a heading in radians and one in degrees, a track in pixels, trials with codes, two units."""
    add_units(file, [np.sort(RNG.uniform(0, 60, 600)), np.sort(RNG.uniform(0, 60, 300))])
    file.add_epoch(0.0, 60.0, ["wake"])
    behaviour = file.create_processing_module("behavior", "tracking")
    behaviour.add(heading(data=np.mod(TIMES, 2 * np.pi), timestamps=TIMES))
    file.add_acquisition(series("turn", np.mod(50 * TIMES, 360.0), timestamps=TIMES, unit="degrees"))
    file.add_acquisition(series("rad", np.mod(TIMES, 2 * np.pi), timestamps=TIMES, unit="radians"))
    file.add_acquisition(series("pixel", 300 + 200 * np.sin(TIMES / 5), timestamps=TIMES, unit="pixels"))
    file.add_acquisition(series("turns", 3 * TIMES, timestamps=TIMES, unit="radians"))
    behaviour.add(position(np.stack([TIMES, TIMES], axis=1), timestamps=TIMES))
    trials = TimeIntervals(name="trials", description="trials")
    trials.add_column("code", "what was shown")
    for k in range(10):
        trials.add_row(start_time=2.013 + 5 * k, stop_time=5.013 + 5 * k, code=float(1 + k % 3))
    file.add_time_intervals(trials)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return built(tmp_path_factory.mktemp("files") / "small.nwb", small)


@pytest.fixture
def config(path):
    return {
        "study": "x",
        "recordings": {"one": {"nwb": str(path)}},
        "epochs": {"use": {"table": "epochs"}},
        "bin": "20 ms",
        "signals": {"x": {"from": "pixel", "resample": "interpolate"}},
        "terms": {"place": {"of": "x", "basis": {"bspline": {"n": 5}}}},
        "models": {"constant": [], "place": ["place"]},
    }


def told(config, **more):
    """Return the findings of the recording `one` that are told, by code."""
    looked = look_at_data(read_study(copy.deepcopy(config)), **more)
    return {finding.code: finding for finding in looked.findings.get("one", ()) if finding.level != "pass"}


def test_a_sound_study_has_nothing_to_tell(config):
    study = read_study(config)
    looked = look_at_data(study)
    assert told(config) == {} and not looked.failed
    assert [(one.rows, one.units) for one in looked.taken] == [(3000, 2)]


def test_codes_and_words_are_those_of_the_audit(config, path):
    config["signals"]["x"] |= {"column": 3}
    config["epochs"]["fit"] = {"intervals": [["100 s", "200 s"]]}
    study = read_study(config)
    audit = audit_recording(path, study.data, session="one")
    in_audit = {finding for finding in audit.findings if finding.level == "fail"}
    found = {finding for finding in look_at_data(study).findings["one"] if finding.level == "fail"}
    assert found == in_audit and len(found) >= 2


@pytest.mark.parametrize(
    ("change", "code", "seen"),
    [
        ({"signals": {"x": {"from": "nowhere"}}}, "study", "nowhere"),
        ({"signals": {"x": {"from": "pixel", "units": "kg"}}}, "study", "does not convert"),
        ({"signals": {"x": {"from": "position", "column": 2}}}, "study", "no column 2"),
        ({"epochs": {"use": {"table": "epochs", "tags": "sleep"}}}, "study", "no epochs are selected"),
        ({"epochs": {"use": {"table": "nights"}}}, "study", "nights"),
        ({"epochs": {"use": {"table": "trials", "where": "cod == 1"}}}, "study", "unknown column"),
        ({"units": {"where": "rate > 1000"}}, "study", "none of the 2 units is selected"),
        ({"units": {"ids": [77]}}, "study", "77"),
    ],
)
def test_what_is_not_in_the_file_fails_the_check(config, change, code, seen):
    finding = told({**config, **change})[code]
    assert finding.level == "fail" and seen in finding.seen and finding.mend


def test_a_missing_file_is_found_and_the_folder_named(config, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    config["recordings"]["one"]["nwb"] = "nowhere.nwb"
    finding = told(config)["file"]
    assert finding.level == "fail" and "recordings.one.nwb" in finding.mend and str(tmp_path) in finding.mend
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))
    assert cli.main(["check", "study.yaml"]) == 1
    assert "nowhere.nwb" in capsys.readouterr().out
    assert cli.main(["check", "study.yaml", "--no-data"]) == 0


def test_a_damaged_file_and_a_text_file_are_findings(config, tmp_path):
    (tmp_path / "cut.nwb").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
    (tmp_path / "text.nwb").write_text("no recording")
    for name in ("cut", "text"):
        config["recordings"]["one"]["nwb"] = str(tmp_path / f"{name}.nwb")
        assert told(config)["file"].level == "fail"


def test_one_file_under_several_names_is_told(config, path, tmp_path):
    (tmp_path / "link.nwb").symlink_to(path)
    for other in (str(path), str(tmp_path / "link.nwb"), f"{path.parent}/./{path.name}"):
        looked = look_at_data(read_study({**config, "recordings": {**config["recordings"], "two": {"nwb": other}}}))
        (finding,) = looked.findings[""]
        assert finding.code == "same-file" and "one and two are the same file" in finding.seen


@pytest.mark.parametrize("shift", [1000.0, -500.0])
def test_epochs_outside_the_recording_are_the_first_word(config, shift):
    config["epochs"] = {"use": {"intervals": [[f"{shift} s", f"{shift + 10} s"]]}}
    config["units"] = {"where": "rate > 1"}
    findings = look_at_data(read_study(config)).findings["one"]
    assert [finding.code for finding in findings if finding.level == "fail"] == ["epochs-outside"]
    wanted = yaml.safe_load(re.search(r"`use: (.*?)`", findings[0].mend)[1])
    assert told({**config, "epochs": {"use": wanted}}) == {}  # the advice, followed


def test_epochs_that_leave_the_recording_in_part_are_a_warning(config):
    config["epochs"] = {"use": {"intervals": [["50 s", "80 s"]]}}
    assert told(config)["epochs-outside"].level == "warn"


@pytest.mark.parametrize(
    ("signal", "mend"),
    [
        ({"from": "turn", "period": "2 pi"}, {"period": "360"}),
        ({"from": "turn", "period": "2 pi"}, {"units": "radians"}),
        ({"from": "rad", "period": 360}, {"period": "2 pi"}),
        ({"from": "pixel", "period": "2 pi"}, {"period": None}),
        ({"from": "pixel", "period": 100}, {"period": None}),
    ],
)
def test_a_period_that_is_not_the_data_s(config, signal, mend):
    config["signals"]["x"] |= signal
    finding = told(config)["period-doubtful"]
    assert finding.path == "signals.x" and "the period is" in finding.seen
    for key, value in mend.items():  # what the mend names, done
        assert key in finding.mend and (value is None or value in finding.mend)
        config["signals"]["x"][key] = float(value) if value == "360" else value
        if value is None:
            del config["signals"]["x"][key]
    assert "period-doubtful" not in told(config)


def test_periods_of_the_data_are_not_doubted():
    for low, high, period, unit in [(0, 6.28, 2 * np.pi, "radians"), (-180, 180, 360, "degrees"), (0, 24, 24, "h")]:
        assert not list(period_findings(np.linspace(low, high, 99), period, unit, "signals.x"))


def test_mixtures_of_labels_are_no_levels(config):
    config["signals"]["code"] = {"from": "trials", "resample": "boxcar", "value": "code"}
    config["terms"]["code"] = {"of": "code", "basis": "categorical"}
    config["models"]["code"] = ["code"]
    finding = told(config)["study"]
    assert finding.path == "terms.code" and "mixtures" in finding.seen
    levels = yaml.safe_load(re.search(r"levels: (\[.*?\])", finding.mend)[1])
    assert levels == [0, 1, 2, 3]
    config["terms"]["code"]["basis"] = {"categorical": {"levels": levels}}
    assert "study" not in told(config)


def test_bounds_that_leave_out_a_share_of_the_data(config):
    config["terms"]["place"]["basis"]["bspline"]["bounds"] = [300, 600]
    finding = told(config)["rows-outside"]
    assert finding.path == "terms.place" and "lie outside its bounds" in finding.seen
    wanted = yaml.safe_load(re.search(r"bounds: (\[.*?\])", finding.mend)[1])
    config["terms"]["place"]["basis"]["bspline"]["bounds"] = [wanted[0] - 1e-3, wanted[1] + 1e-3]
    assert told(config) == {}


@pytest.fixture
def trials(config):
    """Trials as epochs, and an onset at the beginning of each."""
    config["epochs"] = {"use": {"table": "trials"}}
    config["signals"] = {"on": {"from": "trials", "resample": "events"}}
    basis = {"raised_cosine_linear": {"n": 6, "window": "1 s"}}
    config["terms"] = {"on": {"of": "on", "basis": basis}, "past": {"of": "own spikes", "basis": basis}}
    config["models"] = {"constant": [], "on": ["on"], "both": ["on", "past"]}
    return config


def test_an_onset_term_over_trials_tells_what_it_costs_and_the_mend_works(trials):
    looked = look_at_data(read_study(trials))
    findings = {(f.path, f.code): f for f in looked.findings["one"]}
    lost = findings["terms.on", "rows-lost"]
    assert "500 of 1500 fitted rows" in lost.seen and findings["terms.past", "rows-lost"].seen == lost.seen
    assert "of its 6 features" in findings["terms.on", "features-vary-little"].seen
    margin = yaml.safe_load(re.search(r"epochs: (\{use: .*?\}\})", lost.mend)[1])["use"]
    trials["epochs"]["use"] |= margin
    assert told(trials) == {}


def test_a_few_events_are_no_term(trials):
    trials["epochs"] = {"use": {"table": "epochs"}}
    trials["signals"]["on"]["where"] = "row == 0"
    trials["terms"]["on"]["basis"]["raised_cosine_linear"]["window"] = "200 ms"
    finding = told(trials)["features-vary-little"]
    assert "fewer than 20 rows" in finding.seen
    trials["signals"]["on"]["where"] = "row >= 0"
    assert told(trials) == {}


def test_looking_is_bounded_in_time(config, path):
    config["recordings"]["two"] = {"nwb": str(path)}
    looked = look_at_data(read_study(config), seconds=0.0)
    assert set(looked.unseen) == {"one", "two"} and "0 s" in looked.unseen["one"]


def test_what_the_run_makes_or_streams_is_not_looked_at(config):
    config["recordings"] = {
        "made": {"nwb": {"simulate": {"kind": "injected_current", "seed": 1}}},
        "far": {"nwb": {"url": "https://example.org/a.nwb", "stream": True}},
    }
    looked = look_at_data(read_study(config))
    assert set(looked.unseen) == {"made", "far"} and not looked.findings


def test_disk_and_memory_are_reckoned_from_the_data(config, tmp_path, capsys):
    config["limits"] = {"disk": "50 kB"}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))
    assert cli.main(["check", str(tmp_path / "study.yaml")]) == 1
    assert "limits.disk: the study asks for 60 kB of features on disk" in capsys.readouterr().err
    config["limits"] = {"disk": "60 kB"}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))
    assert cli.main(["check", str(tmp_path / "study.yaml")]) == 0


def test_bins_without_number_are_refused_before_they_are_made(config):
    config["bin"] = "10 ns"
    finding = told(config)["study"]
    assert "at most 500000000" in finding.seen and "wider `bin`" in finding.mend


@pytest.mark.parametrize(
    ("text", "code", "seen"),
    [
        ("x: {from: position, column: 2, resample: interpolate}", "study", "there is no column 2"),
        ("x: {from: position, column: 0, period: 2 pi, resample: interpolate}", "period-doubtful", "133 to 554 pixels"),
    ],
)
def test_the_rat_on_the_track(shared_data, text, code, seen):
    study = read_study(
        yaml.safe_load(f"""
study: rat
recordings: {{one: {{nwb: {shared_data / "linear_track.nwb"}}}}}
epochs: {{use: {{table: epochs, first: 300 s}}}}
units: {{where: "tetrode == 1 and rate > 0.5"}}
bin: 20 ms
signals: {{{text}}}
terms: {{place: {{of: x, basis: {{bspline: {{n: 6}}}}}}}}
models: {{constant: [], place: [place]}}
""")
    )
    found = {finding.code: finding for finding in look_at_data(study).findings["one"]}
    assert seen in found[code].seen and found[code].mend
