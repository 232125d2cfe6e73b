"""`nwbglm new`: a first study of any recording is valid, is accepted by the data, and decides as a scientist would."""

import h5py
import numpy as np
import pytest
from built_files import add_units, built, heading, position, series
from mutations import whole
from pynwb.misc import AnnotationSeries, IntervalSeries
from trap_files import icephys

from nwbglm.cli import main
from nwbglm.errors import RecordingError
from nwbglm.precheck import look_at_data
from nwbglm.starter import start_study
from nwbglm.starter.page import flow, scalar
from nwbglm.starter.seen import as_name, short_name
from nwbglm.study import load_study
from nwbglm.study.loading import parse_yaml

LENGTH = 400.0


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def started(tmp_path, fill):
    """Start a study of a file; it must be accepted by the data."""
    done = start_study(built(tmp_path / "rat 1.nwb", fill))
    assert not done.failed
    assert not look_at_data(done.study).failed
    return done


def trains(rng, count=3, length=LENGTH, spikes=2000):
    return [np.sort(rng.uniform(0, length, spikes)) for _ in range(count)]


def basis_of(study, term):
    return study.terms[term].basis.kind


def test_an_angle_is_circular_and_a_place_has_a_map_and_a_speed(tmp_path, rng):
    times = np.arange(0, LENGTH, 0.05)
    walk = np.cumsum(rng.normal(size=(len(times), 2)), axis=0)
    walk = (walk - walk.min(axis=0)) / np.ptp(walk, axis=0)

    def fill(file):
        file.add_epoch(0.0, LENGTH, ["wake"])
        add_units(file, trains(rng), location=["adn", "adn", "pos"])
        behaviour = file.create_processing_module("behavior", "b")
        behaviour.add(heading(data=np.cumsum(rng.normal(size=len(times))) % (2 * np.pi), rate=20.0))
        behaviour.add(position(walk, rate=20.0))

    done = started(tmp_path, fill)
    study = done.study
    assert study.data.signals["ry"].period == pytest.approx(2 * np.pi) and basis_of(study, "ry") == "cyclic_bspline"
    assert study.data.signals["ry"].resample == "interpolate"  # 50 ms between samples, 10 ms bins
    assert study.data.maps["position"].of == ("x", "y") and study.data.signals["x"].units == "cm"
    assert study.data.signals["speed"].derive == "speed" and study.data.signals["speed"].units == "cm/s"
    assert "location: adn (2), pos (1)" in " ".join(done.text.replace("#", " ").split())
    assert {"drift", "history", "ry", "position-map", "covariates+history"} <= study.models.keys()
    assert study.fit.folds.pieces == 50


def test_times_of_trials_have_kernels_and_texts_are_categories(tmp_path, rng):
    starts = np.arange(2.0, LENGTH - 10, 8.0)

    def fill(file):
        for name in ("cue_time", "reaction_time", "side", "contrast", "correct"):
            file.add_trial_column(name, name)
        for k, start in enumerate(starts):
            file.add_trial(
                start_time=start, stop_time=start + 7, cue_time=start + 1 + 0.01 * k,
                reaction_time=rng.uniform(0.1, 0.9),
                side=["left", "right"][k % 2], contrast=rng.uniform(), correct=k % 3 == 0,
            )  # fmt: skip
        add_units(file, trains(rng))

    study = started(tmp_path, fill).study
    use = study.data.epochs["use"]
    assert use.table == "trials" and use.margin == 1.0
    assert study.data.signals["cue"].time == "cue_time" and study.terms["cue"].basis.begin == 0
    assert study.data.signals["reaction"].since == "start_time"
    side = study.data.signals["side"]
    assert (side.resample, side.value) == ("boxcar", "side")
    assert study.terms["side"].basis.settings.reference == "left"


def test_breaks_are_no_trials(tmp_path, rng):
    def fill(file):
        file.add_trial(start_time=0.0, stop_time=100.0)
        for start in np.arange(100.0, LENGTH - 5, 5.0):
            file.add_trial(start_time=start, stop_time=start + 4)
        add_units(file, trains(rng))

    done = started(tmp_path, fill)
    assert done.study.data.epochs["use"].where == "duration < 20"


def test_labels_are_held_and_marks_are_boxcars_and_events(tmp_path, rng):
    def fill(file):
        file.add_epoch(0.0, LENGTH, ["wake"])
        add_units(file, trains(rng))
        file.add_acquisition(series("image", np.repeat(rng.integers(0, 4, 100), 40), rate=10.0, unit="n/a"))
        file.add_acquisition(series("still", np.ones(4000), rate=10.0))
        file.add_acquisition(series("raw", rng.normal(size=(4000, 32)), rate=10.0, unit="volts"))
        edges = np.arange(10.0, 390.0, 10.0)
        file.add_acquisition(IntervalSeries("light", data=np.resize([1, -1], len(edges)), timestamps=edges))
        tones = np.sort(rng.uniform(0, LENGTH, 60))
        file.add_acquisition(AnnotationSeries("tones", data=np.resize(["high", "low"], 60).tolist(), timestamps=tones))

    done = started(tmp_path, fill)
    study = done.study
    assert study.data.signals["image"].resample == "hold" and basis_of(study, "image") == "categorical"
    assert study.data.signals["light"].resample == "boxcar"
    assert study.data.signals["tones-high"].where == "value == 'high'"
    assert not {"still", "raw"} & study.data.signals.keys()
    assert "still (the same everywhere)" in done.text and "raw (32 columns" in done.text


def test_sweeps_of_one_cell_ask_for_the_current(tmp_path):
    done = start_study(built(tmp_path / "a.nwb", lambda file: icephys(file, range(1, 7), voltage=(3,), together=True)))
    response = done.study.data.response
    assert (response.source, response.units) == ("sweeps.response", "mV")
    assert done.study.data.epochs["use"].where == "clamp == 'current'"
    assert done.study.fit.observations == "gaussian"


@pytest.mark.parametrize("count", [3, 12])
def test_series_that_differ_in_a_number_are_the_units(tmp_path, rng, count):
    def fill(file):
        for k in range(count):
            file.add_acquisition(series(f"cell_{k}", rng.normal(size=1000), rate=5.0, unit="n/a"))
        file.add_acquisition(series("speed", np.cumsum(rng.normal(size=1000)), rate=5.0, unit="cm/s"))

    study = started(tmp_path, fill).study
    assert study.data.response.source == "acquisition/cell_*" and study.data.response.resample == "samples"
    assert study.data.bin == pytest.approx(0.2) and "speed" in study.data.signals


def test_images_name_the_columns_of_their_cells(tmp_path):
    path = whole(tmp_path / "whole.nwb")
    with h5py.File(path, "r+") as file:
        del file["units"]
    done = start_study(path)
    assert done.study.data.response.source == "roi" and "is_cell" in done.text


def test_what_no_bin_has_is_written_as_a_comment(tmp_path, rng):
    def fill(file):
        file.add_epoch(0.0, LENGTH, ["wake"])
        add_units(file, trains(rng))
        file.add_acquisition(series("half", rng.normal(size=400), timestamps=100 + np.arange(400) * 0.5))

    done = started(tmp_path, fill)
    assert "half" not in done.study.data.signals and "# half: {from: half" in done.text
    assert "% of the bins have no value" in done.text


def test_a_file_with_nothing_to_explain_says_what_there_is(tmp_path):
    with pytest.raises(RecordingError, match="no series that looks like a response"):
        start_study(built(tmp_path / "a.nwb", lambda file: file.add_epoch(0.0, 10.0, ["wake"])))


def test_the_command_writes_once_and_what_it_wrote_is_accepted(tmp_path, rng, capsys):
    def fill(file):
        file.add_epoch(0.0, 50.0, ["wake"])
        add_units(file, trains(rng, length=50.0))

    path, out = built(tmp_path / "a b.nwb", fill), tmp_path / "study.yaml"
    assert main(["new", str(path), "--out", str(out)]) == 0
    assert load_study(out).recordings["a_b"].nwb.path == str(path)
    assert main(["check", str(out)]) == 0
    assert main(["new", str(path), "--out", str(out)]) == 1
    assert "there already" in capsys.readouterr().err
    assert main(["new", str(path)]) == 0 and "study: a_b-first" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name",
    [
        "a8604_minimal", "alm_trials", "human_mtl_sub-4_ses-4", "linear_track", "mouse28_head_direction",
        "noise_current_cell3", "worm_calcium",
    ],
)  # fmt: skip
def test_real_recordings_get_a_study_that_the_data_accept(name, repository):
    path = repository.parent / "shared" / "data" / f"{name}.nwb"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    done = start_study(path)
    assert not done.failed and len(done.study.models) >= 3
    assert name == "a8604_minimal" or done.study.data.signals.keys() - {"drift"}


@pytest.mark.parametrize(
    "value", ["on", "null", "a: b", "it's", 'say "x"', "2 pi", "caf\u00e9", "- x", "#", "[a]", "1e3", "", 0.1, 3, True]
)
def test_what_is_written_reads_back(value):
    assert parse_yaml(f"key: {scalar(value)}".encode(), "here")["key"] == value
    assert parse_yaml(f"key: {flow({'of': [value, value]})}".encode(), "here")["key"] == {"of": [value, value]}


def test_names_are_short_and_told_apart():
    known = ["acquisition/x", "stimulus/presentation/x", "processing/behavior/Position/position"]
    assert short_name(known[0], known) == "acquisition/x" and short_name(known[2], known) == "position"
    assert as_name("caf\u00e9 x/y", ()) == "caf_x_y" and as_name("x", ["x", "x_2"]) == "x_3"
    assert as_name("_-", ()) == "signal" and as_name("9", ()) == "9"
