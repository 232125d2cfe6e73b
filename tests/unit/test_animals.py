"""Animals as a level: sessions of one animal are no independent witnesses of others."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from nwbglm.comparison.animals import animals_of, levels_of, with_animals
from nwbglm.comparison.summaries import summarise_pairs
from nwbglm.errors import StudyError
from nwbglm.report.compared import pair_rows
from nwbglm.study import read_study


def audits(**subjects):
    return [{"session": name, "recording": {"subject": subject}} for name, subject in subjects.items()]


def pairs_of(values, folds=()):
    """Rows of a paired difference: values by (animal, session), a unit each."""
    rows = [
        {"animal": animal, "session": session, "unit": unit, "kind": "held-out", "fold": fold, "bits_per_spike": value}
        for (animal, session), units in values.items()
        for unit, value in enumerate(units)
        for fold in ("pooled", *folds)
    ]
    rest = {"model": "full", "other": "less", "adds": "x", "same_rows": True, "rows": 10}
    return pd.DataFrame(rows).assign(**rest)


def test_the_file_names_the_animal_and_the_study_overrules_it():
    of = animals_of(audits(a="m1", b=" m1 ", c="", d="m2"), {}, {"d": "m3"})
    assert of == {"a": "m1", "b": "m1", "c": "", "d": "m3"}


def test_a_joined_session_is_of_the_animal_of_its_recordings():
    home = {"day1": "joined", "day2": "joined"}
    assert animals_of(audits(day1="m1", day2="m1"), home)["joined"] == "m1"
    assert animals_of(audits(day1="m1", day2="m2"), home)["joined"] == ""
    assert animals_of(audits(day1="m1", day2="m2"), home, {"joined": "m1"})["joined"] == "m1"


def test_animals_count_only_where_all_are_known_and_there_are_two():
    table = pd.DataFrame({"session": ["a", "b", "c"]})
    assert levels_of(with_animals(table, {"a": "m1", "b": "m1", "c": "m2"})) == ("animal", "session")
    assert levels_of(with_animals(table, {"a": "m1", "b": "m1", "c": ""})) == ("session",)
    assert levels_of(with_animals(table, dict.fromkeys("abc", "m1"))) == ("session",)
    assert levels_of(with_animals(table, {"a": "m1", "b": "m1", "c": "m2"}), ["session"]) == ("session",)


def test_the_interval_is_over_animals_whose_sessions_are_averaged_first():
    values = {
        ("m1", "s1"): [0.1, 0.2, 0.9], ("m1", "s2"): [0.4], ("m2", "s3"): [0.0, 0.2], ("m3", "s4"): [0.5],
    }  # fmt: skip
    line = summarise_pairs(pairs_of(values)).iloc[0]
    animals = np.array([0.3, 0.1, 0.5])
    half = scipy.stats.t.ppf(0.975, 2) * animals.std(ddof=1) / np.sqrt(3)
    assert (line.estimate, line.low, line.high) == pytest.approx((0.3, 0.3 - half, 0.3 + half))
    assert (line.method, line.top, line.animals, line.sessions) == ("t", "animal", 3, 4)
    assert line.sign_flip_p == 2 / 8  # the floor of three animals
    alone = summarise_pairs(pairs_of(values), levels=["session"]).iloc[0]
    assert alone.top == "session" and alone.high - alone.low < line.high - line.low


def test_ten_animals_are_bootstrapped_from_the_top_down():
    random = np.random.default_rng(0)
    values = {(f"m{k}", f"s{k}{j}"): random.normal(k / 10, 0.01, 5) for k in range(10) for j in (0, 1)}
    line = summarise_pairs(pairs_of(values)).iloc[0]
    assert (line.method, line.top) == ("hierarchical", "animal")
    spread = np.std([k / 10 for k in range(10)], ddof=1) / np.sqrt(10)
    assert line.high - line.low == pytest.approx(2 * 1.96 * spread, rel=0.15)


def study(**inference):
    return read_study(
        {
            "study": "s", "recordings": {"a": {"nwb": "a.nwb"}}, "epochs": {"use": {"table": "epochs"}},
            "bin": "10 ms", "models": {"less": [], "full": []}, "inference": inference,
        }
    )  # fmt: skip


def test_one_session_shows_the_spread_of_its_folds_and_two_say_how_little_they_say():
    one = pairs_of({("m1", "s1"): [0.1, 0.3, 0.5]}, folds=("0", "1"))
    one.loc[one.fold == "1", "bits_per_spike"] += 1
    line = summarise_pairs(one).iloc[0]
    assert (line.folds, line.fold_low, line.fold_high) == (2, pytest.approx(0.3), pytest.approx(1.3))
    assert np.isnan([line.low, line.high, line.sign_flip_p]).all()
    assert "2 folds spread from 0.3 to 1.3" in pair_rows(study(), one)["95 % interval"].iloc[0]
    two = pairs_of({("m1", "s1"): [0.1], ("m1", "s2"): [0.3]})
    said = pair_rows(study(), two)["95 % interval"].iloc[0]
    assert "t over 2 sessions of one animal" in said and "two say next to nothing" in said


def test_the_study_names_sessions_that_there_are_and_levels_from_the_top():
    assert study(animals={"a": "Mouse 7"}).inference.animals == {"a": "Mouse 7"}
    with pytest.raises(StudyError, match=r"inference\.animals\.b: there is no session 'b'"):
        study(animals={"b": "m"})
    with pytest.raises(StudyError, match="from the top down"):
        study(levels=["session", "animal"])
