"""What a run says on the terminal, and what a job says in its log."""

import io
import logging
from types import SimpleNamespace

import pytest
from synthetic_stores import head_direction_session

from nwbglm.fits.words import fit_words
from snakemake_logger_plugin_short import LogHandler, what_matters


def handler(**settings):
    known = {"stdout": False, "dryrun": False, "verbose": False} | settings
    made = LogHandler(SimpleNamespace(**known), None)
    made.stream = io.StringIO()
    return made


def tell(made, event=None, message="", **fields):
    record = logging.makeLogRecord({"msg": message, "event": event, **fields})
    made.emit(record)
    return made.stream.getvalue().splitlines()


def test_a_job_is_one_line_with_what_is_left():
    made = handler()
    tell(made, "job_info", jobid=3, rule_name="fit_model", wildcards={"model": "full", "session": "a"})
    assert tell(made, "shellcmd", "echo") == []
    tell(made, "job_finished", job_id=3)
    (line,) = tell(made, "progress", done=7, total=70)
    assert line.startswith("[7/70] fit_model model=full session=a (") and line.endswith(", 63 left")


def test_a_failure_is_the_line_that_matters_and_where_the_rest_is(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("2026-01-01 10:00:00,1 INFO began\n2026-01-01 10:00:01,2 ERROR a.nwb: the clock ran backwards\n")
    made = handler()
    lines = tell(made, "job_error", jobid=1, rule_name="bin_recording", wildcards={"session": "a"}, log=[str(log)])
    assert lines == ["failed: bin_recording session=a", "  a.nwb: the clock ran backwards", f"  log: {log}"]


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("Traceback (most recent call last):\n  File x\nValueError: no\n", "ValueError: no"),
        ("nwbglm.errors.StoreError: damaged\n  -> delete it\n", "nwbglm.errors.StoreError: damaged"),
        ("2026-01-01 1 ERROR Traceback (most recent call last):\n  File x\nKeyError: 'a'\n", "KeyError: 'a'"),
        ("only this\n", "only this"),
        ("", ""),
    ],
)
def test_the_line_that_matters(log, line):
    assert what_matters(log) == line


def test_noise_is_dropped_and_words_are_kept():
    made = handler()
    made.setFormatter(logging.Formatter("%(message)s"))
    tell(made, None, "Select jobs to execute...")
    assert tell(made, "run_info", "Job stats:\njob  count") == ["Job stats:", "job  count"]


def test_a_dry_run_is_shown_whole():
    made = handler(dryrun=True)
    made.setFormatter(logging.Formatter("%(message)s"))
    assert tell(made, "job_info", "rule x:", jobid=1, rule_name="x") == ["rule x:"]


def test_a_fits_log_says_device_sizes_iterations_and_statuses():
    fits = head_direction_session(silent_unit=True).fits["heading"]
    device, sizes, iterations, _, statuses = fit_words(fits)
    assert device.startswith("device: cpu")
    assert sizes.startswith(f"{fits.sizes['unit']} units, {fits.sizes['feature']} features, {fits.sizes['fold']} folds")
    assert f"{fits.iterations.values.max()} at most" in iterations
    assert f"{(fits.status.values == 1).sum()} no_spikes" in statuses
