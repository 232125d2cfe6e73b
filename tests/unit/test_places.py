"""Where a recording is: the file that was made, the user's, or its address, in every form that a study may take."""

import pytest

from nwbglm.study.places import place_of

CONFIG = {
    "recordings": {
        "plain": {"nwb": "data/a.nwb"},
        "spelt": {"nwb": {"path": "data/b.nwb"}},
        "dandi": {"nwb": "dandi://000056/x.nwb"},
        "streamed": {"nwb": {"url": "https://host/c.nwb", "stream": True}},
        "fetched": {"nwb": {"url": "https://host/d.nwb", "sha256": "0" * 64}},
        "drawn": {"nwb": {"simulate": {"kind": "head_direction", "seed": 1}}},
    }
}


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("plain", "data/a.nwb"),
        ("spelt", "data/b.nwb"),
        ("dandi", "dandi://000056/x.nwb"),
        ("streamed", "https://host/c.nwb"),
        ("fetched", "results/s/recordings/fetched.nwb"),
        ("drawn", "results/s/recordings/drawn.nwb"),
    ],
)
def test_every_source_has_its_place(name, place):
    made = [f"results/s/recordings/{each}.nwb" for each in ("fetched", "drawn")]
    assert place_of(CONFIG, name, made) == place


def test_a_pattern_gives_each_file_its_session(tmp_path):
    for name in ("x", "y"):
        (tmp_path / f"{name}.nwb").touch()
    config = {"recordings": {"all": {"nwb": str(tmp_path / "*.nwb")}}}
    assert place_of(config, "y") == str(tmp_path / "y.nwb")
