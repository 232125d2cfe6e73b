"""A server on loopback that serves one file by byte ranges, well or badly."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves one file, as badly as the test asks for."""

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.how, self.sent, self.requests = content, "well", 0, 0
        self.ended = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/a.nwb"

    def handle_error(self, request, client_address):
        """Say nothing of clients that hang up: they are the point of some tests."""


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        """Keep the test's output quiet."""

    def do_GET(self):
        server: Server = self.server
        server.requests += 1
        if self.path.startswith("/api/"):
            return self.dandi()
        if server.how == "gone" or self.path != "/a.nwb":
            return self.send_error(404)
        if server.how == "slow" and server.requests > 1:
            server.ended.wait()
            return None
        if server.how == "busy" and server.requests % 3:
            return self.send_error(503)
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if server.how == "whole" or not asked:
            self.send_response(200)
            self.send_header("Content-Length", str(len(server.content)))
            self.end_headers()
            return self.wfile.write(server.content)
        low, high = int(asked[1]), min(int(asked[2]) + 1, len(server.content))
        part = server.content[low:high]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {low}-{high - 1}/{len(server.content)}")
        broken = server.how == "cut" and low > 0
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part[: len(part) // 2] if broken else part)
        server.sent += len(part)

    def dandi(self):
        found = re.fullmatch(r"/api/dandisets/000056/versions/(\w+)/assets/\?path=(.*)", self.path)
        if self.path == "/api/assets/abc/download/":
            self.send_response(302)
            self.send_header("Location", self.server.url)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if not found:
            return self.send_error(404)
        known = [{"path": "sub-1/a.nwb", "asset_id": "abc"}]
        body = json.dumps({"results": [one for one in known if one["path"].startswith(found[2][:5])]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(content: bytes) -> Iterator[Server]:
    """Run a server of this content for a while."""
    running = Server(content)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.ended.set()
    running.shutdown()
    running.server_close()
    thread.join()
