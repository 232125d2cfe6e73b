"""Continuous responses from a file to a fit: values, gaps, selection and coefficients against independent sums."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from built_files import built
from continuous_files import add_imaging
from pynwb.base import TimeSeries
from small_sessions import TERMS, Stages, binned_session

from nwbglm import response
from nwbglm.audit import audit_recording
from nwbglm.binning import bin_recording
from nwbglm.binning.join import join_recordings
from nwbglm.errors import ProblemError, RecordingError, StudyError
from nwbglm.fits.generate import simulate
from nwbglm.fits.predict import predict_recording
from nwbglm.recording.model import open_recording
from nwbglm.study import DataSettings, read_study
from nwbglm.tuning import tune_units
from nwbglm.tuning.curves import mean_limits


def settings(**more) -> DataSettings:
    plain = {"bin": "100 ms", "epochs": {"use": {"intervals": [["0 s", "60 s"]]}}, "response": "dff"}
    return DataSettings.model_validate(plain | more)


def binned(path, **more):
    with open_recording(path, session="a") as recording:
        return bin_recording(recording, settings(**more))


def imaging(rng, values=None, conversion=1.0, rate=30.0):
    """Return what fills a file with a series of four columns, and its stored values."""
    values = rng.normal(size=(1800, 4)) if values is None else values

    def fill(file):
        file.add_acquisition(
            TimeSeries(name="dff", data=values, unit="n.a.", rate=rate, starting_time=0.0, conversion=conversion)
        )

    return fill, values


def test_means_of_bins_equal_an_independent_sum(tmp_path):
    fill, values = imaging(np.random.default_rng(0), conversion=0.5)
    data = binned(built(tmp_path / "a.nwb", fill))
    place = np.floor(np.round(np.arange(1800) / 30, 9) / 0.1 + 1e-9).astype(int)
    sums = np.stack([np.bincount(place, column) / np.bincount(place) for column in 0.5 * values.T], axis=1)
    np.testing.assert_allclose(data["response"], sums, atol=1e-9, rtol=0)
    assert response.of(data) == response.Facts("continuous", "dff", "", 0.1)
    assert data["unit"].values.tolist() == [0, 1, 2, 3] and "exposure" not in data
    np.testing.assert_allclose(data["mean"], sums.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(data["sd"], sums.std(axis=0), atol=1e-12)


@pytest.mark.parametrize("how", ["interpolate", "hold"])
def test_slow_series_are_brought_between_their_samples(tmp_path, how):
    fill, values = imaging(np.random.default_rng(1), values=np.random.default_rng(1).normal(size=(120, 4)), rate=2.0)
    data = binned(built(tmp_path / "a.nwb", fill), response={"from": "dff", "resample": how})
    centres, times = (np.arange(600) + 0.5) * 0.1, np.arange(120) / 2
    for column in range(4):
        if how == "hold":
            expected = values[np.searchsorted(times, centres + 1e-9, side="right") - 1, column]
        else:
            expected = np.where(centres <= times[-1], np.interp(centres, times, values[:, column]), np.nan)
        np.testing.assert_allclose(data["response"].values[:, column], expected, atol=1e-9, rtol=0)


def gappy(file):
    """Series of one unit each, on the same irregular times with gaps; the third has missing frames of its own."""
    rng = np.random.default_rng(3)
    times = np.delete(np.arange(600) * 0.1 + rng.uniform(0, 0.002, 600), np.r_[100:160, 300:301])
    for k in (10, 2, 1):
        values = rng.normal(size=len(times)) + k
        if k == 1:
            values[50:53] = np.nan
        file.add_acquisition(TimeSeries(name=f"roi_{k}", data=values, unit="mV", timestamps=times))


def test_samples_are_the_bins_and_gaps_end_segments(tmp_path):
    path = built(tmp_path / "a.nwb", gappy)
    asked = {"from": "acquisition/roi_*", "resample": "samples", "units": "V", "name": "potential"}
    data = binned(path, response=asked)
    assert data["unit"].values.tolist() == [1, 2, 10] and data["series"].values.tolist() == ["roi_1", "roi_2", "roi_10"]
    with open_recording(path, session="a") as recording:
        series = recording.find_series("roi_1")
        np.testing.assert_array_equal(data["time"], series.times())
        np.testing.assert_allclose(data["response"].values[:, 0], series.values() / 1000, atol=1e-15)
    assert np.bincount(data["segment"].values).tolist() == [100, 140, 299]
    assert response.of(data).label == "potential (V)"
    missing = np.zeros((539, 3), bool)
    missing[50:53, 0] = True
    np.testing.assert_array_equal(data["exposure"] == 0, missing)
    np.testing.assert_array_equal(np.isnan(data["response"]), missing)
    with pytest.raises(RecordingError, match=r"write `bin: 100\.\d* ms`"):
        binned(path, bin="50 ms", response=asked)


def test_bins_without_a_sample_are_not_observed(tmp_path):
    data = binned(built(tmp_path / "a.nwb", gappy), response="acquisition/roi_*", bin="200 ms")
    lost = np.isnan(data["response"].values)
    assert lost[:, 1].sum() == 30 and lost[:, 0].sum() == 32  # a bin of which one sample is missing has no mean
    np.testing.assert_array_equal(data["exposure"].values, (~lost).astype(np.float32))


def test_units_are_chosen_by_what_the_file_and_the_bins_say(tmp_path):
    path = built(tmp_path / "a.nwb", gappy)
    kept = binned(path, response="acquisition/roi_*", units={"where": "mean > 1.5 and series != 'roi_10'"})
    assert kept["unit"].values.tolist() == [2]
    with pytest.raises(StudyError, match=r"known here: .*mean.*sd"):
        binned(path, response="acquisition/roi_*", units={"where": "rate > 1"})
    with pytest.raises(
        RecordingError, match=r"no series matches[\s\S]*known here: acquisition/roi_1, acquisition/roi_10"
    ):
        binned(path, response="acquisition/Activity_*")
    with pytest.raises(RecordingError, match=r"the file has no units[\s\S]*response: acquisition/roi"):
        binned(path, response=None)


def test_rois_are_known_by_their_table(tmp_path):
    path = built(tmp_path / "a.nwb", lambda file: add_imaging(file, np.arange(8.0).reshape(2, 4), rows=[3, 2, 1, 0]))
    data = binned(path, units={"where": "kind == 'pyr'"}, response={"from": "dff", "resample": "interpolate"})
    assert data["unit"].values.tolist() == [14, 13, 11] and data["size"].values.tolist() == [4.0, 3.0, 1.0]
    assert data["column"].values.tolist() == [0, 1, 3] and response.of(data).name == "dF/F"


def test_rois_by_time_are_refused_with_the_reason(tmp_path):
    path = built(tmp_path / "a.nwb", lambda file: add_imaging(file, np.zeros((4, 50)), rows=[0, 1, 2, 3]))
    with pytest.raises(RecordingError, match=r"\(4, 50\).* transposed"):
        binned(path)
    path = built(tmp_path / "b.nwb", lambda file: add_imaging(file, np.zeros((50, 4)), rows=[0, 1, 2, 3]))
    with h5py.File(path, "a") as file:
        file["processing/ophys/DfOverF/dff/rois"][3] = 9
    with pytest.raises(RecordingError, match="names row 9 of 4 rows"):
        binned(path)


def test_slopes_of_fluorescence_on_speed(repository):
    path = repository.parent / "shared" / "cases" / "nwb" / "imaging_without_spikes.nwb"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    more = {"signals": {"drive": {"from": "speed"}}, "epochs": {"use": {"table": "epochs"}}}
    data = binned(path, response={"from": "dff", "resample": "samples"}, **more)
    fits = Stages(data, ["drive"]).fit("drive", fit=NONE | {"observations": "gaussian"})
    np.testing.assert_allclose(fits.coef[:, 0], [0, 1, 2, 3], atol=0.02)
    assert (fits.status.values == 0).all() and data.sizes["time"] == 2000


def test_blanked_time_is_not_observed(tmp_path):
    fill, _ = imaging(np.random.default_rng(0))
    data = binned(built(tmp_path / "a.nwb", fill), blank={"off": {"epochs": {"intervals": [["1 s", "2 s"]]}}})
    assert np.flatnonzero(np.isnan(data["response"].values[:, 0])).tolist() == list(range(10, 20))


def test_an_audit_says_what_it_takes(tmp_path):
    audit = audit_recording(built(tmp_path / "a.nwb", gappy), settings(response="acquisition/roi_*"), session="a")
    taken = audit.takes["response"]
    assert (taken["selected"], taken["of"], taken["units"]) == (3, 3, "mV")
    codes = {finding.code for finding in audit.findings}
    assert "response-gaps" in codes and "no-units" not in codes and audit.verdict == "warn"
    assert "Response: roi" in audit.html()


def continuous(values, **signals):
    session = binned_session(np.ones(values.shape), **signals)
    session["response"] = (("time", "unit"), values, response.about("continuous", "dF/F", ""))
    known = np.isfinite(values)
    return session if known.all() else session.assign(exposure=(("time", "unit"), known.astype(np.float32)))


def drawn(seed=0, rows=1200):
    rng = np.random.default_rng(seed)
    drive = rng.normal(size=rows)
    values = np.outer(drive, [0.0, 1.0, 2.0, 3.0]) + rng.normal(size=(rows, 4))
    values[100:130, 1] = np.nan
    return continuous(values, drive=drive), drive, values


NONE = {"penalty": "none", "tolerance": 1e-14}


def test_gaussian_coefficients_are_those_of_least_squares():
    session, drive, values = drawn()
    fits = Stages(session, ["drive"]).fit("drive", fit=NONE | {"observations": "gaussian"})
    for unit in range(4):
        known = np.isfinite(values[:, unit])
        x = np.column_stack([np.ones(known.sum()), drive[known].astype(np.float32)])
        intercept, slope = np.linalg.lstsq(x, values[known, unit], rcond=None)[0]
        np.testing.assert_allclose([fits.intercept[unit], fits.coef[unit, 0]], [intercept, slope], atol=1e-9)
        assert fits.rows[unit] == known.sum()
    assert response.of(fits) == response.of(session)


def test_gamma_coefficients_are_those_of_statsmodels():
    api = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(5)
    drive = rng.normal(size=1500)
    values = rng.gamma(4.0, np.exp(0.3 + np.outer(drive, [0.2, -0.4])) / 4.0)
    fits = Stages(continuous(values, drive=drive), ["drive"]).fit("drive", fit=NONE | {"observations": "gamma"})
    x = np.column_stack([np.ones(1500), drive.astype(np.float32)])
    for unit in range(2):
        family = api.families.Gamma(api.families.links.Log())
        theirs = api.GLM(values[:, unit], x, family=family).fit(tol=1e-14, maxiter=200)
        np.testing.assert_allclose([fits.intercept[unit], fits.coef[unit, 0]], theirs.params, atol=1e-8)


def test_gamma_refuses_a_value_of_zero_by_its_unit():
    session, *_ = drawn()
    with pytest.raises(ProblemError, match="above 0, and a bin of unit 1, 2, 3, 4 holds"):
        Stages(session, ["drive"]).fit("drive", fit={"observations": "gamma"})


def test_own_response_is_a_history_and_predictions_are_in_its_units():
    TERMS["own"] = {"of": "own response", "basis": {"lags": {"window": "20 ms"}}}
    rng = np.random.default_rng(7)
    values = np.zeros((3000, 2))
    for t in range(1, 3000):
        values[t] = 0.7 * values[t - 1] + rng.normal(size=2)
    session = continuous(values)
    stages = Stages(session, ["own"])
    fits = stages.fit("own", fit=NONE | {"observations": "gaussian"})
    np.testing.assert_allclose(fits.coef, [[0.7, 0], [0.7, 0]], atol=0.06)
    predicted = predict_recording(fits, session)
    past = np.stack([values[1:-1], values[:-2]])
    expected = fits.intercept.values + (past * fits.coef.values.T[:, None]).sum(axis=0)
    np.testing.assert_allclose(predicted.values[2:], expected, atol=1e-5)
    assert predicted.attrs["units"] == ""
    counts = binned_session(np.ones((10, 2)))
    with pytest.raises(ProblemError, match="explains dF/F and the recording holds spike count"):
        predict_recording(fits, counts)


def test_tuning_is_the_mean_response():
    session, drive, values = drawn()
    more = session.assign_coords(unit=[1, 2, 3, 4])
    data = DataSettings.model_validate(
        {
            "bin": "10 ms",
            "epochs": {"use": {}},
            "response": "x",
            "signals": {"drive": {"from": "drive"}},
            "tuning": {"drive": {"of": "drive", "bins": 5, "range": [-2, 2]}},
        }
    )
    found = tune_units(more, data)
    place = np.digitize(drive, np.linspace(-2, 2, 6)) - 1
    for unit in range(4):
        means = [np.nanmean(values[place == k, unit]) for k in range(5)]
        np.testing.assert_allclose(found["rate_drive"][unit], means, atol=1e-9)
    assert found["rate_drive"].attrs["units"] == "" and "information_drive" not in found
    assert (found["low_drive"] < found["rate_drive"]).all() and (found["high_drive"] > found["rate_drive"]).all()


def test_limits_of_a_mean_count_visits_not_bins():
    values, place = np.repeat([1.0, 3.0, 2.0], 50)[:, None], np.repeat([0, 1, 0], 50)
    low, high = mean_limits(values, place, np.array([[1.5, 3.0]]), 0.95)
    np.testing.assert_allclose(high[0, 0] - 1.5, 12.7062047 * 0.5, rtol=1e-6)  # two visits: one degree of freedom
    assert np.isnan(low[0, 1])


def test_joined_days_have_one_mean():
    days = [drawn(seed)[0].assign_attrs(session=f"d{seed}") for seed in (0, 1)]
    for day in days:
        day.coords["segment_label"] = ("segments", ["all"])
        day.coords["segment_start"], day.coords["segment_stop"] = ("segments", [0.0]), ("segments", [12.0])
    joined = join_recordings(days, session="both")
    values = np.concatenate([day["response"].values for day in days])
    np.testing.assert_allclose(joined["mean"], np.nanmean(values, axis=0), atol=1e-12)
    np.testing.assert_allclose(joined["sd"], np.nanstd(values, axis=0), atol=1e-12)
    assert response.of(joined) == response.of(days[0])


STUDY = {
    "study": "s",
    "recordings": {"a": {"nwb": "a.nwb"}},
    "epochs": {"use": {"table": "epochs"}},
    "bin": "100 ms",
    "response": "dff",
    "models": {"constant": []},
}


def test_a_study_of_a_continuous_response_is_gaussian_unless_it_says_otherwise():
    assert read_study(STUDY).fit.observations == "gaussian"
    assert read_study(STUDY | {"fit": {"observations": "gamma"}}).fit.observations == "gamma"
    assert read_study({k: v for k, v in STUDY.items() if k != "response"}).fit.observations == "poisson"


HISTORY = {"of": "own spikes", "basis": {"lags": {"window": "1 s"}}}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"fit": {"observations": "poisson"}}, "fit.observations: poisson is a model of counts.*use gaussian"),
        ({"models": {"m": {"observations": "bernoulli"}}}, "models.m.observations: bernoulli is a model of counts"),
        ({"terms": {"h": HISTORY}}, "terms.h.of: the response is continuous.*write `own response`"),
        ({"blank": {"b": {"silence": "1 s"}}}, "blank.b.silence: is of spikes"),
        ({"response": None, "fit": {"observations": "gamma"}}, "gamma is a model of values above 0.*use poisson"),
    ],
)
def test_what_does_not_fit_the_response_is_a_mistake(more, said):
    with pytest.raises(StudyError, match=said):
        read_study(STUDY | more)


def test_a_gaussian_model_draws_what_it_was_fitted_to():
    TERMS["own"] = {"of": "own response", "basis": {"lags": {"window": "20 ms"}}}
    rng = np.random.default_rng(9)
    drive, values = rng.normal(size=4000), np.zeros((4000, 2))
    for t in range(1, 4000):
        values[t] = 0.6 * values[t - 1] + np.array([1.0, -2.0]) * drive[t] + 0.5 * rng.normal(size=2)
    session = continuous(values, drive=drive)
    fits = Stages(session, ["own", "drive"]).fit("own", "drive", fit=NONE | {"observations": "gaussian"})
    made = simulate(fits, session, draws=2, seed=1)
    assert response.of(made.assign_attrs(bin=0.01)) == response.of(session) and np.isnan(made["ran_away"]).all()
    again = Stages(continuous(made["response"].values[0], drive=drive), ["own", "drive"])
    refit = again.fit("own", "drive", fit=NONE | {"observations": "gaussian"})
    np.testing.assert_allclose(refit.coef, fits.coef, atol=0.05)
    np.testing.assert_allclose(refit.dispersion, fits.dispersion, rtol=0.1)
    explosive = fits.copy(deep=True)
    explosive["coef"][:, explosive["term"] == "own"] = 1.5
    assert (simulate(explosive, session, draws=1, seed=0)["ran_away"] < 1.0).all()


def test_a_gamma_model_draws_values_of_its_shape():
    rng = np.random.default_rng(5)
    drive = rng.normal(size=3000)
    values = rng.gamma(4.0, np.exp(0.3 + np.outer(drive, [0.2, -0.4])) / 4.0)
    session = continuous(values, drive=drive)
    fits = Stages(session, ["drive"]).fit("drive", fit=NONE | {"observations": "gamma"})
    made = simulate(fits, session, draws=1, seed=2)["response"].values[0]
    expected = np.exp(fits.intercept.values + np.outer(drive, fits.coef.values[:, 0]))
    assert made.min() > 0
    np.testing.assert_allclose((made / expected).mean(axis=0), 1.0, atol=0.05)
    np.testing.assert_allclose((made / expected).var(axis=0), fits.dispersion, rtol=0.15)
