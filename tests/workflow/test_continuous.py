"""A small recording of fluorescence, without a spike, from the file to the report."""

import numpy as np
import pandas as pd
import pytest
import yaml
from built_files import built
from continuous_files import add_imaging
from pynwb.base import TimeSeries

import nwbglm

from .conftest import Workflow

pytestmark = pytest.mark.slow

STUDY = {
    "study": "small",
    "recordings": {"a": {"nwb": "a.nwb"}},
    "epochs": {"use": {"intervals": [["0 s", "60 s"]]}},
    "response": {"from": "dff", "resample": "samples"},
    "bin": "100 ms",
    "units": {"where": "kind == 'pyr'"},
    "signals": {"speed": {"from": "speed"}},
    "tuning": {"speed": {"of": "speed", "bins": 6}},
    "terms": {
        "speed": {"of": "speed", "basis": "identity"},
        "history": {"of": "own response", "basis": {"raised_cosine_log": {"n": 2, "window": "500 ms"}}},
        "coupling": {"of": "all responses", "basis": {"raised_cosine_log": {"n": 2, "window": "500 ms"}}},
    },
    "models": {"constant": [], "speed": ["speed"], "full": ["speed", "history"], "coupled": ["coupling"]},
    "fit": {"penalty": "none", "folds": {"blocks": 3}},
    "figures": {"window": {"start": "1 s", "length": "10 s"}},
}


def test_fluorescence_runs_to_a_report_in_its_own_words(tmp_path, repository):
    rng = np.random.default_rng(0)
    speed = np.cumsum(rng.normal(size=600)) / 5
    values = np.outer(speed, [0.0, 1.0, 2.0, 3.0]) + 0.3 * rng.normal(size=(600, 4))

    def fill(file):
        add_imaging(file, values, rows=[0, 1, 2, 3])
        file.add_acquisition(TimeSeries(name="speed", data=speed, unit="cm/s", rate=10.0, starting_time=0.0))

    built(tmp_path / "a.nwb", fill)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    workflow = Workflow(tmp_path, repository)
    workflow.run()
    fits = nwbglm.open(next((workflow.results / "fits" / "speed").glob("*.zarr.zip")))
    assert fits["unit"].values.tolist() == [11, 13, 14]
    kept = np.flatnonzero(fits["trained"].sel(fit="final").values)
    row = fits["row"].values[kept]
    x = np.column_stack([np.ones(len(row)), speed[row].astype(np.float32)])
    for unit, column in enumerate([0, 2, 3]):
        theirs = np.linalg.lstsq(x, values[row, column], rcond=None)[0]
        np.testing.assert_allclose([fits.intercept[unit], fits.coef[unit, 0]], theirs, atol=1e-8)
    scores = pd.read_parquet(workflow.results / "comparison" / "scores.parquet")
    assert scores["bits_per_spike"].isna().all()
    best = scores[(scores.model == "speed") & (scores.kind == "held-out") & (scores.unit == 14)]
    assert best["deviance_explained"].min() > 0.9
    page = (workflow.results / "report" / "sessions" / "a.html").read_text()
    report = (workflow.results / "report" / "index.html").read_text()
    assert "The response of an example unit" in page and "dF/F" in page
    for text in (page, report):
        for word in ("bits per spike", "Rate (Hz)", "Poisson", "Spikes were counted"):
            assert word not in text
