"""Figures of what the seed tutorials print and draw: the numbers in their tables are the stores' numbers."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from small_sessions import Stages, binned_session
from synthetic_stores import head_direction_session, injected_current_session, study_of

from nwbglm import figures, response
from nwbglm.figures import equations, failed, motion, shapes, simulated, style
from nwbglm.report.svg import inline_svg
from nwbglm.study import read_study


def draw(name, session, **changes):
    given = {key: value for key, value in (session._asdict() | {"study": study_of(session)} | changes).items()}
    return figures.draw_session(name, **{key: value for key, value in given.items() if key != "name"})


@pytest.fixture(scope="module")
def ring():
    return head_direction_session()


@pytest.fixture(scope="module")
def cell():
    return injected_current_session()


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_the_equation_of_the_current_now_has_intercept_and_coefficient(cell):
    figure, table = draw("equations", cell)
    fit = cell.fits["current"].isel(unit=0)
    written = next(text for text in texts(figure) if text.startswith("rate") and "current(" not in text and "+" in text)
    before, after = written.removeprefix("rate = exp(").removesuffix(" current) / 0.001 s").split(" + ")
    assert float(before.replace("−", "-")) == pytest.approx(fit.intercept.item(), rel=1e-3)
    assert float(after) == pytest.approx(fit.coef.item(), rel=1e-3)
    mine = table[(table.model == "current") & (table.term == equations.INTERCEPT)]
    assert mine.coefficient.item() == pytest.approx(fit.intercept.item())


def test_coefficients_of_senders_are_said_by_sender_function_and_receiver(ring):
    figure, table = draw("coefficients-full", ring)
    assert "(20, 5) → 5 senders × 4 functions × 5 receivers" in figure.axes[0].get_title(loc="left")
    one = table[(table.unit == 8) & (table.term == "coupling") & (table.input == "11")]
    fit = ring.fits["full"].sel(unit=8)
    assert one.function.tolist() == [0, 1, 2, 3]
    assert one.coefficient.to_numpy() == pytest.approx(fit.coef.values[(fit.term == "coupling") & (fit.input == "11")])
    assert len(table) == 5 * (1 + 20 + 6)


def test_couplings_have_an_axis_of_lags_and_a_scale_with_its_unit(ring):
    figure, table = draw("coupling-full", ring)
    key = next(axes for axes in figure.axes if axes.get_title(loc="left") == "the largest filter, enlarged")
    lags = [float(label.get_text()) for label in key.get_xticklabels()]
    places = key.get_xticks()
    assert lags[0] == 0.01 and np.allclose(np.diff(places) / np.diff(np.log(lags)), 0.84 / np.log(12))
    assert key.get_ylabel() == "log gain\nper spike" and key.get_xlabel() == "Lag in a cell (s)"
    between = table[table.receiver.astype(str) != table.sender].log_gain.abs()
    assert float(key.get_yticklabels()[-1].get_text()) == pytest.approx(between.max(), rel=0.05)


def test_coefficients_on_both_halves_stand_beside_those_of_all_rows(ring):
    _, table = draw("coefficients-history", ring)
    fit, mine = ring.fits["history"].sel(unit=7), table[(table.unit == 7) & (table.term == "history")]
    assert mine.first_half.to_numpy() == pytest.approx(fit.half_coef.values[0])
    assert mine.second_half.to_numpy() == pytest.approx(fit.half_coef.values[1])


def test_what_the_scale_of_coefficients_hides_is_counted(ring):
    fits = dict(ring.fits)
    fits["full"] = fits["full"].copy(deep=True)
    fits["full"]["coef"][:] = 0.1
    fits["full"]["coef"][2, 3] = -1e6
    figure, _ = draw("coefficients-full", ring, fits=fits)
    assert [text.get_text() for text in figure.axes[0].texts] == ["▼ 1 beyond"]


def test_mean_rates_are_spikes_over_seconds(ring):
    _, table = draw("mean_rates", ring)
    fit = ring.fits["heading"].sel(unit=8)
    mine = table[(table.model == "heading") & (table.unit == 8)].iloc[0]
    assert mine["observed, in sample"] == pytest.approx(fit.spikes.item() / (fit.exposure.item() * 0.01))
    assert mine["predicted, held out"] == pytest.approx(
        fit.test_predicted.sum().item() / (fit.test_exposure.sum().item() * 0.01)
    )


def test_means_of_a_single_unit_are_written(cell):
    figure, table = draw("mean_rates", cell)
    assert f"{table['predicted, in sample'].iloc[1]:.5g}" in texts(figure)


def test_every_row_is_kept_or_lost_for_a_reason(ring):
    _, table = draw("rows", ring)
    folds = ring.folds
    assert table.groupby("line").rows.sum().eq(folds.sizes["time"]).all()
    mine = table[table.line == "all models"]
    assert mine[mine.reason == shapes.KEPT].rows.sum() == folds.shared.values.sum()
    alone = table[(table.line == "history") & (table.reason != shapes.KEPT)]
    assert alone.rows.sum() == (~ring.features["history"].valid.values).sum()
    first = alone.iloc[0]
    assert first["first"] == 0 and first["stop"] - first["start"] == pytest.approx(first["rows"] * 0.01)


def test_shapes_are_those_of_the_stores(ring):
    table = draw("shapes", ring)[1].set_index("what")["shape"]
    assert table["counts, all bins in use"] == "(4000, 5)"
    assert table["features of history"] == str((ring.features["history"].sizes["time"], 4))
    assert table["features of coupling"] == str((ring.features["coupling"].sizes["time"], 20))
    assert table["coefficients of coupling in full, by sender"] == "(5, 4, 5)"
    assert table["filters of coupling in full"] == "(5, 5, 12)"


def test_the_overview_holds_every_bin_in_use(cell, ring):
    _, table = draw("overview", cell)
    assert table.current.mean() == pytest.approx(cell.binned.current.values.mean(), rel=1e-3)
    assert table.rate_0.mean() == pytest.approx(cell.binned.response.values.mean() / 0.001, rel=1e-6)
    assert [axes.get_ylabel() for axes in draw("overview", ring)[0].axes][1:] == ["heading\n(rad)", "Unit"]


def test_simulations_are_of_the_model_and_repeat(cell):
    first, second = (draw("simulated", cell)[1] for _ in range(2))
    assert first.equals(second)
    mean = first["constant, mean of 20"].mean()
    fit = cell.fits["constant"].isel(unit=0)
    expected = np.exp(fit.intercept.item()) / 0.001
    spread = np.sqrt(expected * 4.0) / 4.0 / np.sqrt(20)  # counts of 4 s are Poisson
    assert mean == pytest.approx(expected, abs=4 * spread)
    assert first.data.sum() == cell.binned.response.values[500:4500].sum()


def test_a_model_that_cannot_be_simulated_says_why(ring, monkeypatch):
    monkeypatch.setattr(simulated, "MOST", 0)
    figure, table = draw("simulated", ring)
    assert "too many units to be simulated for a figure" in texts(figure)
    assert not [name for name in table if "mean of" in name]


@pytest.mark.parametrize("name", ["overview", "rows", "mean_rates", "equations", "simulated", "coefficients-full"])
def test_they_are_small_and_the_same_twice(name, ring):
    once, again = (style.svg_text(draw(name, ring)[0]) for _ in range(2))
    assert once == again and len(once) < 450_000


# ------------------------------------------------------------------------------------------------ the sliding window


def test_the_rows_of_the_window_are_the_features_of_raw_lags(ring):
    """What slides along the spikes is what the model is given: the nearest past first."""
    _, table = draw("window-raw-history", ring)
    lags = [name for name in table if name.startswith("lag_")]
    assert len(table) == 40 and lags[0] == "lag_0.01" and len(lags) == 12
    store = ring.features["raw-history"]
    place = np.argmin(np.abs(store.time.values - (100.0 + table.time.iloc[5])))
    mine = store.features.values[place][store.input.values.astype(str) == str(study_of(ring).figures.unit)]
    assert table[lags].iloc[5].to_numpy() == pytest.approx(mine)


def test_the_window_moves_without_a_script_and_stands_still_where_asked(ring):
    text = style.svg_text(draw("window-raw-history", ring)[0])
    assert text.count('<g class="nwbglm-slide ') == 3 and text.count('<g class="nwbglm-cover ') == 1
    page = inline_svg(text, "window", "the window")  # as it stands in a report
    assert page.count('class="nwbglm-slide ') == 3 and not re.search(r"<g[^>]*class=[^>]*class=", page)
    for rule in re.findall(r"\.nwbglm-to-[\w-]+ \{[^}]*\}", text):
        assert rule in page
    assert "@keyframes nwbglm-slide" in text and "prefers-reduced-motion" in text and "@media print" in text
    assert "<script" not in text and "steps(39)" in text
    across = float(text.split("--dx: ")[1].split("px")[0])
    figure = draw("window-raw-history", ring)[0]
    axes = figure.axes[0].get_position()
    assert across == pytest.approx(axes.width * 9 * 72 * 39 / 52, rel=0.01)  # 12 lags and 40 bins are seen


def test_the_same_steps_are_frames_of_a_gif(ring, tmp_path):
    from PIL import Image, ImageSequence

    figure, _ = draw("window-raw-history", ring)
    before = style.svg_text(figure)
    motion.save_gif(figure, tmp_path / "window.gif")
    with Image.open(tmp_path / "window.gif") as image:
        frames = [np.asarray(frame.convert("L"), int) for frame in ImageSequence.Iterator(image)]
    assert len(frames) == 40 and np.abs(frames[0] - frames[-1]).mean() > 1
    assert style.svg_text(figure) == before


# ------------------------------------------------------------------------------------------------ print


@pytest.mark.parametrize("width", [85, 180])
@pytest.mark.parametrize("name", ["tuning-heading", "rates", "coupling-full"])
def test_pages_have_their_width_their_letters_and_their_fonts(name, width, ring, tmp_path):
    page = style.page_of(width)
    with style.styled(page):
        for file in ("one.pdf", "two.pdf"):
            figure, _ = draw(name, ring)
            style.save_pdf(figure, tmp_path / file)
    data = (tmp_path / "one.pdf").read_bytes()
    assert data == (tmp_path / "two.pdf").read_bytes()
    box = [float(part) for part in data.split(b"/MediaBox [")[1].split(b"]")[0].split()]
    assert box[2] == pytest.approx(width / 25.4 * 72, abs=0.5) or (name == "coupling-full" and width == 180)
    assert box[2] <= width / 25.4 * 72 + 0.5
    assert b"/FontFile2" in data and b"/Type3" not in data
    letters = [text.get_fontsize() for axes in figure.axes for text in axes.get_xticklabels() if text.get_text()]
    assert letters and min(letters) >= 5


def test_a_study_names_the_pages_and_movies_it_wants(ring):
    study = study_of(ring, figures={"pdf": [85, 180], "movie": True})
    extras = figures.catalogue.extras_of(study)
    assert "rates.85mm.pdf" in extras and "tuning-heading.180mm.pdf" in extras and "window-raw-history.gif" in extras
    assert figures.catalogue.overall_extras_of(study) == [
        f"{name}.{width}mm.pdf" for width in (85, 180) for name in figures.overall_figures_of(study)
    ]
    assert figures.catalogue.extras_of(study_of(ring)) == []


def test_further_files_are_written_beside_the_figure(ring, tmp_path):
    wanted = [tmp_path / name for name in ("window-raw-history.gif", "scores.85mm.pdf")]
    names = ["window-raw-history", "scores"]
    failed.draw_all(
        lambda name: draw(name, ring),
        names,
        [str(tmp_path / f"{name}.svg") for name in names],
        [str(tmp_path / f"{name}.csv") for name in names],
        map(str, wanted),
    )
    assert all(path.stat().st_size > 1000 for path in wanted)


def test_a_model_without_a_single_prediction_is_drawn_all_the_same(ring):
    """Its line has no point that a marker could stand on."""
    blind = {
        m: p.assign(heldout_rate=p.heldout_rate * np.nan, rate=p.rate * np.nan) for m, p in ring.predictions.items()
    }
    text = style.svg_text(draw("rates", ring, predictions=blind)[0])
    assert "full (in-sample)" in text


# ------------------------------------------------------------------------------------------------ continuous responses


@pytest.fixture(scope="module")
def slow():
    """Three units of a continuous response that follow a drive, one with a gap."""
    rng = np.random.default_rng(3)
    drive = np.convolve(rng.normal(size=900), np.ones(5) / 2, mode="same")
    values = np.outer(drive, [0.5, 1.0, 2.0]) + rng.normal(size=(900, 3))
    values[100:130, 1] = np.nan
    binned = binned_session(np.ones(values.shape), bin_width=0.1, drive=drive)
    binned["response"] = (("time", "unit"), values, response.about("continuous", "dF/F", ""))
    binned["exposure"] = (("time", "unit"), np.isfinite(values).astype(np.float32))
    terms = {
        "drive": {"of": "drive", "basis": "identity"},
        "past": {"of": "own response", "basis": {"lags": {"window": "500 ms"}}},
    }
    stages = Stages(binned, terms)
    fit = stages.fit("drive", "past", fit={"observations": "gaussian"})
    study = read_study(
        {
            "study": "s",
            "recordings": {"a": {"nwb": "a.nwb"}},
            "epochs": {"use": {"table": "epochs"}},
            "response": "acquisition/roi_*",
            "bin": "100 ms",
            "signals": {"drive": {"from": "d"}},
            "terms": terms,
            "models": {"m": ["drive", "past"]},
            "figures": {"window": {"length": "40 s"}},
        },
        "study",
    )
    features = dict(zip(terms, stages.features, strict=True))
    return {"study": study, "binned": binned, "folds": stages.folds, "features": features, "fits": {"m": fit}}


@pytest.mark.parametrize(
    "name",
    ["overview", "shapes", "rows", "equations", "coefficients-m", "mean_rates", "simulated", "window-past"],
)
def test_continuous_responses_have_them_too(name, slow):
    figure, table = figures.draw_session(name, **slow)
    assert "message" not in table and len(table)
    tree = ElementTree.fromstring(style.svg_text(figure))
    words = " ".join(one.text or "" for one in tree.iter() if one.tag.endswith("text"))
    assert words and "Hz" not in words and "spikes" not in words


def test_the_equation_of_a_continuous_response_is_the_response_itself(slow):
    figure, table = figures.draw_session("equations", **slow)
    fit = slow["fits"]["m"]
    unit = figure.axes[0].texts[0].get_text().split()[1]
    assert any(text.startswith("dF/F = ") and "exp" not in text for text in texts(figure))
    assert table.coefficient.iloc[0] == pytest.approx(fit.intercept.sel(unit=int(unit)).item())


def test_means_of_a_continuous_response_are_its_own(slow):
    _, table = figures.draw_session("mean_rates", **slow)
    fit = slow["fits"]["m"]
    expected = fit.spikes.values / fit.exposure.values
    assert table["observed, in sample"].to_numpy() == pytest.approx(expected)
    assert table["predicted, in sample"].to_numpy() == pytest.approx(expected, abs=1e-6)  # a Gaussian with intercept


@pytest.mark.parametrize("name", ["tuning-heading", "filters-history", "rates"])
def test_a_legend_stays_on_a_narrow_page(name, ring):
    with style.styled(style.page_of(85)):
        figure, _ = draw(name, ring)
        figure.draw_without_rendering()
        box, page = figure.legends[0].get_window_extent(), figure.bbox
    assert box.x0 >= page.x0 - 1 and box.x1 <= page.x1 + 1
