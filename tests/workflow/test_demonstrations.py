"""The built-in studies, as `make run` runs them: the true model wins, and the true filters come back."""

import pandas as pd
import pytest

import nwbglm

from .conftest import Workflow

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory, repository):
    """The studies, run to the end."""
    workflow = Workflow(tmp_path_factory.mktemp("demonstrations"), repository)
    for study in ("demo_head_direction", "demo_injected_current", "demo_trials"):
        workflow.run(study=str(repository / "config" / f"{study}.yaml"))
    return workflow.folder / "results"


def table(results, study, name):
    return pd.read_parquet(results / study / "comparison" / f"{name}.parquet")


def median_scores(results, study, kind):
    scores = table(results, study, "scores")
    scores = scores[(scores["kind"] == kind) & scores["fold"].isin(["pooled", "test"])]
    return scores.groupby("model")["bits_per_spike"].median()


def truth(results, study, session):
    drawn = pd.read_csv(results / study / "figures" / session / "truth.csv")
    return drawn.groupby(["quantity", "model"])[["correlation", "relative_error"]].first()


def test_the_true_model_wins_for_coupled_head_direction_cells(demonstrations):
    scores = median_scores(demonstrations, "demo-head-direction", "held-out")
    assert scores.idxmax() == "full"
    pairs = table(demonstrations, "demo-head-direction", "pairs")
    pooled = pairs[(pairs["fold"] == "pooled") & (pairs["kind"] == "held-out")]
    for other in ("coupling", "heading"):
        rows = pooled[(pooled["model"] == "full") & (pooled["other"] == other)]
        assert len(rows) >= 30 and (rows["bits_per_spike"] > 0).all(), other


@pytest.mark.parametrize("session", ["mouse-A", "mouse-B", "mouse-C"])
def test_true_coupling_and_tuning_come_back(demonstrations, session):
    found = truth(demonstrations, "demo-head-direction", session)
    coupling = found.loc["coupling (log gain per spike)"]
    assert coupling.loc["full", "correlation"] > 0.9 and coupling.loc["full", "relative_error"] < 0.4
    assert coupling["relative_error"].idxmin() == "full", "a model without the heading mistakes it for coupling"
    tuned = found.loc["rate by heading (Hz)"].loc["full"]
    assert tuned["correlation"] > 0.99 and tuned["relative_error"] < 0.1


@pytest.mark.parametrize("kind", ["held-out", "test"])
def test_the_true_model_wins_for_injected_current(demonstrations, kind):
    scores = median_scores(demonstrations, "demo-injected-current", kind)
    assert scores["history+own-spikes"] > scores["history"] > scores["instantaneous"] > scores["constant"]


@pytest.mark.parametrize("session", ["cell-1", "cell-2"])
def test_the_true_current_filter_comes_back(demonstrations, session):
    found = truth(demonstrations, "demo-injected-current", session)
    current = found[found.index.get_level_values("quantity").str.contains("current")]
    best = current.xs("history+own-spikes", level="model")
    assert (best["correlation"] > 0.9).all() and (best["relative_error"] < 0.4).all(), found


def test_the_true_model_of_trials_wins(demonstrations):
    scores = median_scores(demonstrations, "demo-trials", "held-out")
    assert scores.idxmax() == "full"
    pairs = table(demonstrations, "demo-trials", "pairs")
    pooled = pairs[(pairs["fold"] == "pooled") & (pairs["kind"] == "held-out")]
    differences = pooled.groupby(["model", "other"])["bits_per_spike"]
    assert differences.min()["full", "drift"] > 0 and differences.median()["full", "no-drift"] > 0.003
    assert abs(differences.median()["too-much", "full"]) < 0.001  # what drives nothing adds nothing


def test_kernels_drift_side_and_history_of_trials_come_back(demonstrations):
    found = truth(demonstrations, "demo-trials", "mouse-1").xs("full", level="model")
    for quantity, correlation, error in (
        ("cue filter (log gain)", 0.9, 0.4),
        ("go filter (log gain)", 0.9, 0.4),
        ("drift tuning (log gain)", 0.9, 0.4),
        ("side tuning (log gain)", 0.95, 0.4),
        ("own history (log gain per spike)", 0.9, 0.4),
    ):
        assert found.loc[quantity, "correlation"] > correlation, found
        assert found.loc[quantity, "relative_error"] < error, found


def test_every_fit_of_the_demonstrations_ends_well(demonstrations):
    for study in ("demo-head-direction", "demo-injected-current", "demo-trials"):
        fits = table(demonstrations, study, "fits")
        assert set(fits["status"]) == {"ok"}, fits
        assert fits["gradient_norm"].max() < 1e-4


def test_filters_are_receiver_by_sender_by_lag(demonstrations):
    from nwbglm.filters import filters

    fit = nwbglm.open(demonstrations / "demo-head-direction" / "fits" / "full" / "mouse-A.0-of-1.zarr.zip")
    coupling = filters(fit, "coupling")
    assert coupling.dims == ("receiver", "sender", "lag") and coupling.sizes["lag"] == 80
    assert coupling.sizes["receiver"] == coupling.sizes["sender"] == fit.sizes["unit"]
