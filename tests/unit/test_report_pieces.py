"""The report's small parts: archives, texts that cannot act, curves, folds in time, what is removed."""

import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from nwbglm.figures.light import HEAVY
from nwbglm.figures.style import svg_text
from nwbglm.report import remove_others
from nwbglm.report.archive import pack
from nwbglm.report.contributions import Row, columns_of, draw
from nwbglm.report.files import TOGETHER, write_files
from nwbglm.report.run import stage_costs
from nwbglm.report.sparks import curve_path, limits, ticks
from nwbglm.report.text import visible


def test_an_archive_has_the_same_bytes_and_names_what_found_no_room():
    tables = {"large.csv": "x\n" + "1\n" * 60_000, "small.csv": "x\n1\n"}
    archive, left = pack(tables, 10_000)
    assert archive == pack(tables, 10_000)[0] and left == {"large.csv": len(tables["large.csv"])}
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        assert files.namelist() == ["small.csv"] and files.read("small.csv") == b"x\n1\n"
    assert pack(tables, 2**30)[1] == {}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc", "a␉b␊c"),
        ("\u202eevil", "⟨U+202E⟩evil"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("mouse \u05d0\u05d1 1", "mouse <bdi>\u05d0\u05d1</bdi> 1"),
    ],
)
def test_texts_of_files_cannot_act_nor_turn_the_words_around_them(text, shown):
    assert visible(text) == shown


def test_pages_of_sessions_that_left_the_study_go_and_nothing_else(tmp_path):
    for name in ("sessions/a.html", "sessions/b.html", "sessions/notes.txt", "tables/sessions/b.zip", "index.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    gone = remove_others(tmp_path, ["index.html", "sessions/a.html"], ("sessions/*.html", "tables/sessions/*.zip"))
    assert {path.name for path in gone} == {"b.html", "b.zip"}
    kept = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert kept == {"index.html", "sessions/a.html", "sessions/notes.txt"}
    assert not (tmp_path / "tables" / "sessions").exists()


def test_an_index_never_leads_to_half_of_a_large_report(tmp_path):
    (tmp_path / "index.html").write_text("old")

    def parts():
        for place in range(2 * TOGETHER):
            yield f"sessions/{place}.html", "new"
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        write_files(parts(), tmp_path)
    assert not (tmp_path / "index.html").exists()


def test_a_curve_stops_where_it_is_not_known():
    assert curve_path([0.0, 1.0, None, 0.5], 0.0, 1.0) == "M0 60l0 0 80-60M240 30l0 0"
    assert limits([[0.0, 2.0], [None, None]], zero=True) == (0.0, 2.0)
    assert ticks(0.0, 1.0).tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])


def test_many_dots_become_a_density_and_what_is_beyond_is_counted():
    values = np.append(np.linspace(0, 1, 400), 1e6)
    drawing = draw([("heading (beside constant)", [Row("", values, 401, 0.5, np.nan, np.nan)])], "bits per spike")
    assert "circle" not in drawing and 'class="band"' in drawing
    assert "401 sessions, 401 units, 1 beyond" in drawing
    few = draw([("x", [Row("", np.array([0.1, 0.2]), 2, 0.15, 0.1, 0.2)])], "bits per spike")
    assert few.count("<circle") == 2


def test_columns_of_few_levels_group_the_figure():
    units = pd.DataFrame({"session": ["a", "b"] * 3, "unit": range(6), "area": list("xxxyyy"), "rate": np.arange(6.0)})
    assert columns_of(units) == ["area"]


def test_a_drawing_of_very_many_marks_becomes_a_picture_with_its_texts():
    def crowded():
        figure = Figure()
        axes = figure.subplots()
        rng = np.random.default_rng(0)
        for _ in range(400):
            axes.plot(rng.normal(size=60))
        axes.set_title("four hundred lines")
        return svg_text(figure)

    text = crowded()
    assert "data:image/png;base64" in text and "four hundred lines" in text and len(text) < HEAVY
    assert text == crowded()


def test_the_cost_of_stages_is_summed_over_their_jobs(tmp_path):
    for name, row in {"fit_model/a/x.tsv": "1.5\t0:00:01\t300.5\t2.5", "fit_model/b/x.tsv": "2\t0:00:02\t-\t-"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"s\th:m:s\tmax_rss\tcpu_time\n{row}\n")
    (line,) = stage_costs(tmp_path)
    assert (line["stage"], line["jobs"], line["seconds"], line["CPU seconds"]) == ("fit_model", 2, 3.5, 2.5)
    assert line["largest memory (MB)"] == 300
