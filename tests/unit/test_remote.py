"""Files on a server: only what is used travels, and what goes wrong on the way is said in one line."""

import numpy as np
import pytest
from built_files import built, series, settings
from range_server import serving
from trap_files import small

from nwbglm.binning import bin_recording
from nwbglm.errors import RecordingError
from nwbglm.recording import open_recording, remote


@pytest.fixture
def server(tmp_path, monkeypatch):
    def fill(file):
        small(file)
        noise = np.random.default_rng(0).normal(size=(400_000, 4))
        file.add_acquisition(series("big", noise, rate=1000.0))

    monkeypatch.setattr(remote, "TIMEOUT", (3600, 3600))
    monkeypatch.setattr(remote, "ATTEMPTS", 3)
    with serving(built(tmp_path / "a.nwb", fill).read_bytes()) as running:
        yield running


def test_only_what_is_used_travels(server):
    with open_recording(server.url, session="s") as recording:
        data = bin_recording(recording, settings(signals={"x": {"from": "big", "column": 1}}))
    assert data.sizes["time"] == 1000 and np.isfinite(data.x.values).all()
    assert server.sent < len(server.content) / 4 and len(server.content) > 12e6


def test_a_remote_file_reads_as_a_local_one(server, tmp_path):
    path = tmp_path / "local.nwb"
    path.write_bytes(server.content)
    with open_recording(server.url, session="s") as far, open_recording(path, session="s") as near:
        assert (far.find_series("big").values() == near.find_series("big").values()).all()
    assert server.requests < 60


def test_a_server_that_is_busy_now_and_then_is_asked_again(server):
    server.how = "busy"
    with remote.RangeFile(server.url, wait=0.01) as file:
        assert file.read(8) == b"\x89HDF\r\n\x1a\n"
        file.seek(-100, 2)
        assert file.read() == server.content[-100:] and file.tell() == file.size == len(server.content)


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("whole", "does not serve parts"),
        ("gone", "404"),
        ("cut", "cannot be read: the connection broke"),
        ("slow", "cannot be read: no bytes came"),
    ],
)
def test_a_bad_server_is_said_in_one_line(server, how, what, monkeypatch):
    server.how = how
    if how == "slow":
        monkeypatch.setattr(remote, "TIMEOUT", (3600, 0.2))
    monkeypatch.setattr(remote.RangeFile.__init__, "__kwdefaults__", {"wait": 0.01})
    with pytest.raises(RecordingError, match=what) as caught, open_recording(server.url, session="s") as recording:
        recording.find_series("big").values(350_000, 360_000)
    assert caught.value.where == server.url and "\n" not in caught.value.what


def test_a_server_that_is_not_there(monkeypatch):
    monkeypatch.setattr(remote.RangeFile.__init__, "__kwdefaults__", {"wait": 0.01})
    with pytest.raises(RecordingError, match="the connection broke"), open_recording("http://127.0.0.1:9/a.nwb"):
        pass


def test_a_remote_file_that_is_no_nwb_is_refused(server):
    server.content = b"not a file of ours" * 1000
    with pytest.raises(RecordingError, match="HDF5 cannot open it"), open_recording(server.url):
        pass


def test_dandi_addresses_are_resolved(server, monkeypatch):
    api = server.url.replace("/a.nwb", "/api")
    assert remote.resolve_dandi("dandi://000056/sub-1/a.nwb", api) == f"{api}/assets/abc/download/"
    monkeypatch.setattr(remote.resolve_dandi, "__defaults__", (api,))
    with open_recording("dandi://000056/sub-1/a.nwb", session="s") as recording:
        assert len(recording.units) == 2
    with pytest.raises(RecordingError, match=r"no asset 'sub-1/b\.nwb'") as caught:
        remote.resolve_dandi("dandi://000056/sub-1/b.nwb", api)
    assert "sub-1/a.nwb" in caught.value.mend
    with pytest.raises(RecordingError, match="no dandiset 000099"):
        remote.resolve_dandi("dandi://000099/sub-1/a.nwb", api)
