"""Every hostile file as one study beside a good session: each is named, none stops the others, nothing runs."""

import os
import re
import shutil

import numpy as np
import one_process
import pandas as pd
import pytest
import yaml

from nwbglm import store

pytestmark = [pytest.mark.slow, pytest.mark.data]

REFUSED = {
    "bomb_epochs": "declares",
    "bomb_ids": "declares",
    "bomb_spikes": "declares",
    "ext_bypass_scratch": "another file",
    "ext_rawstorage": "another file",
}
"""Files that are left out, and a word of why; all others are analysed."""
SOME = {*REFUSED, "good", "html", "mathtext", "control", "badutf8_attr"}
"""Files of a study that is small enough for every day; `make torture` takes all."""


@pytest.mark.fault(
    "hostile recordings, all of one study",
    "bombs, ways out, cycles, dead references, HTML, formulas, control characters, bad text, beside a good one",
    "those that harm are left out, each with its reason; the others are analysed; the report is whole; nothing runs",
)
def test_hostile_files_beside_a_good_session(repository, shared_data, tmp_path):
    cases = shared_data.parent / "cases" / "faults"
    names = sorted(path.stem for path in cases.glob("*.nwb") if path.stem in SOME or os.environ.get("TORTURE"))
    for path in (*cases.glob("*.nwb"), cases / "other.h5"):
        shutil.copy(path, tmp_path)
    assert set(names) >= SOME
    study = yaml.safe_load((cases / "hostile.yaml").read_text())
    study["recordings"] = {name: {"nwb": f"{name}.nwb"} for name in names}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    status, printed = one_process.run(tmp_path, repository / "Snakefile")
    assert status == 0, printed[-3000:]
    said = dict(re.findall(r"nwb-glm: left out: (\S+): (.*)", printed))
    assert set(said) == set(REFUSED)
    assert all(word in said[name] for name, word in REFUSED.items()), said
    results = tmp_path / "results" / "hostile"
    sessions = pd.read_parquet(results / "comparison" / "sessions.parquet").set_index("session")
    assert sessions.index[~sessions.included].tolist() == sorted(REFUSED)
    report = results / "report"
    for name in names:
        page = (report / "sessions" / f"{name}.html").read_text(encoding="utf-8")
        assert "<script>alert" not in page and "onerror=alert(2)>" not in page
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f]", page), name
        if name not in REFUSED:
            binned = store.read(results / "binned" / f"{name}.zarr.zip")
            assert np.nanmax(np.abs(binned["sig"].values)) < 5, "the other file's values are 40 to 50"
    for path in report.rglob("*.csv"):
        for cell in pd.read_csv(path, header=None, dtype=str, keep_default_na=False).to_numpy().ravel():
            assert not cell.startswith(("=", "@", "+")), (path.name, cell)
