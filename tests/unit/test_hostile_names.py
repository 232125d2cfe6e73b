"""Names from files in figures: nothing runs, nothing turns the words around it, nothing takes the figure's room."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from synthetic_stores import head_direction_session, study_of

from nwbglm import figures
from nwbglm.binning import bin_recording
from nwbglm.figures import style, texts
from nwbglm.recording import open_recording
from nwbglm.study import read_study

pytestmark = pytest.mark.filterwarnings("ignore:Glyph .* missing from font")  # of measuring, not of the SVG
SCRIPT = '<script>document.title="pwned"</script>'
SERIES = "heading <b>&\"'<b>\u202e\U0001f9e0"
TURN = "\u202emirrored"
NAMES = [SCRIPT, TURN, "n" * 300, "a\tb\nc", "\U0001f9e0\U0001f42d", "$x^2$", "", "nul\x00l"]


@pytest.fixture
def hostile(repository):
    path = repository.parent / "shared" / "cases" / "report" / "hostile.nwb"
    if not path.exists():
        pytest.skip("../shared/cases is not there")
    return path


def safe(text):
    """Assert that an SVG is well formed, holds no script, and none of the characters that are not seen."""
    root = ElementTree.fromstring(text)
    assert not [one for one in root.iter() if one.tag.endswith(("script", "foreignObject"))]
    words = "".join(one.text or "" for one in root.iter() if one.tag.endswith("text"))
    assert not texts.UNSEEN.search(words)
    return words


def test_texts_are_one_short_line_that_shows_what_is_hidden():
    assert texts.shown(TURN) == "\\u202emirrored" and texts.shown("a\tb\nc") == "a\\u0009b\\u000ac"
    long = texts.shown("n" * 300)
    assert len(long) <= texts.LONG and "…" in long
    assert [texts.shown(name) for name in ("plain", "größe µV", "$x$")] == ["plain", "größe µV", "$x$"]


def test_a_hostile_recording_is_seen_at_a_glance_and_does_nothing(hostile):
    study = read_study(
        {
            "study": "s",
            "recordings": {"hostile": {"nwb": str(hostile)}},
            "epochs": {"use": {"table": "epochs"}},
            "bin": "20 ms",
            "signals": {"heading": {"from": SERIES, "period": "2 pi", "resample": "interpolate"}},
            "models": {"constant": []},
        },
        "study",
    )
    with open_recording(hostile) as recording:
        binned = bin_recording(recording, study)
    figure, table = figures.draw_session("overview", study=study, binned=binned)
    words = safe(style.svg_text(figure))
    assert "<script>" in words and "\\u202e" in words  # as letters
    assert figure.get_tightbbox().width <= 9.6
    style.csv_text(table)


@pytest.mark.parametrize("name", NAMES)
def test_labels_of_epochs_and_units_of_signals_keep_to_their_place(name):
    ring = head_direction_session()
    binned = ring.binned.assign_coords(segment_label=("segments", [name]))
    binned.heading.attrs["units"] = name
    given = {key: value for key, value in ring._replace(binned=binned)._asdict().items() if key != "name"}
    for figure_name in ("overview", "rates"):
        figure, _ = figures.draw_session(figure_name, study=study_of(ring), **given)
        safe(style.svg_text(figure))
        assert figure.get_tightbbox().width <= 9.6


def test_levels_that_are_texts_are_named_within_their_room():
    ring = head_direction_session()
    levels = [*NAMES[:5], "z"]
    codes = np.arange(ring.binned.sizes["time"]) // 700 % len(levels)
    about = {"units": "", "levels": json.dumps(levels), "role": "signal"}
    binned = ring.binned.assign(heading=("time", codes.astype(float), about))
    given = {key: value for key, value in ring._replace(binned=binned)._asdict().items() if key != "name"}
    figure, _ = figures.draw_session("overview", study=study_of(ring), **given)
    safe(style.svg_text(figure))
    assert figure.get_tightbbox().width <= 9.9
