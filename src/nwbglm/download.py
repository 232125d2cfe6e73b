"""Recordings that are fetched from an address, once, and checked against their hash."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from urllib.parse import urlparse

import pooch
import requests

from nwbglm.errors import RecordingError
from nwbglm.log import DISK_MENDS
from nwbglm.whole import written_whole

logger = logging.getLogger("nwbglm")


def download(url: str, sha256: str, path: str | os.PathLike[str], *, attempts: int = 5) -> None:
    """Download a file to `path`, whole and with the hash that is expected, or not at all.

    Parameters
    ----------
    url
        An http(s) or ftp address.
    sha256
        The file's hash, hexadecimal.
    path
        Where the file goes; it appears only when complete and right.
    attempts
        How often a broken transfer or a wrong hash is tried again.

    Raises
    ------
    RecordingError
        The address cannot be reached, or what comes from it has another hash.
    """
    path = Path(path)
    logger.info("downloading %s", url)
    with written_whole(path) as (partial,):
        fetcher = pooch.create(
            path=partial.parent,
            base_url="",
            registry={path.name: f"sha256:{sha256.lower()}"},
            urls={path.name: url},
            retry_if_failed=attempts - 1,
        )
        try:
            fetcher.fetch(path.name, progressbar=False, downloader=_downloader(url))
        except ValueError as error:  # pooch's word for a wrong hash
            raise RecordingError(
                f"what comes from there is not the file that the study names (sha256 {sha256[:12]}...)",
                where=url,
                mend="check the address and the hash; if the file was published anew, compare it and change the hash",
            ) from error
        except (requests.RequestException, OSError) as error:
            if error.errno in DISK_MENDS:  # ours, not the network's: who runs the stage knows the mend
                raise
            raise RecordingError(
                f"cannot be downloaded: {_reason(error)}",
                where=url,
                mend=f"check the network, or fetch the file by other means and name its path instead of the url: "
                f"recordings.<session>.nwb: /path/to/{Path(urlparse(url).path).name}",
            ) from error
    logger.info("%s has the expected hash, %d bytes", path.name, path.stat().st_size)


def _downloader(url: str) -> pooch.HTTPDownloader | None:
    if urlparse(url).scheme in ("http", "https"):
        return pooch.HTTPDownloader(progressbar=_LoggedProgress(), timeout=60)
    return None  # pooch chooses by the address


def _reason(error: Exception) -> str:
    if isinstance(error, requests.HTTPError):
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "the server does not answer"
    if isinstance(error, requests.ConnectionError):
        return "no connection to the server (offline?)"
    return str(error)


class _LoggedProgress:
    """A progress bar for a log file: a line each tenth of the way. pooch sets `total` and calls `update`."""

    def __init__(self) -> None:
        self.total: int = 0
        self._done = 0

    def update(self, count: int) -> None:
        """Take note of `count` more bytes."""
        before, self._done = self._done, self._done + count
        if self.total and before * 10 // self.total < self._done * 10 // self.total:
            logger.info("%3d %% of %.1f MB", self._done * 100 // self.total, self.total / 1e6)

    def reset(self) -> None:
        """Begin again, as pooch does once the file is there."""
        self._done = 0

    def close(self) -> None:
        """Nothing is held open."""
