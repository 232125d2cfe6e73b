"""Files on a server, read by byte ranges: only what is used travels.

Blocks of a few hundred KiB are fetched on demand and kept (the most recent ones); a read that goes on where the last
one ended fetches more at once. A request that breaks is tried again; what cannot be had after that is one clear
error.
"""

from __future__ import annotations

import io
import time
from collections import OrderedDict
from typing import Any
from urllib.parse import quote, urlparse

import requests

from nwbglm.errors import RecordingError

BLOCK = 256 * 1024
"""Bytes fetched at least."""
AHEAD = 32
"""Blocks fetched at most by one request, when reading on."""
KEPT = 1024
"""Blocks kept: 256 MiB."""
TIMEOUT = (10, 30)
"""Seconds to wait for a connection, and for the next bytes."""
ATTEMPTS = 4
DANDI = "https://api.dandiarchive.org/api"


def is_remote(path: Any) -> bool:
    """Tell whether a path is an address: http, https or dandi."""
    return urlparse(str(path)).scheme in ("http", "https", "dandi")


class RangeFile(io.RawIOBase):
    """A file on a server, for reading, with random access.

    Parameters
    ----------
    url
        An http(s) address.
    wait
        Seconds before a broken request is tried again, doubled each time.

    Raises
    ------
    RecordingError
        If the address cannot be reached, or does not serve byte ranges.
    """

    def __init__(self, url: str, *, wait: float = 0.5):
        super().__init__()
        self.url, self.wait = url, wait
        self._failed: tuple[str, str] | None = None
        self.fetched = 0
        self._session = requests.Session()
        self._position, self._next, self._run = 0, -1, 1
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        try:
            answer = self._request(0, BLOCK)
            self.size = self._total(answer)
        except RecordingError:
            self._session.close()
            raise
        self.etag = answer.headers.get("ETag", "").strip('"')
        self._keep(0, answer.content)

    @property
    def failure(self) -> RecordingError | None:
        """What went wrong last, as a new error: one that is kept would keep its frames, and with them HDF5's handles.

        HDF5 frees such handles when the process ends, and crashes.
        """
        return RecordingError(self._failed[0], where=self.url, mend=self._failed[1]) if self._failed else None

    def _fail(self, what: str, mend: str) -> RecordingError:
        self._failed = what, mend
        return RecordingError(what, where=self.url, mend=mend)

    def _total(self, answer: requests.Response) -> int:
        total = answer.headers.get("Content-Range", "").rpartition("/")[2]
        if answer.status_code != 206 or not total.isdigit():
            raise RecordingError(
                "the server does not serve parts of files (byte ranges)",
                where=self.url,
                mend="download the file: give the study its `url` and `sha256`, or a local path",
            )
        return int(total)

    def _request(self, start: int, length: int) -> requests.Response:
        reason = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(self.wait * 2 ** (attempt - 1))
            try:
                headers = {"Range": f"bytes={start}-{start + length - 1}", "Accept-Encoding": "identity"}
                # Streamed, so that a server that sends the whole file is noticed before it does; closed in any case.
                with self._session.get(self.url, headers=headers, timeout=TIMEOUT, stream=True) as answer:
                    if answer.status_code == 200:
                        return answer
                    if answer.status_code < 500:
                        answer.raise_for_status()
                        self.fetched += len(answer.content)
                        return answer
                reason = f"the server answers {answer.status_code} {answer.reason}"
            except requests.HTTPError as error:
                reason = f"the server answers {error.response.status_code} {error.response.reason}"
                break
            except requests.Timeout:
                reason = f"no bytes came for {TIMEOUT[1]} s"
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
                reason = f"the connection broke ({type(error).__name__})"
        raise self._fail(
            f"bytes {start} to {start + length} cannot be read: {reason}",
            "check the address and the network, or download the file and give its path",
        )

    def _keep(self, first: int, content: bytes) -> None:
        for index in range(0, len(content), BLOCK):
            self._blocks[first + index // BLOCK] = content[index : index + BLOCK]
        while len(self._blocks) > KEPT:
            self._blocks.popitem(last=False)

    def _block(self, index: int, wanted: int) -> bytes:
        if index in self._blocks:
            self._blocks.move_to_end(index)
            return self._blocks[index]
        # Reading on doubles what is fetched at once; jumping about fetches no more than is asked for.
        self._run = min(AHEAD, 2 * self._run) if index == self._next else 1
        count = max(wanted, self._run)
        start = index * BLOCK
        length = min(count * BLOCK, self.size - start)
        content = self._request(start, length).content
        if len(content) != length:
            what = f"{len(content)} bytes came instead of {length} (from byte {start})"
            raise self._fail(what, "the server cuts the file off: download it again")
        self._keep(index, content)
        self._next = index + count
        return self._blocks[index]

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer from where we are."""
        length = max(0, min(len(buffer), self.size - self._position))
        view, done = memoryview(buffer).cast("B"), 0
        while done < length:
            index, offset = divmod(self._position, BLOCK)
            block = self._block(index, 1 + (offset + length - done - 1) // BLOCK)
            part = block[offset : offset + length - done]
            view[done : done + len(part)] = part
            done, self._position = done + len(part), self._position + len(part)
        return length

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that one can go anywhere in it."""
        return True

    def tell(self) -> int:
        """Say where we are."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = base + offset
        return self._position

    def close(self) -> None:
        """Let the connection go."""
        self._session.close()
        super().close()


def resolve_dandi(address: str, api: str = DANDI) -> str:
    """Find where an asset of the DANDI archive can be downloaded.

    Parameters
    ----------
    address
        ``dandi://000056/path/in/the/dandiset.nwb``, or ``dandi://000056@0.210812.1515/...`` for a published version.
    api
        The archive's programming interface.

    Raises
    ------
    RecordingError
        If the archive cannot be reached or has no such asset.
    """
    parts = urlparse(address)
    dandiset, _, version = parts.netloc.partition("@")
    path = parts.path.lstrip("/")
    listing = f"{api}/dandisets/{dandiset}/versions/{version or 'draft'}/assets/?path={quote(path)}"
    try:
        answer = requests.get(listing, timeout=TIMEOUT)
        answer.raise_for_status()
    except requests.HTTPError as error:
        code = error.response.status_code
        what = (
            f"DANDI has no dandiset {dandiset}, version {version or 'draft'}"
            if code == 404
            else f"DANDI answers {code}"
        )
        raise RecordingError(what, where=address, mend="check the number and version on dandiarchive.org") from error
    except requests.RequestException as error:
        what = f"the DANDI archive cannot be reached ({type(error).__name__})"
        raise RecordingError(what, where=address, mend="check the network, or download the file") from error
    for asset in answer.json()["results"]:
        if asset["path"] == path:
            return f"{api}/assets/{asset['asset_id']}/download/"
    close = ", ".join(asset["path"] for asset in answer.json()["results"][:3])
    mend = f"assets that begin so: {close}" if close else "check the path on dandiarchive.org"
    raise RecordingError(f"dandiset {dandiset} has no asset {path!r}", where=address, mend=mend)
