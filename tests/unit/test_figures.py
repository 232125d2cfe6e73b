"""Figures: which a study has, that they are repeatable, and that the numbers behind them are the stores' numbers."""

import io
import re
import subprocess
import sys
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import small_sessions
import xarray as xr
from synthetic_stores import head_direction_session, injected_current_session, study_of

from nwbglm import comparison, figures
from nwbglm.figures import coupling, rates, style
from nwbglm.figures import truth as truth_figure
from nwbglm.figures.session import interrupt, segment_breaks, smooth
from nwbglm.figures.terms import find_moments
from nwbglm.filters import filters
from nwbglm.study import load_study, read_study

HEAD_DIRECTION = [
    "overview",
    "shapes",
    "rows",
    "rates",
    "tuning-heading",
    "population-heading",
    "basis",
    "window-raw-history",
    "features-raw-history",
    "features-history",
    "equations",
    "coefficients-raw-history",
    "coefficients-history",
    "coefficients-coupling",
    "coefficients-heading",
    "coefficients-full",
    "mean_rates",
    "simulated",
    "filters-raw-history",
    "filters-history",
    "filters-heading",
    "halves",
    "coupling-coupling",
    "coupling-full",
    "scores",
]
CURRENT = [
    "overview",
    "shapes",
    "rows",
    "rates",
    "tuning-current",
    "basis",
    "window-history",
    "features-current-history",
    "features-history",
    "equations",
    "coefficients-current",
    "coefficients-current-history",
    "coefficients-history+own",
    "mean_rates",
    "simulated",
    "filters-current",
    "filters-current-history",
    "filters-history",
    "scores",
]


def stores(session):
    return session._asdict() | {"study": study_of(session)}


def draw(name, session, **changes):
    given = {key: value for key, value in (stores(session) | changes).items() if key != "name"}
    return figures.draw_session(name, **given)


@pytest.fixture(scope="module")
def ring():
    return head_direction_session()


@pytest.fixture(scope="module")
def silent():
    return head_direction_session("mouse-2", seed=3, silent_unit=True)


@pytest.fixture(scope="module")
def cell():
    return injected_current_session()


# ------------------------------------------------------------------------------------------------ the catalogue


def test_a_study_names_its_figures_before_any_data(ring, cell):
    assert figures.figures_of(study_of(ring)) == HEAD_DIRECTION
    assert figures.figures_of(study_of(cell)) == CURRENT
    assert figures.overall_figures_of(study_of(cell)) == ["scores", "differences", "preferences"]


def test_the_studies_of_the_project_have_their_figures(repository):
    names = figures.figures_of(load_study(repository / "config" / "demo_head_direction.yaml"))
    assert {"truth", "halves", "population-heading", "coupling-full", "coupling-coupling", "rates"} <= set(names)
    assert len(names) == len(set(names))
    assert "truth" not in figures.figures_of(load_study(repository / "config" / "head_direction.yaml"))
    current = figures.figures_of(load_study(repository / "config" / "injected_current.yaml"))
    assert {"rates", "tuning-current", "features-current-history", "filters-current-history"} <= set(current)


def test_the_catalogue_loads_nothing_heavy():
    code = (
        "import sys, nwbglm.figures, nwbglm.report;"
        "print([m for m in ('jax', 'numpy', 'pandas', 'xarray', 'matplotlib', 'jinja2') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_figure_has_words():
    for registry in (figures.FIGURES, figures.OVERALL):
        for family, spec in registry.items():
            assert "-" not in family and "Good" in spec.caption and spec.needs


# ------------------------------------------------------------------------------------------------ every figure


@pytest.mark.parametrize("name", HEAD_DIRECTION)
def test_head_direction_figures(name, ring):
    check_figure(*draw(name, ring))


@pytest.mark.parametrize("name", CURRENT)
def test_injected_current_figures(name, cell):
    check_figure(*draw(name, cell))


def check_figure(figure, table):
    """Axes have labels, the table has numbers, the SVG is well formed and carries no date."""
    assert len(table) and "message" not in table
    assert table.select_dtypes("number").notna().any().any()
    words = [axes.get_xlabel() + axes.get_ylabel() for axes in figure.axes] + [figure.get_supxlabel()]
    assert any(words) or not figure.axes[0].axison
    text = style.svg_text(figure)
    ElementTree.fromstring(text)
    assert "<dc:date>" not in text and len(text) < 600_000
    for axes in figure.axes:
        for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
            assert not overlapping(labels), [label.get_text() for label in labels]


def overlapping(labels):
    """Return the neighbours among tick labels that are seen and cover one another."""
    seen = [label for label in labels if label.get_text() and label.get_visible() and not label.get_rotation()]
    boxes = [label.get_window_extent() for label in seen]
    return [(a, b) for a, b in pairwise(boxes) if a.overlaps(b)]


@pytest.mark.parametrize("name", ["population-heading", "scores"])
def test_the_same_numbers_give_the_same_bytes(name, ring):
    first, second = (draw(name, ring) for _ in range(2))
    assert style.svg_text(first[0]) == style.svg_text(second[0])
    assert style.csv_text(first[1]) == style.csv_text(second[1])


def test_a_users_matplotlib_settings_do_not_leak_in(ring):
    import matplotlib as mpl

    plain = style.svg_text(draw("basis", ring)[0])
    with mpl.rc_context({"font.size": 22, "axes.grid": True, "svg.fonttype": "path"}):
        assert style.svg_text(draw("basis", ring)[0]) == plain


@pytest.mark.parametrize("name", HEAD_DIRECTION)
def test_a_session_without_units_is_said_in_words(name, ring):
    none = {"unit": slice(0)}
    empty = ring._replace(
        binned=ring.binned.isel(none),
        tuning=ring.tuning.isel(none),
        fits={m: f.isel(none) for m, f in ring.fits.items()},
        predictions={m: p.isel(none) for m, p in ring.predictions.items()},
    )
    given = {key: value for key, value in empty._asdict().items() if key != "name"}
    figure, table = figures.draw_session(name, study=study_of(ring), **given)
    assert "No unit" in table.message[0] and "No unit" in style.svg_text(figure)


@pytest.mark.parametrize("name", ["population-heading", "halves", "coupling-full", "scores"])
def test_a_silent_unit_is_drawn_beside_the_others(name, silent):
    check_figure(*draw(name, silent))


# ------------------------------------------------------------------------------------------------ numbers behind them


def test_filters_are_basis_functions_times_coefficients(ring):
    fit = ring.fits["full"]
    found = filters(fit, "coupling")
    kernel = fit.kernel_coupling.values
    coef = fit.coef.sel(unit=8).values[(fit.term == "coupling").values & (fit.input == "11").values]
    assert found.sel(receiver=8, sender=11).values == pytest.approx(kernel @ coef, abs=1e-14)


def test_the_filter_of_the_value_itself_is_its_coefficient(cell):
    _, table = draw("filters-current", cell)
    assert set(table.model) == {"current"}
    slope = np.polyfit(table.value, table.log_gain, 1)[0]
    assert slope == pytest.approx(cell.fits["current"].coef.item())


def test_enlarged_moments_are_three_different_ones():
    rate = np.zeros(3000)
    rate[[995, 1005, 2500]] = 50, 60, 40
    assert rates.busy_moments(rate, np.array([], int)) == [(700, 1000), (1000, 1300), (2350, 2650)]
    assert rates.busy_moments(rate, np.array([1003, 2400])) == [(700, 1000), (1003, 1303), (2400, 2700)]


def test_segments_are_set_side_by_side(cell):
    """Sweeps of some files repeat their times: a line over them must not run backwards."""
    binned = cell.binned.copy(deep=True)
    binned["segment"][2500:] = 1
    binned = binned.assign_coords(time=np.r_[binned.time.values[:2500], binned.time.values[:3500]])
    figure, table = draw("rates", cell._replace(binned=binned))
    line = figure.axes[1].lines[0].get_xdata()
    assert np.nanmax(np.diff(line)) < 0.0015 and np.nanmin(np.diff(line)) > 0
    assert np.isnan(line).sum() == 1 and table.time.is_monotonic_increasing is False


def test_the_coupling_table_holds_every_pair_and_lag(ring):
    _, table = draw("coupling-full", ring)
    assert len(table) == 5 * 5 * 12
    own = table[(table.receiver == 7) & (table.sender == "7")]
    assert own.difference_of_preferred.eq(0).all()
    assert table.difference_of_preferred.max() <= np.pi + 1e-12


def test_the_coupling_figure_shows_each_filter_where_its_units_stand(ring):
    figure, table = draw("coupling-full", ring)
    axes = figure.axes[0]
    receivers = [label.get_text() for label in axes.get_yticklabels()]
    preferred = ring.tuning.preferred_heading.to_series()
    assert receivers == [str(unit) for unit in preferred.sort_values().index]
    lines = axes.collections[1].get_segments()
    i, j = receivers.index("11"), receivers.index("3")
    drawn = (i + 0.5 - lines[i * 5 + j][:, 1]) / coupling.ROOM
    wanted = table[(table.receiver == 11) & (table.sender == "3")].log_gain.to_numpy()
    assert np.corrcoef(drawn, wanted)[0, 1] == pytest.approx(1)


def test_tuning_tables_equal_the_stores(ring):
    _, table = draw("tuning-heading", ring)
    mine = table[table.unit == 7]
    assert mine.rate_all.to_numpy() == pytest.approx(ring.tuning.rate_heading.sel(unit=7).values, nan_ok=True)
    model = ring.predictions["heading"].heldout_rate_heading.sel(unit=7).values
    assert mine.heldout_rate_heading.to_numpy() == pytest.approx(model, nan_ok=True)


def test_tuning_of_the_data_is_of_the_rows_that_models_are_scored_on(ring):
    """Rows that are fitted and tested alone: not the last ten seconds, nor the first bins of the window."""
    _, table = draw("tuning-heading", ring)
    mine = table[table.unit == 7]
    rows = ring.folds.row.values[ring.folds.shared.values & ring.folds.test.values.any(axis=0)]
    edges = ring.tuning.edges_heading.values
    heading, counts = ring.binned.heading.values[rows], ring.binned.response.sel(unit=7).values[rows]
    seconds = np.histogram(heading, edges)[0] * 0.01
    spikes = np.histogram(heading, edges, weights=counts)[0]
    assert mine.occupancy.to_numpy() == pytest.approx(seconds) and mine.occupancy_all.sum() == pytest.approx(40)
    with np.errstate(invalid="ignore", divide="ignore"):
        assert mine.rate.to_numpy() == pytest.approx(spikes / seconds, nan_ok=True)


def test_values_that_were_never_there_are_shaded_and_those_on_the_way_are_counted(ring):
    folds = ring.folds.copy(deep=True)
    heading = ring.binned.heading.values[folds.row.values]
    folds["shared"][:] = folds.shared.values & ~((heading > 2.0) & (heading < 3.0))
    figure, table = draw("tuning-heading", ring, folds=folds)
    spans = [
        patch
        for patch in figure.axes[0].patches
        if np.allclose(patch.get_facecolor()[:3], [0.859, 0.894, 0.925], atol=0.01)
    ]
    inside = [patch for patch in spans if 2.0 < patch.get_x() + patch.get_width() / 2 < 3.0]
    assert len(inside) == 1 and inside[0].get_width() == pytest.approx(1.0, abs=0.21)
    assert table[(table.value > 2.1) & (table.value < 2.9)].rate.isna().all()


def test_rates_show_held_out_predictions(ring):
    figure, table = draw("rates", ring)
    assert table.time.iloc[0] == ring.predictions["full"].time.values[0] and len(table) == 1000
    assert table.spikes.sum() == ring.binned.response.sel(unit=7).values[200:1200].sum()
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["data", *ring.fits]


def test_without_held_out_predictions_the_label_says_so(cell):
    blind = {m: p.assign(heldout_rate=p.heldout_rate * np.nan) for m, p in cell.predictions.items()}
    figure, _ = draw("rates", cell._replace(predictions=blind))
    assert [t.get_text() for t in figure.legends[0].get_texts()][1:] == [f"{m} (in-sample)" for m in cell.fits]


def test_a_diverging_prediction_does_not_flatten_the_data(cell):
    wild = dict(cell.predictions)
    wild["current"] = wild["current"].copy(deep=True)
    wild["current"]["heldout_rate"][100:200] = 1e30
    figure, table = draw("rates", cell._replace(predictions=wild))
    assert figure.axes[1].get_ylim()[1] < 4 * table.rate_data.max()


def test_a_diverging_fit_does_not_flatten_the_scores(ring):
    fits = dict(ring.fits)
    fits["full"] = fits["full"].copy(deep=True)
    fits["full"]["test_log_likelihood"][0] = -1e35
    figure, table = draw("scores", ring._replace(fits=fits))
    assert table.bits_per_spike.min() < -1e30
    low, high = figure.axes[0].get_ylim()
    assert -5 < low < 0 < high < 1.2 * table[table.fold == "pooled"].bits_per_spike.max()
    assert any(text.get_text() == "1" for text in figure.axes[0].texts)


def test_halves_correlate_what_was_fitted_on_each(ring):
    _, table = draw("halves", ring)
    mine = table[(table.model == "history") & (table.unit == 7)]
    a, b = (mine[mine.half == half].log_gain.to_numpy() for half in (0, 1))
    assert mine.correlation.iloc[0] == pytest.approx(np.corrcoef(a, b)[0, 1])
    fit = ring.fits["history"].sel(unit=7)
    assert a == pytest.approx(fit.kernel_history.values @ fit.half_coef.values[0])


def test_feature_moments_lie_where_features_are_valid(ring):
    store = ring.features["history"]
    counts = ring.binned.response.sel(unit=7).values[store.row.values]
    found = find_moments(counts, store, 12)
    assert set(found) == {"after a silence", "busiest stretch"}
    for first, last in found.values():
        assert store.valid.values[first:last].all() and counts[first:last].any() and last - first == 31
    assert find_moments(np.zeros_like(counts), store, 12) == {}


def test_overall_figures(ring, silent):
    tables = comparison.compare_models([*ring.fits.values(), *silent.fits.values()])
    for name in figures.overall_figures_of(study_of(ring)):
        figure, table = figures.draw_overall(name, study=study_of(ring), **tables)
        check_figure(figure, table)
        assert name not in ("scores", "differences") or table["session"].nunique() == 2
    nothing = comparison.compare_models([])
    assert "No session" in figures.draw_overall("scores", study=study_of(ring), **nothing)[1].message[0]


# ------------------------------------------------------------------------------------------------ truth


def truth_of(session, model="full"):
    """Make a truth store that equals what a model estimated."""
    fit = session.fits[model]
    found = filters(fit, "coupling")
    ids = fit.unit.values
    return xr.Dataset(
        {
            "coupling": (("receiver", "sender", "lag"), found.values),
            "history": (("unit", "lag"), found.values[np.arange(5), np.arange(5)]),
            "rate_heading": (("unit", "heading"), session.predictions[model].heldout_rate_heading.values),
        },
        coords={
            "unit": ids,
            "receiver": ids,
            "sender": ids,
            "lag": found.lag.values,
            "heading": session.tuning.value_heading.values,
        },
        attrs={"simulation": "head_direction"},
    )


def test_an_exact_estimate_recovers_the_truth(ring):
    figure, table = draw("truth", ring, truth=truth_of(ring))
    full = table[table.model == "full"].drop_duplicates("quantity").set_index("quantity")
    assert set(full.index) == {
        "own history (log gain per spike)",
        "coupling (log gain per spike)",
        "rate by heading (Hz)",
    }
    assert full.correlation.to_numpy() == pytest.approx(1) and full.relative_error.to_numpy() == pytest.approx(0)
    worse = table[(table.model == "coupling") & (table.quantity == "rate by heading (Hz)")]
    assert worse.relative_error.iloc[0] > 0.1
    check_figure(figure, table)


def test_truth_is_matched_by_unit_ids_not_by_position(ring):
    shuffled = truth_of(ring).isel(unit=[4, 2, 0, 1, 3], receiver=[1, 0, 3, 2, 4], sender=[3, 4, 0, 1, 2])
    _, table = draw("truth", ring, truth=shuffled)
    full = table[table.model == "full"]
    assert full.relative_error.to_numpy() == pytest.approx(0, abs=1e-12)


def test_recovery_measures_error_relative_to_the_truth():
    table = pd.DataFrame({"quantity": "q", "model": "m", "true": [1.0, -1, 1, -1], "estimate": [1.5, -1.5, 1.5, -1.5]})
    found = truth_figure.recovery(table).iloc[0]
    assert (found.correlation, found.relative_error) == (pytest.approx(1), pytest.approx(0.5))


def test_recorded_sessions_have_no_truth(ring):
    assert "recorded" in draw("truth", ring)[1].message[0]


# ------------------------------------------------------------------------------------------------ pieces


def test_smoothing_keeps_a_constant_and_its_edges():
    assert smooth(np.full(200, 3.0), np.array([70]), 5, 20) == pytest.approx(3.0)


def test_smoothing_is_a_gaussian_average():
    values = np.zeros(401)
    values[200] = 1.0
    found = smooth(values, np.array([], int), 8.0, 20)
    expected = np.exp(-0.5 * ((np.arange(401) - 200) / 8.0) ** 2)
    inside = slice(125, 276)
    assert found[inside] == pytest.approx((expected / expected.sum())[inside], abs=1e-12)


def test_smoothing_crosses_no_segment_and_keeps_gaps():
    values = np.r_[np.zeros(50), np.ones(50)]
    values[10] = np.nan
    found = smooth(values, np.array([50]), 5, 20)
    assert np.isnan(found[10]) and np.nanmax(found[:50]) == pytest.approx(0, abs=1e-12)
    assert found[50:] == pytest.approx(1)


def test_lines_stop_at_jumps_and_segments():
    breaks = segment_breaks(np.array([0, 1, 2, 7, 8]), np.array([0, 0, 0, 0, 1]))
    assert breaks.tolist() == [3, 4]
    assert np.isnan(interrupt(np.arange(5.0), breaks)).tolist() == [False, False, False, True, False, True, False]


def test_the_envelope_keeps_extremes():
    values = np.random.default_rng(0).normal(size=40_000)
    time, thin = rates.envelope(np.arange(40_000.0), values)
    assert len(thin) <= 2 * rates.ENVELOPE and np.all(np.diff(time) > 0)
    assert thin.max() == values.max() and thin.min() == values.min()


def test_distances_on_the_circle_take_the_shorter_way():
    assert coupling.circular_distance(np.array(0.1), np.array(2 * np.pi - 0.1), 2 * np.pi) == pytest.approx(0.2)
    assert coupling.circular_distance(np.array(350.0), np.array(20.0), 360.0) == pytest.approx(30.0)


def test_the_limits_hide_only_what_would_flatten_the_rest():
    assert style.robust_limits(np.array([0.1, 0.2, 0.3])) == pytest.approx((0.1, 0.3))
    assert style.robust_limits(np.array([0.1, 0.2, 0.3, -1e30])) == pytest.approx((-1.0, 0.3))
    assert style.robust_limits(np.array([-1e30, -1e20, 1e25])) == pytest.approx((-10, 10))
    assert style.robust_limits(np.array([np.nan, np.inf])) == (0.0, 0.0)


def test_maps_show_each_unit_with_its_numbers(ring):
    study = study_of(ring, maps={"place": {"of": ["heading", "heading"]}})
    assert "map-place" in figures.figures_of(study)
    rate = np.random.default_rng(0).uniform(0, 9, (5, 4, 3))
    tuning = ring.tuning.assign(
        map_place=(("unit", "x_place", "y_place"), rate), map_occupancy_place=(("x_place", "y_place"), np.ones((4, 3)))
    ).assign_coords(x_place=np.arange(4.0), y_place=np.arange(3.0))
    given = {key: value for key, value in ring._replace(tuning=tuning)._asdict().items() if key != "name"}
    figure, table = figures.draw_session("map-place", study=study, **given)
    check_figure(figure, table)
    one = table[(table.unit == 8) & (table.x == 3) & (table.y == 1)]
    assert one.rate.item() == rate[2, 3, 1] and len(table) == rate.size


def test_other_links_are_not_called_log_gain(ring):
    study = study_of(ring, fit={"observations": "gaussian"})
    given = {key: value for key, value in ring._asdict().items() if key != "name"}
    figure, _ = figures.draw_session("filters-history", study=study, **given)
    assert figure.get_supylabel() == "Linear predictor per unit of input"
    assert draw("filters-history", ring)[0].get_supylabel() == "Log gain per unit of input"


def test_a_window_around_now_is_shaded_on_both_sides(cell):
    store = cell.features["current-history"].assign_attrs(window=0.01, ahead=0.02)
    figure, _ = draw("features-current-history", cell, features=cell.features | {"current-history": store})
    shaded, now = figure.axes[0].patches[0], figure.axes[0].lines[1].get_xdata()[0]
    assert shaded.get_x() == pytest.approx(now - 0.01) and shaded.get_width() == pytest.approx(0.03)


def test_svg_coordinates_are_short_and_ticks_are_one_line(ring):
    figure, _ = draw("population-heading", ring)
    text = style.svg_text(figure)
    assert not re.search(r' d="[^"]*\.\d{3}', text)
    raster = next(axes for axes in figure.axes if axes.get_title(loc="left") == "data, spikes")
    drawn = [np.isfinite(line.get_ydata()).sum() / 2 for line in raster.lines]
    counts = ring.binned.response.isel(time=slice(200, 1200))
    assert sorted(drawn) == sorted((counts > 0).sum("time").values)


# ------------------------------------------------------------------------------------------------ all terms of a kind

SEVERAL = {
    "early": {"of": "all spikes", "basis": {"raised_cosine_log": {"n": 3, "window": "100 ms"}}},
    "late": {"of": "other spikes", "basis": {"raised_cosine_linear": {"n": 2, "window": "200 ms"}}},
    "own": {"of": "own spikes", "basis": {"raised_cosine_log": {"n": 2, "window": "50 ms"}}},
    "slow": {"of": "own spikes", "basis": {"lags": {"window": "30 ms"}}},
    "now": {"of": "drive", "basis": "identity"},
    "bent": {"of": "drive", "basis": {"polynomial": {"degree": 3}}},
    "gain": {
        "product": [
            {"of": "heading", "basis": {"cyclic_bspline": {"n": 4}}},
            {"of": "drive", "basis": {"polynomial": {"degree": 2}}},
        ]
    },
    "mode": {
        "product": [
            {"of": "state", "basis": {"categorical": {"levels": [0, 1]}}},
            {"of": "own spikes", "basis": {"raised_cosine_log": {"n": 2, "window": "50 ms"}}},
        ]
    },
}


@pytest.fixture(scope="module")
def several():
    """A session and a fit whose model has two terms of every kind, and products."""
    state = (np.arange(1500) // 50 % 2).astype(float)
    binned = small_sessions.head_direction_session(1500, state=state)
    stages = small_sessions.Stages(binned, SEVERAL, blocks=2)
    penalty = {"ridge": {"strength": 1e-2}}
    fit = stages.fit(*SEVERAL, fit={"tolerance": 1e-8, "penalty": penalty}, halves=True).assign_attrs(model="m")
    study = read_study(
        {
            "study": "s",
            "recordings": {"a": {"nwb": "a.nwb"}},
            "epochs": {"use": {"table": "epochs"}},
            "bin": "10 ms",
            "signals": {"heading": {"from": "ry", "period": "2 pi"}, "drive": {"from": "d"}, "state": {"from": "s"}},
            "terms": SEVERAL,
            "models": {"m": {"terms": list(SEVERAL), "halves": True}},
        }
    )
    features = dict(zip(SEVERAL, stages.features, strict=True))
    return {"study": study, "binned": binned, "fits": {"m": fit}, "features": features}


def test_every_coupling_term_is_drawn_and_tabulated(several):
    figure, table = figures.draw_session("coupling-m", **several)
    assert table.term.unique().tolist() == ["early", "late"]
    assert len(table) == 9 * 10 + 9 * 20
    late = table[table.term == "late"]
    assert late.lag.max() == pytest.approx(0.2)
    itself = late.receiver.astype(str) == late.sender
    assert late[itself].log_gain.isna().all() and late[~itself].log_gain.notna().all()
    matrices = [axes for axes in figure.axes if axes.get_xlabel() == "Sender (unit)"]
    assert [axes.get_title("left").split("\n")[0] for axes in matrices] == ["early", "late"]
    lines = [axes.collections[1].get_segments() for axes in matrices]
    assert [len(each) for each in lines] == [9, 6]  # what was never fitted is not drawn
    check_figure(figure, table)


def test_every_history_term_has_its_halves(several):
    figure, table = figures.draw_session("halves", **several)
    fit = several["fits"]["m"]
    assert table.term.unique().tolist() == ["own", "slow"]
    for (term, unit, half), part in table.groupby(["term", "unit", "half"]):
        wanted = filters(fit, term, of="half_coef").sel(unit=unit).isel(half=half).values
        np.testing.assert_allclose(part.log_gain, wanted, rtol=1e-12)
        assert part.correlation.nunique() == 1
    assert len(figure.axes[0].lines) == 1 + 4
    check_figure(figure, table)


def test_truth_is_held_against_all_terms_of_an_input_together(several):
    fit, units = several["fits"]["m"], [1, 2, 3]
    lag = filters(fit, "late").lag.values
    total = np.zeros((3, 3, 20))
    total[:, :, :10] += filters(fit, "early").values
    total += filters(fit, "late").fillna(0.0).values
    for name, count in (("own", 5), ("slow", 3)):
        total[range(3), range(3), :count] += filters(fit, name).values
    value = np.linspace(*filters(fit, "bent").value.values[[0, -1]], 50)
    curve = [np.interp(value, part.value.values, row) for part in (filters(fit, "bent"),) for row in part.values]
    slope = filters(fit, "now")
    curve = np.array(curve) + np.array([np.interp(value, slope.value.values, row) for row in slope.values])
    truth = xr.Dataset(
        {
            "coupling": (("receiver", "sender", "lag"), total),
            "history": (("unit", "lag"), total[range(3), range(3)]),
            "log_tuning": (("unit", "drive"), curve),
        },
        coords={"receiver": units, "sender": units, "unit": units, "lag": lag, "drive": value},
    )
    figure, table = figures.draw_session("truth", **several, truth=truth)
    assert set(table.quantity) == {truth_figure.OWN, truth_figure.COUPLING, "drive tuning (log gain)"}
    np.testing.assert_allclose(table.estimate, table.true, atol=1e-12)
    check_figure(figure, table)


def test_a_product_of_two_signals_is_a_map(several):
    figure, table = figures.draw_session("product-gain", **several)
    found = filters(several["fits"]["m"], "gain")
    x, y = found.value_0.values, found.value_1.values
    row = table[(table.unit == 2) & np.isclose(table.value_0, x[30]) & np.isclose(table.value_1, y[60])]
    assert row.log_gain.item() == pytest.approx(found.values[1, 30, 60])
    mesh = figure.axes[0].collections[0]
    at = table[table.unit == 1].pivot(index="value_1", columns="value_0", values="log_gain")
    np.testing.assert_allclose(mesh.get_array().reshape(at.shape), at.values)
    check_figure(figure, table)


def test_a_product_with_a_condition_has_a_curve_for_each(several):
    figure, table = figures.draw_session("product-mode", **several)
    found = filters(several["fits"]["m"], "mode")
    assert len(table) == found.size
    for line, label in zip(figure.axes[2].lines[1:], (0, 1), strict=True):
        np.testing.assert_allclose(line.get_ydata(), found.values[2, label])
        assert line.get_label() == str(label)
    assert "product-gain" in figures.figures_of(several["study"])
    assert "filters-bent" in figures.figures_of(several["study"]) and "filters-gain" not in figures.figures_of(
        several["study"]
    )
    check_figure(figure, table)


def test_a_polynomial_is_drawn_as_its_sum(several):
    _, table = figures.draw_session("filters-bent", **several)
    fit, powers = several["fits"]["m"], np.arange(1, 4)
    mine = table[table.unit == 2]
    x = np.interp(mine.value, mine.value.iloc[[0, -1]], [-1, 1])
    coef = fit["coef"].sel(unit=2).values[(fit["term"] == "bent").values]
    assert len(coef) == len(powers)
    np.testing.assert_allclose(mine.log_gain, np.polynomial.legendre.legval(x, [0, *coef]), atol=1e-12)


def test_texts_that_a_spreadsheet_would_run_are_made_harmless_and_numbers_stay_numbers():
    nasty = ["=1+2", "+A1", "-cmd", "@SUM(A1)", "\t=1", "plain", "-3", "-1e-3", "-inf", None]
    table = pd.DataFrame({"text": nasty, "=head": -np.arange(10.0), "of": pd.Categorical([*nasty[:9], "=1+2"])})
    back = pd.read_csv(io.StringIO(style.csv_text(table)), dtype=str, keep_default_na=False)
    assert back.columns.tolist() == ["text", "'=head", "of"]
    harmless = ["'=1+2", "'+A1", "'-cmd", "'@SUM(A1)", "'\t=1", "plain", "-3", "-1e-3", "-inf"]
    assert back["text"].tolist() == [*harmless, ""]
    assert back["of"].tolist() == [*harmless, "'=1+2"]
    assert back["'=head"].astype(float).tolist() == table["=head"].tolist()
    assert table["text"].tolist()[:9] == nasty[:9]
