"""What is said at the end of a run, and figures that fail."""

import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from nwbglm import store
from nwbglm.cli import main
from nwbglm.comparison import refuse_nothing
from nwbglm.content import fingerprint
from nwbglm.errors import NwbGlmError, StoreError, StudyError
from nwbglm.figures.failed import draw_all, reason_of
from nwbglm.figures.style import say, styled, svg_text
from nwbglm.report.last_words import failed_figures, last_words, why_it_ended
from nwbglm.report.locks import lock_words, refuse_place
from nwbglm.study import read_study

STUDY = {
    "study": "s",
    "recordings": {"a": {"nwb": "a.nwb"}, "b": {"nwb": "b.nwb"}},
    "epochs": {"use": {"table": "epochs"}},
    "bin": "10 ms",
    "terms": {"long": {"of": "own spikes", "basis": {"raised_cosine_log": {"n": 4, "window": "1 s"}}}},
    "models": {"m": ["long"]},
}


@pytest.fixture
def results(tmp_path) -> Path:
    sessions = pd.DataFrame({"session": ["a", "b"], "included": [True, False], "reason": ["", "the clock\nran back"]})
    fits = pd.DataFrame({"model": ["m", "m"], "status": ["ok", "separated"], "reported": [5, 2]})
    store.write_tables(
        {"sessions": sessions, "fits": fits}, [tmp_path / "comparison" / f"{n}.parquet" for n in ("sessions", "fits")]
    )
    reason = np.r_[np.zeros(20), np.ones(80)].astype(np.uint8)
    mask = np.zeros((1, 100), bool)
    folds = xr.Dataset(
        {
            "row": ("time", np.arange(100)),
            "shared": ("time", reason == 0),
            "reason": (
                "time",
                reason,
                {"flag_values": [0, 1], "flag_meanings": ["kept", "long:window_leaves_the_segment"]},
            ),
            "fold_of_row": ("time", np.zeros(100, np.int16)),
            "half": ("time", np.zeros(100, np.int8)),
            "final": ("time", reason == 0),
            "train": (("fold", "time"), mask),
            "test": (("fold", "time"), mask),
        },
        coords={"time": np.arange(100.0), "fold": ["0"], "fold_kind": ("fold", ["cv"])},
        attrs={"scheme": "{}", "gap": 0.0, "seed": 0, "session": "a"},
    )
    store.write(folds, tmp_path / "folds" / "a.zarr.zip", "folds")
    return tmp_path


def test_sessions_left_out_rows_lost_and_fits_that_ended_badly_are_said(results):
    assert last_words(read_study(STUDY), results) == [
        "left out: b: the clock ran back",
        "rows: a: 80 of 100 are lost to the term 'long' (window, missing values)",
        "fits: 2 of 7 results of model 'm' ended as separated",
    ]


def test_a_run_up_to_some_stage_says_nothing(tmp_path):
    assert last_words(read_study(STUDY), tmp_path) == []


@pytest.mark.fault(
    "no session is left to analyse", "all are left out, or have no unit", "the comparison fails and names every reason"
)
def test_nothing_left_to_analyse_is_a_failure_that_names_every_reason():
    with pytest.raises(NwbGlmError, match=r"(?s)no session is left.*a: no units.*b: broken file.*audit/"):
        refuse_nothing([], {"a": "no units", "b": "broken\nfile"})
    refuse_nothing([xr.Dataset(coords={"unit": [1]})], {"b": "broken"})
    with pytest.raises(NwbGlmError, match="no unit was selected"):
        refuse_nothing([xr.Dataset(coords={"unit": np.zeros(0, int)})], {})


def draw(name):
    if name == "bad":
        raise ZeroDivisionError("a rate of 0")
    return say(f"{name} is fine")


@pytest.mark.fault(
    "a figure cannot be drawn",
    "it raises",
    "a placeholder with the reason; the other figures are drawn; it is said at the end",
)
def test_a_figure_that_fails_is_a_placeholder_with_its_reason_and_stops_no_other(tmp_path):
    names = ["first", "bad", "last"]
    folder = tmp_path / "figures" / "a"
    svg, csv = ([str(folder / f"{name}.{kind}") for name in names] for kind in ("svg", "csv"))
    draw_all(draw, names, svg, csv)
    assert all(Path(path).exists() for path in (*svg, *csv))
    assert "ZeroDivisionError: a rate of 0" in Path(svg[1]).read_text()
    assert [reason_of(Path(path)) for path in csv] == ["", "ZeroDivisionError: a rate of 0", ""]
    assert failed_figures(read_study(STUDY), tmp_path) == ["figure a/bad.csv: ZeroDivisionError: a rate of 0"]
    assert sorted(path.stem for path in folder.glob("*.svg")) == ["first", "last"], "the next run draws it again"


@pytest.mark.parametrize("error", [StoreError("is damaged"), OSError(28, "No space left on device"), MemoryError()])
def test_what_is_no_fault_of_a_figure_fails_the_job(tmp_path, error):
    def broken(name):
        raise error

    with pytest.raises(type(error)):
        draw_all(broken, ["a"], [str(tmp_path / "a.svg")], [str(tmp_path / "a.csv")])
    assert not list(tmp_path.iterdir())


@pytest.mark.fault("a text of a file is no text for matplotlib", "`$`, control characters", "text stays text")
@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("text", [r"$\frac{$", "cost in $", "$x^2$", "bell \x07 and \x00", "a_b^c", "<&>"])
def test_texts_from_files_are_texts_in_figures(text):
    with styled():
        figure, _ = say(text)
        axes = figure.add_subplot()
        axes.set_xlabel(text)
        axes.plot([1, 2], label=text)
        axes.legend()
    ElementTree.fromstring(svg_text(figure))


@pytest.mark.fault("a job is killed for its memory", "SIGKILL stands in the log", "said at the end of the run")
def test_a_job_that_was_killed_is_told_from_one_that_failed(tmp_path):
    killed, failed = tmp_path / "killed.log", tmp_path / "failed.log"
    killed.write_text("died with <Signals.SIGKILL: 9>.")
    failed.write_text("returned non-zero exit status 1")
    assert "ran out of memory" in why_it_ended(str(killed)) == why_it_ended([str(failed), str(killed)])
    assert why_it_ended([str(failed), str(tmp_path / "absent.log")]) == why_it_ended([]) == ""


@pytest.mark.fault("the lock of a killed run", "a lock file is there", "it is explained at the start of the next run")
def test_the_lock_of_a_killed_run_is_explained_where_it_is_met(tmp_path):
    assert lock_words(tmp_path, "snakemake") == ""
    (tmp_path / ".snakemake" / "locks").mkdir(parents=True)
    (tmp_path / ".snakemake" / "locks" / "0.input.lock").touch()
    assert "snakemake --unlock" in lock_words(tmp_path, "snakemake")


@pytest.mark.fault(
    "the path of the environment holds a space, and jobs go to a cluster",
    "a space, a quote, a `$`",
    "the run stops at once in words",
)
@pytest.mark.parametrize("place", ["/my drive/.venv/bin/python", "/it's/python", "/a$b/python"])
def test_an_interpreter_that_a_cluster_cannot_call_is_said_at_once(place):
    with pytest.raises(StudyError, match="unquoted"):
        refuse_place(place)
    refuse_place("/daten/münchen/.venv/bin/python")


@pytest.mark.fault("damage that nobody has met yet", "files are cut", "`nwbglm verify` names each and fails")
def test_verify_names_what_is_damaged_and_fails(results, capsys):
    assert main(["verify", str(results)]) == 0
    for path in (results / "folds" / "a.zarr.zip", results / "comparison" / "fits.parquet"):
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        assert main(["verify", str(results)]) == 1
        assert f"{path}: is damaged" in capsys.readouterr().out
        path.write_bytes(whole)


@pytest.mark.fault(
    "a recording changes after its audit", "content changes", "the hash is compared, and the difference said"
)
def test_verify_tells_a_recording_that_was_changed(tmp_path, capsys):
    from nwbglm.audit import audit_recording

    recording = tmp_path / "a.nwb"
    recording.write_bytes(b"no NWB file, but a file")
    (tmp_path / "audit").mkdir()
    audit_recording(recording, None, session="a").write(tmp_path / "audit" / "a.json", tmp_path / "audit" / "a.html")
    assert main(["verify", str(tmp_path)]) == 0
    before = recording.stat()
    recording.write_bytes(b"another file, and older")
    os.utime(recording, (before.st_atime - 1e6, before.st_mtime - 1e6))
    assert main(["verify", str(tmp_path)]) == 1
    assert "not the one that was audited" in capsys.readouterr().out


def test_a_fingerprint_follows_content_and_not_place(tmp_path):
    first, cache = tmp_path / "a.nwb", tmp_path / "cache.json"
    first.write_bytes(b"one")
    known = fingerprint(first, cache)
    moved = first.rename(tmp_path / "b.nwb")
    assert fingerprint(moved, cache) == known and fingerprint(first, cache) == ""
    moved.write_bytes(b"two")
    os.utime(moved, (0, 0))
    assert fingerprint(moved, cache) != known
    cache.write_text("no JSON")
    moved.write_bytes(b"one")
    assert fingerprint(moved, cache) == known
