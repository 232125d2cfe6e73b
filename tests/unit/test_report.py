"""The report: complete, offline, true to the tables, and well formed."""

import re
import zipfile
from html.parser import HTMLParser
from io import BytesIO, StringIO

import pandas as pd
import pytest
from synthetic_report import audit_pages, small_report

from nwbglm import comparison
from nwbglm.report import build_report, methods, read_figures, report_files, write_files
from nwbglm.report.answer import glance
from nwbglm.report.compared import model_rows
from nwbglm.report.markup import html_table, inline_svg, number
from nwbglm.report.overview import recovery_rows
from nwbglm.report.trust import trouble_rows
from nwbglm.study import load_study, read_study

VOID = {"meta", "br", "link", "img", "input", "hr", "rect", "path", "use", "image", "line", "circle"}


class Page(HTMLParser):
    """Collects a page's ids, links and text, and checks that tags close."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.sources, self.words = [], [], [], [], []
        self.feed(text)
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)
        for key, value in attributes:
            if key == "id":
                self.ids.append(value)
            elif key == "href" and tag == "a":
                self.links.append(value)
            elif key in ("src", "srcset", "action", "data") or (key.endswith("href") and tag != "a"):
                self.sources.append(value)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        if self.open[-1:] not in (["style"], ["script"]):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def packed(archive):
    """Return the tables of an archive by name."""
    with zipfile.ZipFile(BytesIO(archive)) as files:
        return {name: pd.read_csv(files.open(name)) for name in files.namelist()}


@pytest.fixture(scope="module")
def small():
    return small_report()


@pytest.fixture(scope="module")
def pages(small):
    return {name: Page(text) for name, text in small.files.items() if name.endswith(".html")}


def test_the_files_are_those_that_the_study_announces(small):
    assert sorted(small.files) == sorted(report_files(small.study))
    assert report_files(small.study)[0] == "index.html"


def test_pages_are_well_formed_and_ids_are_unique(pages):
    for name, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), name


def test_nothing_is_loaded_from_elsewhere(small, pages):
    for name, page in pages.items():
        assert all(source.startswith(("data:image/png;base64,", "#")) for source in page.sources), name
        assert "@import" not in small.files[name] and not re.search(
            r"<(script|link|iframe)[^>]* (src|href)", small.files[name]
        )
        assert not re.search(r"url\((?!#)", small.files[name]), name


def test_every_link_leads_to_a_file_or_a_place_of_the_report(small, pages):
    for name, page in pages.items():
        folder = name.rpartition("/")[0]
        for link in page.links:
            path, _, place = link.partition("#")
            target = re.sub(r"[^/]+/\.\./", "", f"{folder}/{path}").lstrip("/") if path else name
            assert target in small.files, (name, link)
            assert not place or place in pages[target].ids, (name, link)


def test_svg_references_point_into_their_own_figure(small, pages):
    for name, page in pages.items():
        used = set(re.findall(r"url\(#([^)]+)\)", small.files[name])) | set(
            re.findall(r'xlink:href="#([^"]+)"', small.files[name])
        )
        assert used <= set(page.ids), name
    assert any("url(#" in text for text in small.files.values() if isinstance(text, str))


def test_a_session_that_was_left_out_is_named_with_its_reason(small, pages):
    assert "mouse-3" in pages["index.html"].text and small.reason in pages["index.html"].text
    assert small.reason in pages["sessions/mouse-3.html"].text
    assert "This session was left out" not in pages["sessions/mouse-1.html"].text
    assert "2 of 3" in pages["index.html"].text


def test_the_comparison_shows_the_tables_medians(small, pages):
    scores = small.tables["scores"]
    rows = scores[(scores.kind == "held-out") & (scores.fold == "pooled") & (scores.model == "heading")]
    median, low, high = rows.bits_per_spike.quantile([0.5, 0.25, 0.75])
    assert f"{number(median, 3)} ({number(low, 3)} to {number(high, 3)})" in pages["index.html"].text


def test_a_constant_model_scores_zero_not_rounding_noise(small):
    rows = model_rows(small.study, small.tables["scores"])
    assert set(rows[rows.model == "constant"]["bits per spike"]) == {"0 (0 to 0)"}


def test_findings_and_their_markup_stay_text(small, pages):
    assert "3 <spikes> repeat" in pages["sessions/mouse-1.html"].text
    assert "<spikes>" not in small.files["sessions/mouse-1.html"]


def test_units_left_out_are_listed(pages):
    assert "Units left out by the study's selection (2): 1, 2." in pages["sessions/mouse-1.html"].text


def test_silent_units_are_in_the_list_of_units_to_look_at(small, pages):
    rows = trouble_rows(small.study, small.tables["scores"])
    silent = rows[rows.status == "no_spikes"]
    assert set(silent.session) == {"mouse-2"} and set(silent.unit) == {12}
    assert "no_spikes" in pages["sessions/mouse-2.html"].text


def test_recovery_is_summarised_over_the_simulated_sessions(small):
    csv = "quantity,model,unit,true,estimate,correlation,relative_error\nq,m,1,0,0,{0},{1}\nq,m,2,0,0,{0},{1}\n"
    drawn = {"a": {"truth": ("", csv.format(0.9, 0.2))}, "b": {"truth": ("", csv.format(0.7, 0.4))}, "c": {}}
    row = recovery_rows(drawn).iloc[0]
    assert (row.sessions, row["correlation (median)"], row.lowest) == (2, pytest.approx(0.8), 0.7)
    assert (row["relative error (median)"], row.highest) == (pytest.approx(0.3), 0.4)
    assert len(recovery_rows({"a": {"truth": ("", "left_out\nno wake\n")}})) == 0
    assert "Truth recovered" not in small.files["index.html"]


def test_tables_come_with_the_report(small):
    table = packed(small.files["tables/scores.zip"])["scores.csv"]
    assert len(table) == len(small.tables["scores"])
    merged = table.bits_per_spike.dropna().to_numpy()
    assert merged == pytest.approx(small.tables["scores"].bits_per_spike.dropna().to_numpy(), rel=1e-6, abs=1e-12)
    mine, figures = packed(small.files["tables/sessions/mouse-1.zip"]), small.figures["mouse-1"]
    assert set(mine) == {f"{name}.csv" for name in figures if name != "scores"}  # whose rows are those of scores.zip
    for name, (_, text) in figures.items():
        assert name == "scores" or mine[f"{name}.csv"].equals(pd.read_csv(StringIO(text)))


def test_the_same_inputs_give_the_same_report(small):
    again = small.build()
    assert again == small.files


def test_a_study_without_any_result_still_has_a_report(small):
    tables = comparison.compare_models([], excluded=dict.fromkeys(small.study.recordings, "no wake"))
    files = build_report(small.study, tables, {}, {}, small.overall, audit_pages=audit_pages(small.study))
    assert sorted(files) == sorted(report_files(small.study))
    assert "No session was fitted" in Page(files["index.html"]).text
    assert glance(small.study, tables)[0] == ("sessions", "0 of 3")


def test_files_are_written_and_figures_read_back(small, tmp_path):
    write_files({"sessions/a.html": "x", "index.html": "y"}, tmp_path)
    assert (tmp_path / "sessions" / "a.html").read_text() == "x"
    for session in ("a", "b"):
        write_files({f"{session}/rates.svg": f"<svg>{session}</svg>\n", f"{session}/rates.csv": "t\n1\n"}, tmp_path)
    svg, csv = ([tmp_path / s / f"rates.{kind}" for s in ("a", "b")] for kind in ("svg", "csv"))
    found = {session: dict(figures) for session, figures in read_figures(svg, csv).items()}
    assert found == {s: {"rates": (f"<svg>{s}</svg>\n", "t\n1\n")} for s in ("a", "b")}


def test_methods_say_what_the_seed_studies_do(repository):
    text = " ".join(methods.paragraphs(load_study(repository / "config" / "head_direction.yaml")))
    for fact in (
        "bins of 10 ms",
        "location == 'adn' and rate > 1.0",
        "the first 3 min",
        "8 raised cosines on a logarithmic axis",
        "the unit's own spikes over the last 0.8 s",
        "ridge, strength 0.1 on the features' own scale for 'coupling'",
        "no penalty for 'constant', 'raw-history' and 'history'",
        "8 strengths from 1e-06 to 1",
        "5 contiguous blocks",
    ):
        assert fact in text, fact
    current = " ".join(methods.paragraphs(load_study(repository / "config" / "demo_injected_current.yaml")))
    assert "trained on the epochs 'train' and scored on the epochs 'test'" in current and "in pA" in current


def test_methods_say_everything_that_changes_the_data():
    study = read_study(
        {
            "study": "x",
            "recordings": {"a": {"nwb": "a.nwb"}},
            "bin": "20 ms",
            "partial_bins": "keep",
            "epochs": {"use": {"tags": ["wake", "rem"]}, "fit": {"within": "use", "last": "3 min"}},
            "blank": {
                "lost": {"silence": "300 ms", "after": "10 ms"},
                "pulses": {"events": "optogenetics", "before": "1 ms", "after": "5 ms"},
            },
            "signals": {
                "speed": {
                    "from": "position",
                    "derive": "speed",
                    "units": "cm/s",
                    "smooth": "100 ms",
                    "shift": "-50 ms",
                },
                "go": {"from": "trials", "resample": "events", "where": "correct == 1"},
            },
            "maps": {"both": {"of": ["speed", "go"]}},
            "terms": {"s": {"of": "speed", "basis": {"bspline": {"n": 5}}}},
            "models": {"m": {"terms": ["s"], "penalty": {"group_lasso": {"strength": [0.1, 1]}}}},
            "fit": {"observations": "negative_binomial", "nested": True, "choose": "one_se"},
        }
    )
    text = " ".join(methods.paragraphs(study))
    for fact in (
        "with the tags wake and rem",
        "within 'use', the last 3 min",
        "stretches of 0.3 s or more in which no unit of the file fires, and 10 ms after",
        "the events of optogenetics, and 1 ms before and 5 ms after",
        "observed for less than 0.5 of their width were left out",
        "the speed from position in cm/s, smoothed with a Gaussian of 0.1 s, 50 ms earlier, brought",
        "trials where correct == 1, brought to the bins by counting its events",
        "rate by speed and go",
        "negative binomial observations",
        "group lasso, 2 strengths from 0.1 to 1",
        "the largest within one standard error",
        "fits that saw nothing of it",
    ):
        assert fact in text, fact


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"),
        (3.0, "3"),
        (-1.5, "−1.5"),
        (float("nan"), "–"),
        (None, "–"),
        (1e-9, "1e-09"),
        (True, "yes"),
    ],
)
def test_numbers_are_written_for_readers(value, text):
    assert number(value) == text


def test_tables_escape_and_align():
    text = html_table(pd.DataFrame({"a": ["<b>"], "n": [1.5]}))
    assert "&lt;b&gt;" in text and '<td class="n">1.5</td>' in text
    assert html_table(pd.DataFrame()) == ""


def test_inline_svg_renames_identifiers():
    svg = '<?xml version="1.0"?>\n<svg><clipPath id="p1"/><g clip-path="url(#p1)"><use xlink:href="#p1"/></g></svg>'
    text = inline_svg(svg, prefix="rates", label='a "b"')
    assert text.count("rates-0") == 3 and "<?xml" not in text and "&#34;b&#34;" in text
