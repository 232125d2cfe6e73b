"""What a study's tests can resolve, before it is run; coverage of intervals and sizes of the other nulls, in small."""

import numpy as np
import pandas as pd
import pytest
import yaml
from built_files import add_units, built, series
from drifting_sessions import NONE, session, stages_of

from nwbglm import cli
from nwbglm.foresight import foresee
from nwbglm.inference.coverage import check_sizes, coverage, simulate_coupled
from nwbglm.inference.exchanges import CASES, exchanges
from nwbglm.inference.resolve import Resolution, resolution_text, resolve_test
from nwbglm.inference.simulated import slow
from nwbglm.study import Fit, Model, read_study
from nwbglm.study.inference import FalseDiscoveries, TermTest


def resolved(binned, terms=("drive", "drift"), term="drive", drift=True, units=24, **test):
    stages = stages_of(binned, terms, 40)
    return resolve_test(
        binned, stages.folds, stages.features, test=TermTest(term=term, model="m", **test), name="t",
        model=Model(terms=terms), fit=Fit.model_validate(NONE), fdr=FalseDiscoveries(), drift=drift, all_units=units,
        repeats=12,
    )  # fmt: skip


def test_strong_effects_are_found_and_none_where_there_are_few_stretches():
    found = resolved(session(rows=3000), draws=99)
    assert found.null == "circular" and found.stretches > 20 and not found.said
    assert found.rejected[0.0] <= 0.25 and found.rejected[0.4] >= 0.9 and 0.03 < found.detectable <= 0.2
    assert found.least == 5 and "accepts 5 units together, or none" in resolution_text(found)  # 24 / (100 x .05)
    assert "found in 80% of units" in resolution_text(found)
    drive = slow(np.random.default_rng(0), 3000, 1500)
    slowly = resolved(session(rows=3000).assign(drive=("time", drive, {"role": "signal", "units": "au"})), draws=999)
    assert slowly.stretches < 6 and "hardly decide" in slowly.said[0] and slowly.least == 1
    assert slowly.rejected[0.1] < found.rejected[0.1]


def test_what_has_no_power_to_be_told():
    own = resolved(session(rows=1000), ("short", "drift"), term="short", draws=19)
    assert own.rejected == {} and "own spikes" in own.said[-1]
    trials = resolved(session(rows=1000, segment=np.repeat(np.arange(20), 50)), null="trials", draws=49)
    assert trials.stretches == 20 and "trials that can be exchanged" in resolution_text(trials)
    assert resolved(session(rows=1000), drift=False, draws=99).null == "linear"
    never = Resolution("t", "s", "linear", 10, 1, 0.1, 3.0, 99, 1, {0.0: 0.05, 0.4: 0.3}, ())
    assert np.isnan(never.detectable) and "no effect up to 0.4" in resolution_text(never)


def recording(file):
    random = np.random.default_rng(1)
    add_units(file, [np.sort(random.uniform(0, 120, 1200)), np.sort(random.uniform(0, 120, 600))])
    file.add_epoch(0.0, 120.0, ["wake"])
    times = np.arange(0, 120, 0.05)
    file.add_acquisition(series("arousal", slow(random, len(times), 40), timestamps=times, unit="au"))


def test_the_command_looks_at_the_study_s_own_recording(tmp_path, capsys):
    path = built(tmp_path / "a.nwb", recording)
    config = {
        "study": "x", "recordings": {"one": {"nwb": str(path)}}, "epochs": {"use": {"table": "epochs"}}, "bin": "50 ms",
        "signals": {"x": {"from": "arousal", "resample": "interpolate"}, "t": {"of": "time"}},
        "terms": {"x": {"of": "x", "basis": "identity"}, "drift": {"of": "t", "basis": {"cosine": {"n": 8}}}},
        "models": {"full": ["x", "drift"]},
        "fit": {"folds": {"blocks": 5, "cut": "rows", "pieces": 40}},
        "inference": {"tests": {"arousal": {"term": "x", "model": "full", "draws": 99}}},
    }  # fmt: skip
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))
    assert cli.main(["calibrate", str(tmp_path / "study.yaml"), "--repeats", "2"]) == 0
    printed = capsys.readouterr().out
    assert "arousal, session one: circular;" in printed and "2 units of 0.375 spikes a bin" in printed
    gone = config | {"inference": {}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(gone))
    assert cli.main(["calibrate", str(tmp_path / "study.yaml")]) == 1
    assert "the study tests no term" in capsys.readouterr().err
    (error,) = foresee(read_study(config | {"recordings": {"one": {"nwb": str(tmp_path / "b.nwb")}}}))
    assert "b.nwb" in str(error)


def test_couplings_are_recovered_by_their_intervals_and_a_missed_drift_is_not():
    table = coverage(repeats=2, rows=4000, units=4).set_index(
        ["drift", "term of time", "penalty", "method", "couplings"]
    )
    assert table.loc[(False, False, "ridge", "block + prior", "all"), "covered"] >= 0.85
    missed, mended = (table.loc[(True, timed, "ridge", "block + prior", "all"), "covered"] for timed in (False, True))
    assert mended > missed
    data = simulate_coupled(20_000, 3, np.random.default_rng(0), drift=0.0)
    assert 0.05 < data.counts.mean() < 0.5 and data.features.shape == (20_000, 12)
    # a feature is the kernel over the past of its sender: the present is no part of it
    past = sum(data.kernel[lag, 2] * data.counts[500 - 1 - lag, 1] for lag in range(len(data.kernel)))
    assert data.features[500, 1 * 4 + 2] == pytest.approx(past)


def test_checks_of_right_models_are_counted():
    table = check_sizes(repeats=2, rows=1500)
    assert len(table) == 14 and table[table.observations == "gaussian"].ks.isna().all()
    assert (table.residuals <= 1).all()


@pytest.mark.parametrize("case", range(len(CASES)), ids=[case.null for case in CASES])
def test_every_other_null_runs_on_what_it_is_for(case, monkeypatch):
    from nwbglm.inference import exchanges as module

    monkeypatch.setattr(module, "CASES", (CASES[case],))
    table = exchanges(repeats=3, draws=19)
    assert isinstance(table, pd.DataFrame) and table.effect.tolist() == [False, True]
    assert table.rejected.between(0, 1).all() and (table.standard_error > 0).all()
