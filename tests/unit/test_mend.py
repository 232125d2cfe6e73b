"""What the report says beside an answer, and its page of what is bad: no claim without what stands behind it."""

import numpy as np
import pandas as pd
import pytest

from nwbglm import comparison
from nwbglm.comparison.animals import with_animals
from nwbglm.report.answer import sentences
from nwbglm.report.evidence import UNTESTED, evidence
from nwbglm.report.mend import DRIFT, beyond_chance, mend_rows
from nwbglm.report.methods import paragraphs
from nwbglm.study import read_study


def study(drift=False, **inference):
    terms = {n: {"of": n, "basis": "identity"} for n in ("arousal", "speed")} | {
        "drift": {"of": "clock", "basis": "identity"}
    }
    full = ["speed", "arousal", *(["drift"] if drift else [])]
    return read_study(
        {
            "study": "s", "recordings": {"a": {"nwb": "a.nwb"}, "b": {"nwb": "b.nwb"}},
            "epochs": {"use": {"table": "epochs"}}, "bin": "10 ms",
            "signals": {"arousal": {"from": "x"}, "speed": {"from": "y"}, "clock": {"of": "time"}},
            "terms": terms, "models": {"less": [t for t in full if t != "arousal"], "full": full},
            "fit": {"folds": {"blocks": 5, "cut": "rows", "pieces": 40}}, "inference": inference,
        }
    )  # fmt: skip


@pytest.fixture
def tables():
    return comparison.compare_models([])


def checked(bad, units=20, model="full", **columns):
    """Checks of units, the first of which have something bad."""
    plain = {"session": "a", "model": model, "observations": "poisson", "interval_p": 0.5, "residual_p": 0.5}
    table = pd.DataFrame({"unit": np.arange(units) + 1, **(plain | columns)})
    return table.assign(bad=[bad if k < columns.get("hit", 10) else "" for k in range(units)], reason="")


def line(adds="arousal", model="full", other="less"):
    return pd.Series(
        {
            "model": model, "other": other, "adds": adds, "score": "bits_per_spike", "kind": "held-out", "units": 24,
            "units_better": 12, "estimate": 0.02, "low": np.nan, "high": np.nan, "method": "none", "sessions": 1,
            "animals": 0, "top": "session", "folds": 5, "fold_low": -0.01, "fold_high": 0.05,
        }
    )  # fmt: skip


def outcome(tables, significant=0, stretches=3.4, null="circular", units=24):
    tests = pd.DataFrame(
        {"test": "t", "session": "a", "unit": np.arange(units), "p": 0.2, "null": null,
         "significant": np.arange(units) < significant}
    )  # fmt: skip
    population = pd.DataFrame(
        {"test": ["t"], "session": ["a"], "stretches": [stretches], "units": [units], "least": [1]}
    )
    return tables | {"tests": tests, "population": population}


def test_a_gain_without_a_test_is_no_evidence(tables):
    assert evidence(study(), tables, line()) == UNTESTED
    told = sentences(study(), pd.DataFrame([line()]), tables)
    assert len(told) == 1 and told[0].endswith(f"; {UNTESTED}.") and "better in 12 of 24" in told[0]
    assert "units; one session: no interval; its 5 folds spread from" in told[0]


def test_the_test_of_the_term_stands_behind_the_sentence(tables):
    asked = study(drift=True, tests={"t": {"term": "arousal", "model": "full"}})
    said = evidence(asked, outcome(tables), line())
    assert said.startswith("undecided: its 3.4 independent stretches are too few")
    assert "significant in 0 of 24 units" in said
    assert (
        evidence(asked, outcome(tables, 7, 40.0), line()) == "significant in 7 of 24 units (circular null, corrected)"
    )
    assert evidence(asked, outcome(tables), line(adds="speed")) == UNTESTED
    assert "beside other terms (t)" in evidence(asked, outcome(tables), line(model="less"))
    loose = study(tests={"t": {"term": "arousal", "model": "full", "null": "circular"}})
    assert "a drift can pass for an effect" in evidence(loose, outcome(tables, 7, 40.0), line())


def test_chance_is_not_called_bad():
    assert not beyond_chance(1, 20) and not beyond_chance(2, 20) and beyond_chance(3, 20)
    assert not beyond_chance(0, 0) and beyond_chance(1, 1)


def test_drift_is_named_with_a_mend_that_is_a_study(tables):
    rows = mend_rows(study(), tables | {"checks": checked("", interval_p=0.001)})
    assert rows["what to do"].tolist() == [DRIFT] and rows.units[0].startswith("20 of 20: 1, 2")
    timed = mend_rows(study(drift=True), tables | {"checks": checked("", interval_p=0.001)})
    assert "beside its term of time" in timed["what is bad"][0] and timed["what to do"][0] != DRIFT
    assert len(mend_rows(study(), tables | {"checks": checked("")})) == 0
    # the mend, put into a study as it stands
    import yaml

    parts = yaml.safe_load("{" + DRIFT.partition(": ")[2].replace("; ", ", ") + "}")
    plain = study().dump()
    mended = plain | {name: (plain[name] | parts[name]) for name in ("signals", "terms")} | {"fit": parts["fit"]}
    mended["models"] = {"full": ["arousal", "drift"]}
    assert read_study(mended).has_drift(["drift"])


def test_what_checks_find_is_listed_with_its_mend(tables):
    rows = mend_rows(study(), tables | {"checks": checked("extreme more")})
    assert len(rows) == 2 and rows["what is bad"][0].startswith("'full': expectations are too extreme")
    assert rows["what to do"][0] == "a stronger penalty, or fewer functions" and rows.units[0].startswith("10 of 20")
    one = mend_rows(study(), tables | {"checks": checked("extreme", hit=1)})
    assert len(one) == 0  # one of twenty is chance


def test_tests_intervals_terms_ceilings_and_controls_are_listed(tables):
    asked = study(tests={"t": {"term": "arousal", "model": "full", "null": "circular"}})
    rows = mend_rows(asked, outcome(tables))
    assert any("3.4 independent stretches" in what for what in rows["what is bad"])
    assert any("take drift for an effect" in what for what in rows["what is bad"])
    units = {"session": "a", "model": "full", "unit": [1, 2, 3]}
    worth = pd.DataFrame(units | {"term": "arousal", "vif": [9.0, 8.0, 1.0]})
    intervals = pd.DataFrame(units | {"reason": ["separable", "", ""], "warning": ""})
    ceiling = pd.DataFrame(units | {"reason": ["", "noise", "noise"]})
    controls = pd.DataFrame(
        units
        | {
            "name": "turned",
            "control": "reversed_time",
            "term": "",
            "score": 0.1,
            "controlled": 0.08,
            "difference": 0.02,
        }
    )
    more = {"worth": worth, "intervals": intervals, "ceiling": ceiling, "controls": controls}
    said = mend_rows(asked, tables | more)
    assert said.units.tolist() == ["1 of 3: 1", "2 of 3: 1, 2", "2 of 3: 2, 3", "3 of 3: 1, 2, 3"]
    assert "inflation 8.5" in said["what is bad"][1] and "half of their score" in said["what is bad"][3]


def test_methods_say_what_was_asked_and_nothing_else():
    plain = " ".join(paragraphs(study()))
    assert "animals (the file's subject)" in plain and "exchanged in every fold" in plain
    assert not any(word in plain for word in ("unique contribution", "CCnorm", "Controls", "Random-effects"))
    asked = study(
        worth={"models": ["full"]}, ceiling={"models": ["full"], "window": "50 ms"},
        selection={"models": ["less", "full"]},
        controls={"turned": {"model": "full", "kind": "reversed_time", "term": "arousal"}}, levels=["session"],
    )  # fmt: skip
    text = " ".join(paragraphs(asked))
    for words in ("unique contribution", "without error", "50 ms", "CCnorm", "is a heuristic here", "'arousal' running",
                  "as if it were of another animal"):  # fmt: skip
        assert words in text, words


def test_rows_of_animals_leave_empty_tables_as_they_are():
    assert with_animals(pd.DataFrame(), {}).empty
