"""What a study selects: rows by expression, epochs by purpose, units by what they did in `use`."""

import numpy as np
import pytest
from built_files import add_units, built, settings
from pynwb.epoch import TimeIntervals

from nwbglm.epochs import Epochs
from nwbglm.errors import RecordingError, StudyError
from nwbglm.recording import open_recording
from nwbglm.recording.choose import UnitColumns, choose_epochs, choose_units
from nwbglm.recording.select import names, select

COLUMNS = {
    "location": np.array(["adn", "postsub", "adn", ""], dtype=object),
    "rate": np.array([0.5, 3.0, np.nan, 7.0]),
    "group": np.array([1, 1, 2, 2]),
    "good": np.array([True, False, True, True]),
    "tags": [np.array(tags, dtype=object) for tags in (["wake", "box"], ["sleep"], [], ["wake"])],
    "codes": [np.array([1, 2]), np.array([3]), np.array([], dtype=int), np.array([2])],
    "Spike Quality": np.array([1.0, 2.0, 3.0, 4.0]),
}  # fmt: skip


def chosen(expression):
    return np.flatnonzero(select(expression, COLUMNS.__getitem__, COLUMNS, 4, where="units.where")).tolist()


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        ("location == 'adn'", [0, 2]),
        ("location != 'adn'", [1, 3]),
        ("rate > 1", [1, 3]),
        ("1 < rate <= 3", [1]),
        ("location == 'adn' and rate < 1", [0]),
        ("location == 'postsub' or group == 2", [1, 2, 3]),
        ("not (group == 1)", [2, 3]),
        ("not good", [1]),
        ("good", [0, 2, 3]),
        ("good == true", [0, 2, 3]),
        ("location in ['adn', 'ca1']", [0, 2]),
        ("location not in ['adn', 'ca1']", [1, 3]),
        ("tags == 'wake'", [0, 3]),
        ("tags != 'wake'", [1, 2]),
        ("'wake' in tags", [0, 3]),
        ("'wake' not in tags", [1, 2]),
        ("tags in ['sleep', 'box']", [0, 1]),
        ("codes > 1", [0, 1, 3]),
        ("2 < codes", [1]),
        ("len(codes) == 0", [2]),
        ("`Spike Quality` >= 3", [2, 3]),
        ("rate != 3.0", [0, 3]),
        ("isnan(rate)", [2]),
        ("abs(-rate) * 2 > 5 + 1", [3]),
        ("group % 2 == 0", [2, 3]),
        ("startswith(location, 'post')", [1]),
        ("contains(tags, 'ak')", [0, 3]),
    ],
)
def test_expressions(expression, rows):
    assert chosen(expression) == rows


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("locaton == 'adn'", "did you mean 'location'"),
        ("location == adn", "texts stand in quotes"),
        ("location == ", "cannot be read"),
        ("rate", "values, not yes or no"),
        ("rate > 'high'", "compares numbers with text"),
        ("location > 3", "compares text with numbers"),
        ("rate and good", "not yes or no"),
        ("location + 1 > 2", "no number"),
        ("__import__('os').system('true')", "unknown function"),
        ("open('file')", "unknown function"),
        ("(lambda: 1)() == 1", "unknown function"),
        ("[x for x in tags]", "not part of the language"),
        ("rate is 3", "use == or !="),
        ("rate ** 9 > 1", "not part of the language"),
        ("location in 'adn'", "no list"),
        ("isnan(rate, 2)", "isnan takes 1"),
    ],
)
def test_what_is_no_expression_is_refused_with_a_mend(expression, what):
    with pytest.raises(StudyError, match=what):
        chosen(expression)


def test_columns_that_an_expression_uses():
    assert names("location == 'adn' and rate > 1 or isnan(`Spike Quality`) and electrodes.location == 'CA1'") == {
        "location", "rate", "Spike Quality", "electrodes.location",
    }  # fmt: skip


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    def fill(file):
        file.add_epoch_column("kind", "of epoch")
        for start, stop, tags, kind in [
            (0, 100, ["sleep"], "a"),
            (100, 300, ["wake", "box"], "b"),
            (400, 500, ["wake"], "a"),
        ]:
            file.add_epoch(float(start), float(stop), tags, kind=kind)
        trials = TimeIntervals("trials", "task")
        for start in (110.0, 250.0, 390.0, 450.0):
            trials.add_row(start_time=start, stop_time=start + 20)
        file.trials = trials
        busy = np.arange(100.5, 300, 0.5)
        add_units(
            file,
            [
                busy,
                np.arange(0.5, 100, 0.1),
                [],
                np.sort(np.concatenate([np.arange(400.5, 500), np.arange(400.501, 500)])),
            ],
            location=["adn", "adn", "ca1", "ca1"],
        )

    path = built(tmp_path_factory.mktemp("selection") / "a.nwb", fill)
    with open_recording(path, session="s") as recording:
        yield recording


def spans(recording, selection, name="use", **others):
    found = choose_epochs(recording, settings(epochs={name: selection, **others}), name)
    return list(zip(found.start.tolist(), found.stop.tolist(), strict=True))


WAKE = [(100.0, 300.0), (400.0, 500.0)]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({"where": "tags == 'wake'"}, WAKE),
        ({"tags": "wake"}, WAKE),
        ({"tags": ["box", "sleep"]}, [(0.0, 100.0), (100.0, 300.0)]),
        ({"label": "wake+box"}, [(100.0, 300.0)]),
        ({"where": "kind == 'a' and duration < 150"}, [(0.0, 100.0), (400.0, 500.0)]),
        ({"index": [2, 0]}, [(400.0, 500.0), (0.0, 100.0)]),
        ({"tags": "wake", "index": [-1]}, [(400.0, 500.0)]),
        ({"where": "row >= 1", "first": "250 s"}, [(100.0, 300.0), (400.0, 450.0)]),
        ({"tags": "wake", "last": "150 s"}, [(250.0, 300.0), (400.0, 500.0)]),
        ({"intervals": [["1 s", "2 s"]]}, [(1.0, 2.0)]),
        ({"table": "trials", "within": "awake"}, [(110.0, 130.0), (250.0, 270.0), (400.0, 410.0), (450.0, 470.0)]),
        ({"within": "awake", "first": "10 s"}, [(100.0, 110.0)]),
        ({"table": "intervals/trials", "where": "start_time > 400"}, [(450.0, 470.0)]),
    ],
)
def test_epochs_by_table_tag_label_index_expression_and_frame(session, selection, expected):
    assert spans(session, selection, awake={"tags": "wake"}) == expected


def test_fit_is_use_where_it_is_not_named(session):
    chosen_settings = settings(epochs={"use": {"tags": "wake"}})
    assert choose_epochs(session, chosen_settings, "fit").start.tolist() == [100.0, 400.0]


@pytest.mark.parametrize(
    ("selection", "error", "what"),
    [
        ({"table": "trails"}, RecordingError, "did you mean intervals/trials"),
        ({"tags": "run"}, RecordingError, "labelled sleep, wake"),
        ({"where": "tag == 'wake'"}, StudyError, "did you mean 'tags'"),
        ({"index": [7]}, RecordingError, "no row 7"),
        ({"within": "use"}, StudyError, "within themselves"),
    ],
)
def test_epochs_that_lead_nowhere(session, selection, error, what):
    with pytest.raises(error, match=what):
        spans(session, selection)


def columns_of(session, *wake):
    return UnitColumns(session, Epochs.of(*np.array(wake, dtype=float).T))


def test_units_are_measured_over_the_epochs_in_use(session):
    columns = columns_of(session, (100, 300), (400, 500))
    assert columns.spikes.tolist() == [399, 0, 0, 200]
    assert columns.rate.tolist() == [399 / 300, 0, 0, 200 / 300]
    assert columns.presence_ratio == pytest.approx([3 / 5, 0, 0, 2 / 5])
    assert columns.refractory_violations == pytest.approx([0, 0, 0, 100 / 199])


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, [0, 1, 2, 3]),
        ({"where": "location == 'adn' and rate > 1.0"}, [0]),
        ({"where": "spikes == 0"}, [1, 2]),
        ({"where": "refractory_violations < 0.01 and presence_ratio > 0.5"}, [0]),
        ({"where": "unit in [1, 3]"}, [1, 3]),
        ({"ids": [3, 0]}, [0, 3]),
        ({"ids": [3, 0], "where": "location == 'adn'"}, [0]),
    ],
)
def test_units_by_expression_and_id(session, selection, expected):
    found = choose_units(columns_of(session, (100, 300), (400, 500)), settings(units=selection))
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("selection", "error", "what"),
    [
        ({"where": "location == 'ADn'"}, RecordingError, "none of the 4 units"),
        ({"where": "locatio == 'adn'"}, StudyError, "did you mean 'location'"),
        ({"ids": [9]}, RecordingError, "no unit 9"),
    ],
)
def test_units_that_are_not_there(session, selection, error, what):
    with pytest.raises(error, match=what):
        choose_units(columns_of(session, (100, 300)), settings(units=selection))
