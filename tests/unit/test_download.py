"""Downloads from a local server: whole and right, or not at all."""

import errno
import gc
import hashlib
import http.server
import os
import threading
import warnings

import pytest
from disk_faults import Disk, faulty

from nwbglm.download import download
from nwbglm.errors import RecordingError

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT at /file.nwb; /flaky.nwb breaks off the first two times; /wrong.nwb has other bytes."""

    broken = 0

    def do_GET(self):
        if self.path == "/nothing.nwb":
            self.send_error(404)
            return
        content = CONTENT[::-1] if self.path == "/wrong.nwb" else CONTENT
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.path == "/flaky.nwb" and Handler.broken < 2:
            Handler.broken += 1
            self.wfile.write(content[:1000])
            return
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    yield
    with warnings.catch_warnings():
        # pooch leaves the connection of a failed answer to the garbage collector, which may come in any later test
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.parametrize("name", ["file.nwb", "flaky.nwb"])
def test_a_download_is_whole_also_after_broken_transfers(server, tmp_path, name):
    Handler.broken = 0
    download(f"{server}/{name}", SHA256.upper(), tmp_path / "sub" / "a.nwb")
    assert (tmp_path / "sub" / "a.nwb").read_bytes() == CONTENT
    assert os.listdir(tmp_path / "sub") == ["a.nwb"]


@pytest.mark.parametrize(
    ("name", "message"), [("wrong.nwb", "not the file that the study names"), ("nothing.nwb", "the server answers 404")]
)
def test_what_is_wrong_leaves_nothing(server, tmp_path, name, message):
    with pytest.raises(RecordingError, match=message) as error:
        download(f"{server}/{name}", SHA256, tmp_path / "a.nwb", attempts=2)
    assert f"{server}/{name}" in str(error.value)
    assert os.listdir(tmp_path) == []


def test_offline_names_the_mend(tmp_path):
    with pytest.raises(RecordingError, match="no connection") as error:
        download("http://127.0.0.1:9/Mouse32.nwb", SHA256, tmp_path / "a.nwb", attempts=1)
    assert "name its path instead" in str(error.value) and "Mouse32.nwb" in str(error.value)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_not_taken_for_the_network(server, tmp_path, monkeypatch):
    with faulty(Disk(tmp_path, "write", 0, errno.ENOSPC, lasting=True), monkeypatch), pytest.raises(OSError) as error:
        download(f"{server}/file.nwb", SHA256, tmp_path / "a.nwb", attempts=1)
    assert error.value.errno == errno.ENOSPC and not isinstance(error.value, RecordingError)
    assert os.listdir(tmp_path) == []
