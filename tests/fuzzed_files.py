"""Mutated NWB files (see `mutations`), each audited and binned under several studies.

The suite tries a few; a campaign goes on from any seed, and says what broke:

    python tests/fuzzed_files.py 5000        files
    python tests/fuzzed_files.py 5000 90000  from this seed on
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from mutations import mutate, whole

from nwbglm.audit import Audit, audit_recording
from nwbglm.binning import bin_recording
from nwbglm.recording import open_recording
from nwbglm.study import DataSettings

BITS = {
    "epochs": {"use": {"table": "epochs"}},
    "bin": "50 ms",
    "units": {"where": "rate > 0"},
    "signals": {
        "x": {"from": "x", "resample": "interpolate"},
        "lick": {"from": "acquisition/licks", "resample": "boxcar"},
        "press": {"from": "trials", "resample": "events", "time": "press_time"},
        "lfp": {"from": "lfp", "column": 1},
    },
}
TRIALS = {
    "epochs": {"use": {"table": "trials", "margin": "0.5 s"}},
    "bin": "20 ms",
    "units": {"where": "electrode_group == 'probeA' or electrodes.location == 'CA1'"},
    "blank": {"late": {"silence": "2 s"}},
    "mask": {"left": "side == 'left'"},
    "signals": {
        "side": {"from": "trials", "resample": "boxcar", "value": "side"},
        "licked": {"from": "trials", "resample": "events", "time": "licks", "value": "side"},
        "v": {"from": "x", "derive": "speed", "units": "cm/s", "smooth": "100 ms"},
        "note": {"from": "notes", "resample": "events", "where": "value == 'a'"},
        "drift": {"of": "time"},
    },
}
IMAGING = {
    "epochs": {"use": {"intervals": [["0 s", "20 s"]]}},
    "bin": "100 ms",
    "response": {"from": "roi", "resample": "interpolate"},
    "units": {"where": "is_cell == 1 and valid > 0"},
    "signals": {"x": {"from": "x", "where": "value > -4"}},
}
LONGEST = 60
"""CPU seconds after which a file counts as one that hangs."""


SLOW = 5
"""CPU seconds above which a file is named."""


class HangError(BaseException):
    """A file took too long; no `except Exception` may take it for something the file said."""


def settings() -> DataSettings:
    """Make a study that takes a bit of everything."""
    return DataSettings.model_validate(BITS)


def studies() -> tuple[DataSettings, ...]:
    """Make studies that take spikes, trials and images."""
    return tuple(DataSettings.model_validate(study) for study in (BITS, TRIALS, IMAGING))


def judge(path: Path, taken: DataSettings) -> Audit:
    """Audit a file; where it passes, bin it: what is usable is used, what is not is refused in words."""
    audit = audit_recording(path, taken, session="s")
    assert audit.verdict in ("pass", "warn", "fail")
    assert "</html>" in audit.html() and json.dumps(audit.to_dict(), default=str)
    assert audit.text()
    if audit.verdict != "fail":
        with open_recording(path, session="s", external="refuse") as recording:
            binned = bin_recording(recording, taken).load()
        assert np.isfinite(binned["time"].values).all() and binned.sizes["time"] > 0
        assert not np.isinf(binned["response"].values).any()
    return audit


def campaign(files: int, first: int = 0) -> int:
    """Try many files; print what broke, and how long the slowest took. Returns the number that broke."""
    broken, verdicts, slowest = Counter(), Counter(), 0.0
    warnings.simplefilter("error")
    signal.signal(signal.SIGPROF, _hangs)
    taken = studies()
    with tempfile.TemporaryDirectory() as folder:
        source = whole(Path(folder) / "whole.nwb")
        for seed in range(first, first + files):
            path = Path(folder) / "mutated.nwb"
            done = mutate(source, path, np.random.default_rng(seed))
            began = time.process_time()
            signal.setitimer(signal.ITIMER_PROF, LONGEST)
            try:
                verdicts[judge(path, taken[seed % len(taken)]).verdict] += 1
            except (Exception, HangError) as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                kind = f"{type(error).__name__} {Path(place.filename).name}:{place.lineno} {str(error)[:160]}"
                broken[kind] += 1
                if broken[kind] == 1:
                    print(f"seed {seed}: {done}\n    {kind}", flush=True)
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
            took = time.process_time() - began
            if took > SLOW:
                print(f"seed {seed}: {took:.1f} s: {done}", flush=True)
            slowest = max(slowest, took)
    print(f"{files} files: {dict(verdicts)}; {sum(broken.values())} broke; the slowest took {slowest:.2f} CPU s")
    return sum(broken.values())


def _hangs(*_: object) -> None:
    raise HangError(f"more than {LONGEST} s")


if __name__ == "__main__":
    sys.exit(bool(campaign(*map(int, sys.argv[1:] or ["5000"]))))
