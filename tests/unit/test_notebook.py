"""The page for notebooks: its code runs as it stands, finds the truth, and is short."""

import re
from pathlib import Path

import numpy as np
import pytest

import nwbglm

PAGE = Path(__file__).resolve().parents[2] / "docs" / "notebook.md"
CURRENT, HEADING, MATRIX = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def run(code, folder, monkeypatch):
    """Run a block of the page in a folder; return its names."""
    monkeypatch.chdir(folder)
    names = {}
    exec(compile(code, str(PAGE), "exec"), names)
    return names


def on(code, path):
    """Let a block read a recording of the shared ones, instead of simulating one."""
    code = re.sub(r'^(cell|mouse) = ".*"$', rf'\1 = "{path}"', code, flags=re.MULTILINE)
    return re.sub(r"^nwbglm\.simulate_recording.*\n", "", code, flags=re.MULTILINE)


def held_out(names, model):
    return names["fits"][model].bits_per_spike.sel(kind="held-out").median().item()


@pytest.mark.parametrize("code", [CURRENT, HEADING])
def test_each_analysis_has_under_thirty_lines(code):
    assert len([line for line in code.splitlines() if line.strip()]) < 30


def test_the_function_table_is_the_face():
    named = re.findall(r"`(\w+)`", "".join(line for line in PAGE.read_text().splitlines() if line.startswith("| `")))
    assert sorted(named) == nwbglm.__all__


def test_the_current_and_its_history(tmp_path, monkeypatch, capsys):
    names = run(CURRENT, tmp_path, monkeypatch)
    assert held_out(names, "history and spikes") > held_out(names, "history") > held_out(names, "now") > 0
    assert capsys.readouterr().out.count("bits per spike") == 3
    truth = nwbglm.simulate_recording("injected_current", tmp_path / "again.nwb", seed=1)["current_filter"]
    found = names["kernel"].isel(unit=0)
    true = truth.isel(unit=0).interp(current_lag=found.lag.values)
    assert np.corrcoef(found, true)[0, 1] > 0.9


def test_the_heading_and_each_other(tmp_path, monkeypatch):
    names = run(HEADING, tmp_path, monkeypatch)
    assert held_out(names, "full") > max(held_out(names, "heading"), held_out(names, "coupling"))
    assert names["coupling"].dims == ("receiver", "sender", "lag") and names["coupling"].sizes["lag"] == 80
    assert names["tuning"].dims == ("unit", "value")


def test_a_matrix(tmp_path, monkeypatch):
    coefficients = run(MATRIX, tmp_path, monkeypatch)["fits"].coef
    np.testing.assert_allclose(coefficients, [[0.5, 0.0, 0.0], [0.0, 0.3, 0.0]], atol=0.07)


@pytest.mark.data
def test_real_recordings_take_the_place_of_the_simulated_ones(shared_data, tmp_path, monkeypatch):
    names = run(on(HEADING, shared_data / "mouse28_head_direction.nwb"), tmp_path, monkeypatch)
    assert names["fits"]["full"].sizes["unit"] == 14
    assert held_out(names, "full") > held_out(names, "history")
    two = CURRENT.replace('"where": "tags != \'Ramp\'"', '"index": [0, 1]')  # of its nine repeats: quicker
    names = run(on(two, shared_data / "noise_current_cell3.nwb"), tmp_path, monkeypatch)
    assert held_out(names, "history and spikes") > held_out(names, "history") > held_out(names, "now") > 0
