"""The numbers of the index, recomputed from the stores of fits without the tables between them."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from scipy import stats
from synthetic_stores import head_direction_session, study_of

from nwbglm import comparison, figures
from nwbglm.report.index_page import index_page
from nwbglm.report.markup import number
from nwbglm.report.render import Renderer
from nwbglm.report.sources import Sources

FOLDED = "held out (folds)"


class Tables(HTMLParser):
    """Collects the tables of a page by caption, as lists of rows by heading, and the page's list items and terms."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.items, self.open, self.words, self.row = {}, [], [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "table":
            self.rows, self.caption = [], ""
        elif tag == "tr":
            self.row = []
        if tag in ("caption", "td", "th", "li", "dt", "dd"):
            self.words = ""

    def handle_data(self, data):
        self.words += data

    def handle_endtag(self, tag):
        words = " ".join(self.words.split())
        if tag == "caption":
            self.caption = words
        elif tag in ("td", "th"):
            self.row.append(words)
        elif tag == "tr":
            self.rows.append(self.row)
        elif tag == "table":
            head, *rows = self.rows
            self.tables[self.caption] = [dict(zip(head, row, strict=True)) for row in rows]
        elif tag in ("li", "dt", "dd"):
            self.items.append(words)


@pytest.fixture(scope="module")
def sessions():
    return [head_direction_session("mouse-1"), head_direction_session("mouse-2", seed=3, silent_unit=True)]


@pytest.fixture(scope="module")
def study(sessions):
    return study_of(sessions[0], recordings={one.name: {"nwb": f"{one.name}.nwb"} for one in sessions})


@pytest.fixture(scope="module")
def page(sessions, study):
    tables = comparison.compare_models(
        [fit for one in sessions for fit in one.fits.values()], binned=[one.binned for one in sessions]
    )
    empty = dict.fromkeys(figures.overall_figures_of(study), ("<svg></svg>\n", "x\n"))
    return Tables(index_page(Renderer(study), Sources(study, tables, {}, empty, {}, {}, {}), {}))


def earned(fit):
    """Return, by unit, the bits per spike of all folds together, each at the strength chosen without it."""
    chosen = fit.fold_chosen.astype(int)
    gain = (fit.test_log_likelihood.isel(strength=chosen) - fit.null_test_log_likelihood).sum("fold").values
    spikes = fit.test_spikes.sum("fold").values
    return np.divide(gain, np.log(2) * spikes, out=np.full(len(gain), np.nan), where=spikes > 0)


def differences(sessions, model, other):
    """Return, by session, the units' differences in bits per spike."""
    return [earned(one.fits[model]) - earned(one.fits[other]) for one in sessions]


def test_every_sentence_of_the_answer(page, sessions, study):
    said = [item for item in page.items if " adds " in item or " takes " in item]
    pairs = [("full", "coupling"), ("full", "heading")]
    pairs += [(model, "constant") for model in ("raw-history", "history", "coupling", "heading")]
    assert len(said) == len(pairs)
    for sentence, (model, other) in zip(said, pairs, strict=True):
        values = differences(sessions, model, other)
        medians = [np.nanmedian(part) for part in values]
        units = np.concatenate(values)
        verb, sign = ("adds", 1) if np.mean(medians) > 0 else ("takes", -1)
        assert f" {verb} {number(sign * np.mean(medians), 2)} bits per spike" in sentence
        better, count = re.search(r"better in (\d+) of (\d+) units", sentence).groups()
        assert (int(better), int(count)) == (np.sum(units > 1e-9), len(units))
        half = stats.t.ppf(0.975, 1) * np.std(medians, ddof=1) / np.sqrt(2)
        low, high = np.mean(medians) - half, np.mean(medians) + half
        assert f"{number(low, 3)} to {number(high, 3)} (t over 2 sessions" in sentence


def test_every_cell_of_the_models(page, sessions, study):
    rows = page.tables["Models: medians over units"]
    assert len(rows) == 2 * len(study.models)
    for row in rows:
        fits = [one.fits[row["model"]] for one in sessions]
        whole = row["scored"] != FOLDED
        if whole:
            gain = [(f.log_likelihood - f.null_log_likelihood).values / np.log(2) for f in fits]
            spikes = [f.spikes.values for f in fits]
            values = np.concatenate(
                [np.divide(g, s, out=np.full(len(g), np.nan), where=s > 0) for g, s in zip(gain, spikes, strict=True)]
            )
            strengths = np.concatenate([f.strength.values[f.chosen.values.astype(int)] for f in fits])
            seen = np.concatenate([(f.spikes / f.exposure).values for f in fits]) / float(fits[0].attrs["bin"])
            expected = np.concatenate([(f.predicted / f.exposure).values for f in fits]) / float(fits[0].attrs["bin"])
        else:
            values = np.concatenate([earned(f) for f in fits])
            strengths = np.concatenate([np.median(f.strength.values[f.fold_chosen.values], axis=1) for f in fits])
            total = [f[["test_spikes", "test_exposure", "test_predicted"]].sum("fold") for f in fits]
            seen = np.concatenate([(t.test_spikes / t.test_exposure).values for t in total]) / float(
                fits[0].attrs["bin"]
            )
            expected = np.concatenate([(t.test_predicted / t.test_exposure).values for t in total])
            expected = expected / float(fits[0].attrs["bin"])
        median, low, high = np.nanquantile(values, [0.5, 0.25, 0.75])
        clean = [0.0 if abs(value) < 1e-9 else value for value in (median, low, high)]
        assert row["bits per spike"] == f"{number(clean[0], 3)} ({number(clean[1], 3)} to {number(clean[2], 3)})"
        assert row["units"] == str(len(values))
        parameters = np.median(np.concatenate([f.parameters.values for f in fits]))
        effective = np.nanmedian(np.concatenate([f.effective_parameters.values for f in fits]))
        assert row["parameters"] == f"{parameters:.0f} (effective {number(effective, 3)})"
        edge = int(sum(f.at_edge.values.sum() for f in fits))
        assert row["at an edge"] == f"{edge} of {len(values)}"
        assert row["strength"].startswith(number(np.median(strengths), 2)) or row["strength"] == "none"
        assert row["mean, observed"] == number(np.nanmedian(seen), 3)
        assert row["mean, predicted"] == number(np.nanmedian(expected), 3)


def test_how_the_fits_ended(page, sessions):
    rows = page.tables["How the fits ended, by model"]
    names = sessions[0].fits["full"].status.attrs["flag_meanings"]
    names = names.split() if isinstance(names, str) else list(names)
    for row in rows:
        fits = [one.fits[row["model"]] for one in sessions]
        code = names.index(row["status"])
        assert row["fits"] == str(sum(int((f.status.values == code).sum()) for f in fits))
        norms = [f.gradient_norm.values[f.status.transpose("unit", "fit", "strength").values == code] for f in fits]
        known = np.concatenate([norm[np.isfinite(norm)] for norm in norms])
        assert row["largest gradient norm"] == (number(known.max()) if known.size else "–")
    assert sum(int(row["fits"]) for row in rows) == sum(f.status.size for one in sessions for f in one.fits.values())


def test_what_went_in_and_what_was_lost(page, sessions):
    flow = {row["what"]: row for row in page.tables["From recordings to results"]}
    units = sum(one.binned.sizes["unit"] for one in sessions)
    assert flow["sessions analysed"]["left"] == "2" and flow["units analysed"]["left"] == str(units)
    bins = sum(one.binned.sizes["time"] for one in sessions)
    fitted = sum(int(one.fits["full"].rows.max()) for one in sessions)
    assert flow["bins in the epochs 'use' of these sessions"]["left"] == str(bins)
    assert (flow["bins fitted"]["left"], flow["bins fitted"]["dropped"]) == (str(fitted), str(bins - fitted))
    glance = dict(zip(page.items[:-1], page.items[1:], strict=True))
    assert glance["units"] == str(units) and glance["sessions"] == "2 of 2"
    spikes = sum(int(one.fits["constant"].test_spikes.sum()) for one in sessions)
    assert glance["spikes scored"] == str(spikes)


def test_results_below_their_null_are_listed_with_their_worst_fold(page, sessions, study):
    rows = next(t for name, t in page.tables.items() if name.startswith("Results to look at"))
    below = {}
    for one in sessions:
        for model, fit in one.fits.items():
            for unit, value in zip(fit.unit.values, earned(fit), strict=True):
                if value < -1e-9 and study.models[model].terms:
                    below[one.name, str(unit), model] = value, fit.sel(unit=unit)
    listed = [row for row in rows if row["below its null"] == "yes"]
    assert len(listed) == min(len(below), len(rows))
    for row in listed:
        value, fit = below[row["session"], row["unit"], row["model"]]
        assert row["bits per spike"] == number(value)
        chosen = fit.fold_chosen.astype(int)
        gain = (fit.test_log_likelihood.isel(strength=chosen) - fit.null_test_log_likelihood) / np.log(2)
        scores = (gain / fit.test_spikes).values
        worst = int(np.nanargmin(np.where(fit.test_spikes.values > 0, scores, np.nan)))
        assert row["worst fold (bits per spike)"] == f"{fit.fold.values[worst]}: {number(scores[worst], 3)}"
