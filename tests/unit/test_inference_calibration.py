"""Sizes and powers of the nulls at a small budget (docs/inference.md has the whole table)."""

import numpy as np
import pandas as pd
import pytest

from nwbglm import cli
from nwbglm.inference.calibrate import rejections
from nwbglm.inference.coverage import COVERAGE
from nwbglm.inference.simulated import SCENARIOS, Scenario, draw_covariate, path


@pytest.fixture(scope="module")
def table():
    chosen = [s for s in SCENARIOS if s.name in ("memory 10 s", "both ramp", "power: 10 s, strong")]
    strong = [s._replace(gain=0.3) if s.gain else s for s in chosen]
    return rejections(scenarios=strong, repeats=8, rows=2500, drift_terms=10)


def rejected(table, scenario, null, drift):
    rows = table[(table.scenario == scenario) & (table.null == null) & (table.drift == drift)]
    return rows.rejected.item()


def test_a_drift_term_holds_the_size_where_both_ramp(table):
    assert rejected(table, "both ramp", "circular", False) > 0.5  # what the drift term is for
    for null in ("circular", "linear", "pseudosession"):
        assert rejected(table, "both ramp", null, True) <= 3 / 8
    assert rejected(table, "memory 10 s", "circular", True) <= 3 / 8


def test_effects_are_found(table):
    circular = rejected(table, "power: 10 s, strong", "circular", True)
    assert circular >= 0.5 and circular >= rejected(table, "power: 10 s, strong", "pseudosession", True) - 0.2
    assert rejected(table, "power: 10 s, strong", "linear, conservative", False) <= rejected(
        table, "power: 10 s, strong", "linear", False
    )


@pytest.mark.parametrize("kind", ["memory", "ramp", "walk"])
def test_paths_are_standardised(kind):
    values = [path(np.random.default_rng(k), 4000, kind, 20) for k in range(20)]
    assert np.mean([v.std() for v in values]) == pytest.approx(1, abs=0.05)
    assert abs(np.mean([v.mean() for v in values])) < 0.1
    same = [draw_covariate(Scenario("s", kind, kind, 20), 4000, np.random.default_rng(3)) for _ in range(2)]
    np.testing.assert_array_equal(*same)


def test_the_command_prints_a_table(capsys):
    assert cli.main(["calibrate", "--repeats", "1", "--rows", "400", "--draws", "19"]) == 0
    printed = capsys.readouterr().out
    assert "circular + drift term" in printed and "memory 10 s" in printed and "1 repeats" in printed
    assert cli.main(["calibrate", "--rows", "10"]) == 1


def test_what_was_found_is_drawn(table, tmp_path):
    from nwbglm.figures.calibration import draw_coverage, draw_rejections

    figure = draw_rejections(table)
    sizes, powers = figure.axes
    shown = [container.get_children()[0].get_xdata() for container in sizes.containers]
    nulls = list(dict.fromkeys(zip(table.null, table.drift, strict=True)))
    first = table[table.scenario == "memory 10 s"].set_index(["null", "drift"]).rejected.loc[nulls]
    np.testing.assert_array_equal(shown[0], first)
    assert len(powers.containers) == 1 and len(sizes.get_yticklabels()) == len(nulls)
    held = pd.DataFrame([
        (drift, timed, penalty, "block + prior", "all", 8, 0.9, 0.01)
        for drift, timed in ((False, False), (True, False), (True, True)) for penalty in ("none", "ridge")
    ], columns=list(COVERAGE))  # fmt: skip
    panels = draw_coverage(held).axes
    assert [axes.get_title() for axes in panels] == ["The true model", "A missed drift", "… with a term of time"]
    assert all(len(axes.containers) == 2 for axes in panels)
    assert cli.main(["calibrate", "--what", "checks", "--repeats", "0"]) == 1
